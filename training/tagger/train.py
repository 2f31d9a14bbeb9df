"""Train a tagger: settings, data, model, one loop, report, weights.

    senga train tagger training/configs/tagger_large.toml
    senga train tagger training/configs/danbooru2021.toml --set data.folder=/data/danbooru2021 --set data.fraction=0.25
    torchrun --nproc-per-node 4 -m senga.training.tagger CONFIG.toml        # many GPUs; --nnodes for many machines

A run lives in RUNS/NAME: settings, environment, curve, checkpoints (found again by themselves: the same command goes on
where it stopped, bit for bit on a CPU), and at the end report.md and NAME.safetensors with the averaged weights.
"""

import dataclasses
import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ...arch import Provenance, TaggerModel, load_tagger, save_model
from ...arch.preprocessing import Preprocessing
from ..run.agreement import check_alike
from ..run.checkpoints import RunState, is_sound
from ..run.devices import make_fabric
from ..run.ema import make_average
from ..run.entry import command_line, to_its_end, training_parser
from ..run.identity import run_identity
from ..run.optimisers import make_optimisers, set_learning_rate, step_optimisers
from ..run.processes import Processes
from ..run.run_folder import RunFolder, alone, commit, environment
from ..run.scaling import scaler_of
from ..run.schedule import learning_rate
from ..run.settings import defaults_of, read_settings, to_dict
from ..run.start_from import take_over
from ..run.stopping import StopSignals, ended
from ..run.threads import pick_threads, restored_threads
from .batches import TagPictures, batches
from .index import SPLITS
from .losses import LOSSES
from .metrics import global_threshold, mean_ap, tag_thresholds
from .model import (
    depthwise_in_float32,
    halve_kernels,
    predict,
    start_from_counts,
    vocabulary_of,
    warm_statistics,
    with_outputs_of,
)
from .opening import open_index
from .report import Findings, write_report
from .settings import TaggerSettings

logger = logging.getLogger("senga")

PROG = "senga train tagger"

HELD_OUT = SPLITS[1:]
COLUMNS = ("step", "loss", *(f"map_{s}" for s in HELD_OUT), "learning_rate", "images_per_second", "waiting", "seconds")


def identity_of(settings: TaggerSettings, index_sha256: str) -> str:
    """What a run may not change when it goes on: its settings and its pictures."""
    return run_identity(to_dict(settings), pictures=index_sha256)


@restored_threads()
def train(settings: TaggerSettings, command: str) -> Path:
    """Run (or go on with) a training; returns the path of the weights file.

    Args:
        command: how it was started, for the header of the weights.

    Raises:
        EndedError: SIGTERM or Ctrl-C ended it, after a checkpoint was written.
        SengaError: settings, data or checkpoint do not fit together, or the loss does not become finite again.
    """
    data, optim, run = settings.data, settings.optim, settings.run
    loss_of = LOSSES[optim.loss]
    fabric, precision = make_fabric(run.precision, bf16=True, half=True, batch=data.batch, timeout=run.timeout)
    processes = Processes(fabric, run.timeout)
    check_alike(processes, to_dict(settings))
    is_main = fabric.is_global_zero  # of several processes one writes and validates

    # Data
    folder = RunFolder(Path(run.folder) / settings.name, COLUMNS, run.keep, defaults_of(TaggerSettings))
    opened = open_index(processes, data, folder.path)
    index, bearing, known = opened.index, opened.bearing, opened.known
    trained = known > 0  # tags with a label on some training picture
    preprocessing = Preprocessing(**to_dict(settings.preprocessing))
    pictures = TagPictures(index, data, settings.augment, preprocessing)
    counts = ", ".join(f"{len(index.where(split)):,} {split}" for split in SPLITS)
    logger.info("%s tags (%d trained) on pictures: %s", f"{len(index.names):,}", trained.sum(), counts)

    # Net
    torch.manual_seed(settings.seed)
    vocabulary = vocabulary_of(index, trained, data.exclusive)
    hyperparameters = settings.model.hyperparameters
    model = TaggerModel.create(settings.model.architecture, vocabulary, preprocessing, **hyperparameters)
    unwrapped = model.model.requires_grad_(True).train()
    start_from_counts(unwrapped, bearing, known)

    def take_weights() -> None:
        other = load_tagger(settings.model.start_from)
        state = with_outputs_of(other.model.state_dict(), other.vocabulary.names, unwrapped, vocabulary.names)
        take_over(unwrapped, state, settings.model.start_from)

    if settings.model.start_from:
        processes.agreed(take_weights)
    if precision == "bf16" and fabric.device.type == "cpu":
        depthwise_in_float32(unwrapped)
    net = fabric.setup_module(unwrapped)
    trained_tags = torch.from_numpy(trained).float().to(fabric.device)
    optimisers = make_optimisers(unwrapped, optim)
    ema = make_average(unwrapped, optim, optimisers)
    stateful: dict[str, Any] = {"net": unwrapped, **{f"optimiser_{i}": o for i, o in enumerate(optimisers)}}
    scaler = scaler_of(fabric)
    if scaler:
        stateful["scaler"] = scaler

    # Resume
    now = RunState(processes, folder, identity_of(settings, opened.sha256), stateful, ema)
    if now.load(optim.steps):
        logger.info("going on from step %d", now.step)
    else:
        now.save()  # there is something to go back to from the first step on

    def rehearse() -> None:
        """The gradients of a batch of noise, for the trial of threads; without those of other processes, which make
        more or fewer of them meanwhile."""
        side = settings.augment.size or preprocessing.size
        x = torch.rand(data.batch // fabric.world_size, 3, side, side, device=fabric.device)
        x = x.contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(len(x), len(index.names), device=fabric.device)
        with fabric.no_backward_sync(net, enabled=fabric.world_size > 1):
            fabric.backward(loss_of(net(x).float(), labels, labels + trained_tags))

    left = optim.steps - now.step
    torch.set_num_threads(pick_threads(run.threads, folder, left, fabric.device, rehearse, [unwrapped], processes))
    about = {"command": command, "data_sha256": manifest_sha256(settings) or opened.sha256}
    if is_main:
        folder.cut_curve(now.step)
        folder.write_json("settings.json", to_dict(settings))
        folder.write_json("environment.json", environment(fabric.device, precision, fabric.world_size) | about)

    def candidate() -> TaggerModel:
        """The averaged weights as a model of their own."""
        copy = TaggerModel(model.header, model.header.row().build(model.header.config())).to(fabric.device)
        copy.model.load_state_dict(ema.values)
        return copy

    sizes: dict[str, int] = {}  # pictures behind each score of the last validation

    def validate(board: SummaryWriter, values: dict[str, float]) -> dict[str, float]:
        """Score the averaged weights on some of each split, and add a line to the curve."""
        copy = candidate()
        chosen = {split: pictures.some(split, run.validation_pictures) for split in HELD_OUT}
        scored = {s: predict(copy, pictures, numbers, precision) for s, numbers in chosen.items() if len(numbers)}
        scores = {f"map_{split}": mean_ap(found, trained) for split, found in scored.items()}
        sizes.update({f"map_{split}": len(found.numbers) for split, found in scored.items()})
        folder.add_to_curve(now.step, **scores, **values)
        for name, value in (scores | values).items():
            board.add_scalar(name, value, now.step)
        return scores

    # Loop. It is left early, and begun again further back, when the loss is not finite any more.
    board = SummaryWriter(str(folder.path / "tensorboard"), purge_step=now.step) if is_main else None
    bar = tqdm(total=optim.steps, initial=now.step, unit="step", disable=not is_main)
    writing = closing(board) if board else nullcontext()
    with writing, bar, logging_redirect_tqdm([logger]), StopSignals() as signals:
        while now.step < optim.steps:
            first, before, began, waited = now.step, now.seconds, time.monotonic(), 0.0
            bar.n = first
            steps = range(first, optim.steps)
            stream = batches(pictures, settings.seed, steps, opened.place, fabric.world_size)
            for step in steps:
                waiting = time.monotonic()
                x, labels, labelled = (part.to(fabric.device) for part in next(stream))
                waited += time.monotonic() - waiting
                rate = learning_rate(step, optim) * now.slower
                set_learning_rate(optimisers, rate)

                warm_statistics(unwrapped, step)
                torch.manual_seed(pictures.dropout_seed(settings.seed, step, opened.place))
                loss = loss_of(net(x).float(), labels, labelled * trained_tags)
                unwrapped.zero_grad(set_to_none=True)
                fabric.backward(loss)
                step_optimisers(unwrapped, optimisers, optim.clip, scaler)
                if scaler:
                    scaler.update()
                ema.update(unwrapped, step)

                value = float(fabric.all_reduce(loss.detach(), reduce_op="mean"))  # type: ignore[arg-type] (a tensor)
                last = step + 1 == optim.steps
                signal = signals.agreed(fabric)
                saves = last or bool(signal) or (step + 1) % run.save_every == 0
                if not is_sound(value, unwrapped.parameters() if saves else ()):
                    now.roll_back(run.rollbacks)
                    break
                now.note(value)
                now.seconds = before + time.monotonic() - began
                validates = last or (step + 1) % run.validate_every == 0
                if board and validates:
                    spent = now.seconds - before
                    speed = (step + 1 - first) * data.batch / spent
                    values = {"loss": now.running, "learning_rate": rate, "seconds": now.seconds}
                    values |= {"images_per_second": speed, "waiting": waited / spent}
                    found = validate(board, values)
                    scores = ", ".join(f"{name} {score:.3f} ({sizes[name]} pictures)" for name, score in found.items())
                    logger.info("step %d: loss %.3f, %s, %.0f pictures/s", step + 1, now.running, scores, speed)
                if validates:
                    processes.meet_after_the_first()
                if saves:
                    now.save()
                if signal:
                    stream.close()
                    raise ended(signal, settings.name, now.step, optim.steps, command)
                bar.set_postfix(loss=f"{now.running:.3f}", refresh=False)
                bar.update()
            stream.close()

    # Thresholds, report and weights
    path = folder.path / f"{settings.name}.safetensors"
    if is_main:
        half = candidate()
        halve_kernels(half.model)
        final = TaggerModel(half.header, deepcopy(half.model).float())  # what a user gets is what is scored
        scored = {s: predict(final, pictures, index.where(s), "fp32") for s in HELD_OUT if len(index.where(s))}
        threshold = global_threshold(scored["val"], trained)
        thresholds = tag_thresholds(scored["val"], threshold, run.min_positives)
        findings = Findings(scored, threshold, thresholds, trained, run.min_positives)
        provenance = Provenance(
            source="senga",
            commit=commit(),
            command=command,
            data_sha256=about["data_sha256"],
            licences=opened.licences,
            seed=settings.seed,
            steps=optim.steps,
            metrics=findings.metrics(index),
            notes="; ".join(f"{len(found.numbers):,} pictures in {split}" for split, found in scored.items()),
        )
        vocabulary = dataclasses.replace(vocabulary, thresholds=tuple(thresholds.round(4).tolist()))
        header = dataclasses.replace(final.header, vocabulary=vocabulary, provenance=provenance)
        save_model(path, TaggerModel(header, half.model.cpu()))
        write_report(folder.path, header, findings, pictures)
        folder.write_json("metrics.json", provenance.metrics)
        scores = ", ".join(f"{name} {value:.4g}" for name, value in provenance.metrics.items())
        logger.info("%s: %s", path, scores or "no scores")
        if not scores:
            way_out = "raise data.val and data.test, or lower run.min_positives"
            logger.warning("no tag is on run.min_positives = %d held-out pictures; %s", run.min_positives, way_out)
    now.log_weights()
    return path


def manifest_sha256(settings: TaggerSettings) -> str:
    """Of the table of pictures, where there is one; of all tables, one after the other, where there are more."""
    data = settings.data
    if data.source != "table" or data.per_host:
        return ""
    tables = [Path(folder) / data.table for folder in (data.folder, *data.more)]
    return hashlib.sha256(b"".join(table.read_bytes() for table in tables)).hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    parser = training_parser(PROG, "Train a tagger.")
    args = parser.parse_args(argv)
    settings = read_settings(TaggerSettings, args.config, args.set)
    with alone(Path(settings.run.folder) / settings.name):
        command = command_line(PROG, args)
        return to_its_end(partial(train, settings, command), command)
