"""Train an upscaling network: settings, data, model, one loop, validation, weights.

    senga train sr training/configs/espcn_7_x2.toml
    senga train sr training/configs/espcn_7_x2.toml --set optim.steps=20000 --set data.folder=my_pictures

A run lives in RUNS/NAME: checkpoint.pt (found again by itself: the same command goes on where it stopped), curve.csv,
settings.json, and at the end NAME.safetensors with the averaged weights.
"""

import argparse
import csv
import dataclasses
import json
import logging
import math
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from ..arch import Provenance, SengaError, UpscaleModel, load_model, save_model
from ..arch.precision import autocast, pick_precision
from .data import MARGIN, PictureSet, batch, to_tensor, validation_pairs
from .losses import LOSSES
from .metrics import psnr_y
from .settings import OptimSettings, Settings, read_settings, to_dict

log = logging.getLogger("senga")


def learning_rate(step: int, optim: OptimSettings) -> float:
    """Linear warm-up, then constant, then a cosine to zero over the last `decay` share of the steps."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    begin = optim.steps * (1 - optim.decay)
    late = max(0.0, (step - begin) / max(1.0, optim.steps - begin))
    return optim.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, late)))


def take_over(net: nn.Module, path: str) -> None:
    """Start from another file's tensors wherever name and shape agree (an x2 trunk for an x4 net, say)."""
    found = load_model(path).model.state_dict()
    own = net.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    net.load_state_dict(fitting, strict=False)
    log.info("took over %d of %d tensors from %s", len(fitting), len(own), path)


def validate(
    net: nn.Module, pairs: list[tuple[Any, Any, Any]], scale: int, device: torch.device, precision: str
) -> float:
    """Mean PSNR_Y in dB over the validation pairs."""
    total = 0.0
    with torch.inference_mode():
        for _, lr, hr in pairs:
            x = to_tensor([lr]).to(device)
            with autocast(device, precision):
                y = net(x)
            total += float(psnr_y(y.float().cpu(), to_tensor([hr]), scale)[0])
    return total / len(pairs)


def baseline(pairs: list[tuple[Any, Any, Any]], scale: int, resampling: Image.Resampling) -> float:
    """Mean PSNR_Y in dB of a Pillow filter on the same pairs."""
    up = [Image.fromarray(lr).resize((hr.shape[1], hr.shape[0]), resampling) for _, lr, hr in pairs]
    scores = [
        float(psnr_y(to_tensor([np.asarray(u)]), to_tensor([hr]), scale)[0])
        for u, (_, _, hr) in zip(up, pairs, strict=True)
    ]
    return sum(scores) / len(scores)


def commit() -> str:
    """The repository's commit, with "-dirty" where files differ from it; "" outside a checkout of ours."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # else it is somebody else's repository around us
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""  # provenance must not stop a training


def identity_of(settings: Settings, data_sha256: str) -> str:
    """What a run may not change when it goes on. Its length may: the rate is constant until the decay begins."""
    kept = to_dict(settings)
    for name in ("name", "run"):
        del kept[name]
    for name in ("steps", "decay"):
        del kept["optim"][name]
    del kept["data"]["folder"]  # the manifest says what is in it
    del kept["data"]["cache_gib"]
    return json.dumps([kept, data_sha256], sort_keys=True)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path, identity: str, steps: int) -> dict[str, Any] | None:
    """The run's last state, or None. Raises SengaError if it belongs to a run with other settings or a longer one."""
    if not path.is_file():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["identity"] != identity:
        raise SengaError(f"{path}: belongs to a run with other settings or data; give this run another name")
    if state["step"] > steps:
        raise SengaError(f"{path}: is at step {state['step']}, beyond optim.steps {steps}; give this run another name")
    return state


def train(settings: Settings, command: str) -> Path:
    """Run (or go on with) a training; returns the path of the weights file.

    Raises:
        SengaError: settings, data or checkpoint do not fit together, or the loss is no longer finite.
    """
    optim_settings, run = settings.optim, settings.run
    if optim_settings.loss not in LOSSES:
        raise SengaError(f"optim.loss is {optim_settings.loss!r}; it is one of {', '.join(LOSSES)}")
    loss_of = LOSSES[optim_settings.loss]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # Data
    pictures = PictureSet(Path(settings.data.folder), settings.data.cache_gib)
    torch.manual_seed(settings.seed)
    model = UpscaleModel.create(settings.model.architecture, **settings.model.hyperparameters)
    scale, header = model.scale, model.header
    pictures.sources((settings.data.patch + 2 * MARGIN) * scale)  # says now if the pictures are too small
    missing = sorted(settings.data.shares.keys() - {row.source for row in pictures.train})
    if missing:
        log.warning("data.shares names %s, which the set does not have", ", ".join(missing))
    pairs = validation_pairs(pictures, scale, run.validation_crops)
    lanczos = baseline(pairs, scale, Image.Resampling.LANCZOS)
    log.info(
        "%d pictures to train on, %d crops to validate on (Lanczos %.2f dB)", len(pictures.train), len(pairs), lanczos
    )

    # Model
    net = model.model.requires_grad_(True).train()
    if settings.model.start_from:
        take_over(net, settings.model.start_from)
    net.to(device)
    ema = {key: value.detach().clone() for key, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=optim_settings.weight_decay)
    precision = pick_precision(run.precision, device, half=False, bf16=model.supports_bfloat16)
    folder = Path(run.folder) / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(to_dict(settings), indent=1, sort_keys=True), encoding="utf-8")

    # Resume
    identity = identity_of(settings, pictures.sha256)
    state = load_checkpoint(folder / "checkpoint.pt", identity, optim_settings.steps)
    first = 0
    if state is not None:
        first = state["step"]
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        ema = {key: value.to(device) for key, value in state["ema"].items()}
        log.info("going on from step %d", first)

    def shadow() -> nn.Module:
        """The averaged weights as a net of their own."""
        copy = UpscaleModel(header, header.row().build(header.config())).to(device).model
        copy.load_state_dict(ema)
        return copy

    # Loop
    curve = (folder / "curve.csv").open("a", newline="", encoding="utf-8")
    writer = csv.writer(curve)
    if curve.tell() == 0:
        writer.writerow(["step", "loss", "psnr_y", "psnr_y_lanczos", "seconds"])
    running, began, waited = 0.0, time.monotonic(), 0.0
    # One thread cuts the next batch while this one is learnt; what is in it depends on the step's number alone.
    with (
        ThreadPoolExecutor(1) as ahead,
        tqdm(range(first, optim_settings.steps), initial=first, total=optim_settings.steps, unit="step") as bar,
    ):
        pending = ahead.submit(batch, pictures, settings.data, scale, settings.seed, first)
        for step in bar:
            waiting = time.monotonic()
            lr, hr = pending.result()
            waited += time.monotonic() - waiting
            pending = ahead.submit(batch, pictures, settings.data, scale, settings.seed, step + 1)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, optim_settings)
            with autocast(device, precision):
                prediction = net(lr.to(device).contiguous(memory_format=torch.channels_last))
            loss = loss_of(prediction.float(), hr.to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if optim_settings.clip:
                nn.utils.clip_grad_norm_(net.parameters(), optim_settings.clip)
            optimiser.step()
            # The average starts short, or it would remember the first weights for thousands of steps.
            decay = min(optim_settings.ema, (1 + step) / (10 + step))
            for name, value in net.state_dict().items():
                ema[name].lerp_(value, 1 - decay)

            value = loss.item()
            if not math.isfinite(value):
                raise SengaError(
                    f"{settings.name}: the loss is {value} at step {step}; the last checkpoint is whole:"
                    " lower optim.learning_rate and run the same command again"
                )
            running = value if running == 0 else 0.98 * running + 0.02 * value
            last = step + 1 == optim_settings.steps
            if (step + 1) % run.validate_every == 0 or last:
                score = validate(shadow(), pairs, scale, device, precision)
                writer.writerow(
                    [step + 1, f"{running:.6f}", f"{score:.4f}", f"{lanczos:.4f}", f"{time.monotonic() - began:.1f}"]
                )
                curve.flush()
                share = waited / (time.monotonic() - began)
                log.info(
                    "step %d: loss %.5f, PSNR_Y %.2f dB, %.0f %% waiting for data",
                    step + 1,
                    running,
                    score,
                    100 * share,
                )
            bar.set_postfix(loss=f"{running:.5f}", refresh=False)
            if (step + 1) % run.save_every == 0 or last:
                save_checkpoint(
                    folder / "checkpoint.pt",
                    {
                        "identity": identity,
                        "step": step + 1,
                        "net": net.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "ema": ema,
                    },
                )
    curve.close()

    # Weights
    pairs = validation_pairs(pictures, scale)
    metrics = {
        "psnr_y": validate(shadow(), pairs, scale, device, "fp32"),
        "psnr_y_bicubic": baseline(pairs, scale, Image.Resampling.BICUBIC),
        "psnr_y_lanczos": baseline(pairs, scale, Image.Resampling.LANCZOS),
    }
    provenance = Provenance(
        source="senga",
        commit=commit(),
        command=command,
        data_sha256=pictures.sha256,
        licences=pictures.licences,
        seed=settings.seed,
        steps=optim_settings.steps,
        metrics={name: round(value, 3) for name, value in metrics.items()},
        notes=f"validated on {len(pairs)} crops, LR by Pillow's bicubic, no JPEG",
    )
    trained = UpscaleModel(dataclasses.replace(header, provenance=provenance), shadow().cpu())
    path = folder / f"{settings.name}.safetensors"
    save_model(path, trained)
    found = (metrics[name] for name in ("psnr_y", "psnr_y_lanczos", "psnr_y_bicubic"))
    log.info("%s: PSNR_Y %.2f dB (Lanczos %.2f, bicubic %.2f)", path, *found)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="senga train sr", description="Train an upscaling network.")
    parser.add_argument("config", type=Path, help="settings (TOML); see training/configs/")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    args = parser.parse_args(argv)
    command = " ".join(["senga train sr", args.config.as_posix(), *(f"--set {item}" for item in args.set)])
    train(read_settings(args.config, args.set), command)
    return 0
