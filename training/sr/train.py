"""Train an upscaling network: settings, data, model, one loop, weights.

    senga train sr training/configs/espcn_7_x2.toml
    senga train sr training/configs/espcn_7_x2.toml --set optim.steps=20000 --set data.folder=my_pictures
    torchrun --nproc-per-node 4 -m senga.training.sr CONFIG.toml        # many GPUs; --nnodes for many machines

A run lives in RUNS/NAME: settings, environment, curve, checkpoints (found again by themselves: the same command goes on
where it stopped, bit for bit on a CPU), contact sheets, and at the end report.md and NAME.safetensors.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ...arch import Provenance, UpscaleModel
from ..run.checkpoints import RunState, is_sound
from ..run.compiling import compile_net
from ..run.devices import make_fabric
from ..run.ema import make_average, round_to_bfloat16, rounded_weights
from ..run.entry import command_line, to_its_end, training_parser
from ..run.identity import run_identity
from ..run.optimisers import make_optimisers, set_learning_rate, step_optimisers
from ..run.pace import Pace
from ..run.processes import Processes
from ..run.run_folder import RunFolder, alone, commit, environment
from ..run.scaling import scaler_of
from ..run.schedule import learning_rate
from ..run.settings import defaults_of, read_settings, to_dict
from ..run.stopping import StopSignals, ended
from ..run.threads import pick_threads, restored_threads
from .curve import columns, warn_of_other_condition
from .gan import GanStep
from .losses.table import LDL, make_loss
from .opening import open_all, prepare
from .pairs.pair_set import uses_folder
from .patches import batches
from .recipes import described
from .report import write_report
from .settings import Settings
from .step import Means, Step
from .validation.scores import baseline, draw_sheet, score_all, write_weights
from .validation.validation_crops import count_text, digest_of, make_pairs, mean_of_domains, some
from .validation.whole_pictures import list_wholes, validate_wholes

logger = logging.getLogger("senga")

PROG = "senga train sr"


def identity_of(settings: Settings, scale: int, data_sha256: str) -> str:
    """What a run may not change when it goes on: its settings, what its recipes are, and its pictures."""
    recipes = described(settings.data.degradation, scale)
    return run_identity(to_dict(settings), recipes=recipes, pictures=data_sha256)


Export = int | Literal["best"]  # the step of a checkpoint, or that of the best validation


@restored_threads()
def train(settings: Settings, command: str, export: Export | None = None) -> Path:
    """Run (or go on with) a training; returns the path of the weights file.

    Args:
        command: how it was started, for the header of the weights.
        export: write the weights of that step's checkpoint, or the best, instead of training.

    Raises:
        EndedError: SIGTERM or Ctrl-C ended it, after a checkpoint was written.
        SengaError: settings, data or checkpoint do not fit together, or the loss does not become finite again.
    """
    optim, run, gan = settings.optim, settings.run, settings.gan
    loss_of = make_loss(**to_dict(settings.loss))
    torch.manual_seed(settings.seed)
    model = UpscaleModel.create(settings.model.architecture, **settings.model.hyperparameters)
    scale = model.scale
    unwrapped = model.model.requires_grad_(True).train()
    supported = {"bf16": model.supports_bfloat16, "half": model.supports_half}
    fabric, precision = make_fabric(run.precision, **supported, batch=settings.data.batch, timeout=run.timeout)
    processes = Processes(fabric, run.timeout)
    is_main = fabric.is_global_zero  # of several processes one writes and validates

    prepare(processes, settings, scale, unwrapped)

    # Data
    path = Path(run.folder) / settings.name
    pictures, own, crops, place = open_all(processes, settings, scale, path)
    wholes = list_wholes(own, scale, run.conditions[0])
    domains = list(dict.fromkeys(crop.domain for crop in crops))
    folder = RunFolder(path, columns(settings, domains), run.keep, defaults_of(Settings))
    few = some(crops, run.validation_crops)
    pairs = {name: make_pairs(few, scale, name) for name in run.conditions}
    lead = pairs[run.conditions[0]]
    lanczos = mean_of_domains(baseline(lead, "lanczos", scale), lead)
    scored = f"{run.conditions[0]}: {count_text(few)}, {digest_of(lead)}"
    trained_on = len(pictures.train) + sum(len(pair.train) for pair in pictures.pairs)
    found = trained_on, count_text(few), run.conditions[0], lanczos
    logger.info("%d pictures to train on; crops to validate on: %s (%s: Lanczos %.2f dB)", *found)

    # Nets
    net = fabric.setup_module(unwrapped)
    optimisers = make_optimisers(unwrapped, optim)
    ema = make_average(unwrapped, optim, optimisers)
    stateful: dict[str, Any] = {"net": unwrapped, **{f"optimiser_{i}": o for i, o in enumerate(optimisers)}}
    scaler = scaler_of(fabric)
    if scaler:
        stateful["scaler"] = scaler
    discriminator = GanStep(fabric, gan, model.output_channels) if gan.weight else None
    if discriminator:
        stateful |= {"discriminator": discriminator.net, "discriminator_optimiser": discriminator.optimiser}
    averaged = partial(functional_call, unwrapped, ema.values) if settings.loss.weights.get(LDL) else None
    learn = Step(fabric, net, unwrapped, loss_of, gan, discriminator, averaged, optim.accumulate)

    # Resume
    now = RunState(processes, folder, identity_of(settings, scale, pictures.sha256), stateful, ema)
    if export == "best":
        now.load_best()
    elif now.load(optim.steps, export):
        logger.info("going on from step %d", now.step)
    elif export is None:
        now.save()  # there is something to go back to from the first step on
    rounding_from = round(optim.steps * (1 - optim.exact_bf16)) if optim.exact_bf16 else optim.steps + 1
    if export is None:
        rehearse = partial(learn.rehearse, settings.data.batch // fabric.world_size, settings.data.patch, scale)
        left = optim.steps - now.step
        torch.set_num_threads(pick_threads(run.threads, folder, left, fabric.device, rehearse, learn.nets, processes))
        if run.compile:
            compile_net(unwrapped, fabric.device)
    if export is None and is_main:
        folder.cut_curve(now.step)
        warn_of_other_condition(folder, run.conditions[0], now.step)
        folder.write_json("settings.json", to_dict(settings))
        about = {"command": command, "data_sha256": pictures.sha256}
        folder.write_json("environment.json", environment(fabric.device, precision, fabric.world_size) | about)

    def candidate() -> UpscaleModel:
        """The averaged weights as a model of their own; of a run that rounds them, rounded."""
        copy = UpscaleModel(model.header, model.header.row().build(model.header.config())).to(fabric.device)
        copy.model.load_state_dict(ema.values)
        if now.step >= rounding_from:
            round_to_bfloat16(copy.model.state_dict().values())
        return copy

    def validate(board: SummaryWriter, values: dict[str, float]) -> dict[str, float]:
        """Score the averaged weights, add a line to the curve, and draw a sheet when one is due."""
        step = now.step
        due = step == optim.steps or bool(run.sheet_every and step % run.sheet_every == 0)
        ours = candidate()
        scores, made = score_all(ours, pairs, precision, slow=due)
        scores["psnr_y_lanczos"] = lanczos
        if due:
            scores |= validate_wholes(ours, wholes, folder.path, precision, step, board)
        folder.add_to_curve(step, **scores, **values)
        now.keep_best(scores["psnr_y"], scored)
        for name, value in (scores | values).items():
            board.add_scalar(name, value, step)
        if due:
            png = folder.path / f"sheet-{step:07d}.png"
            sheet = draw_sheet(png, pairs[run.conditions[0]], made, scale, run.sheet_crops)
            board.add_image("sheet", sheet, step, dataformats="HWC")
        return scores

    # Loop. It is left early, and begun again further back, when the loss is not finite any more.
    world = place, fabric.world_size
    board = SummaryWriter(str(folder.path / "tensorboard"), purge_step=now.step) if is_main and export is None else None
    bar = tqdm(total=optim.steps, initial=now.step, unit="step", disable=not is_main or export is not None)
    writing = closing(board) if board else nullcontext()
    with writing, bar, logging_redirect_tqdm([logger]), StopSignals() as signals:
        while now.step < optim.steps and export is None:
            first, before, began, waited, scores = now.step, now.seconds, time.monotonic(), 0.0, {}
            bar.n, pace, means = first, Pace(first, optim.steps), Means()
            stream = batches(pictures, settings.data, scale, settings.seed, range(first, optim.steps), *world)
            for step in range(first, optim.steps):
                waiting = time.monotonic()
                lr, hr = (part.to(fabric.device) for part in next(stream))
                waited += time.monotonic() - waiting
                rate = learning_rate(step, optim) * now.slower
                set_learning_rate(optimisers, rate)
                if step == rounding_from:
                    unwrapped.load_state_dict(ema.values)

                with rounded_weights(unwrapped, step >= rounding_from):
                    loss, terms = learn.gradients(lr, hr)
                terms["gradient_norm"] = step_optimisers(unwrapped, optimisers, optim.clip, scaler)
                means.add(terms | learn.update_discriminator())
                if scaler:
                    scaler.update()
                ema.update(unwrapped, step)

                value = float(cast(Tensor, fabric.all_reduce(loss, reduce_op="mean")))
                last = step + 1 == optim.steps
                signal = signals.agreed(fabric)
                saves = last or bool(signal) or (step + 1) % run.save_every == 0
                if not is_sound(value, unwrapped.parameters() if saves else ()):
                    now.roll_back(run.rollbacks)
                    break
                now.note(value)
                now.seconds = before + time.monotonic() - began
                spent = now.seconds - before
                speed = (step + 1 - first) * settings.data.batch / spent
                if is_main:
                    pace.note(now.step)
                pausing = time.monotonic()
                validates = last or (step + 1) % run.validate_every == 0
                if board and validates:
                    values = {"loss": now.running, "learning_rate": rate, "seconds": now.seconds}
                    values |= {"images_per_second": speed, "waiting": waited / spent, **means.take()}
                    scores = validate(board, values)
                    figures = step + 1, now.running, scores["psnr_y"], lanczos, len(few), 100 * waited / spent
                    logger.info(
                        "step %d: loss %.5f, PSNR_Y %.2f dB (Lanczos %.2f) on %d crops, %.0f %% of the time waiting",
                        *figures,
                    )
                if validates:
                    processes.meet_after_the_first()
                if saves:
                    now.save()
                pace.pause(time.monotonic() - pausing)
                if signal:
                    stream.close()
                    raise ended(signal, settings.name, now.step, optim.steps, command)
                shown = {"loss": f"{now.running:.5f}", "images": f"{speed:.0f}/s"}
                shown |= {"psnr_y": f"{scores['psnr_y']:.2f}"} if scores else {}
                bar.set_postfix(shown, refresh=False)
                bar.update()
            stream.close()

    # Weights
    weights = folder.path / (
        f"{settings.name}.safetensors" if export is None else f"{settings.name}-{export}.safetensors"
    )
    if is_main:
        measured = some(crops, run.final_crops)
        pairs = {name: make_pairs(measured, scale, name) for name in run.conditions}
        about = Provenance(
            source="senga",
            commit=commit(),
            command=command,
            data_sha256=pictures.sha256,
            licences=pictures.licences,
            seed=settings.seed,
            steps=now.step,
        )
        metrics = write_weights(weights, candidate(), about, pairs, half=now.step >= rounding_from)
        if export is None:  # the report is of the last step
            folder.write_json("metrics.json", metrics)
            names = [settings.data.folder] if uses_folder(settings.data) else []
            names += [pair.where for pair in pictures.pairs]
            validated = f"{count_text(measured)} crops, {run.conditions[0]}"
            write_report(folder.path, ", ".join(names), trained_on, pictures.licences, validated, command)
    now.log_weights()
    return weights


def exported(text: str) -> Export:
    """The value of --export."""
    if text == "best":
        return "best"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a step; expected the number of a checkpoint, or best")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    parser = training_parser(PROG, "Train an upscaling network.")
    parser.add_argument(
        "--export", type=exported, metavar="STEP", help="write the weights of that checkpoint, or `best`, and stop"
    )
    args = parser.parse_args(argv)
    settings = read_settings(Settings, args.config, args.set)
    # A checkpoint may be exported while the run goes on.
    with alone(Path(settings.run.folder) / settings.name) if args.export is None else nullcontext():
        command = command_line(PROG, args)
        return to_its_end(partial(train, settings, command, args.export), command)
