"""The questions that yu45020/Waifu2x left open, and whether hard crops pay, answered by trainings of equal time.

    python -m benchmarks.training_questions --data data/art --minutes 12 --write-docs

Each variant of ESPCN_7 x2 differs from the first in one thing. Its number of steps is what fits into the same time of
the processor (not of the clock, so other work on the machine changes nothing), the learning rate's course included.
"""

import argparse
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from senga.arch import read_header
from senga.training.run.settings import ModelSettings
from senga.training.sr.settings import DataSettings, LossSettings, Settings, SROptimSettings, SRRunSettings
from senga.training.sr.train import train

from .command import exit_code
from .docs_tables import TRAINING, write_docs
from .quality_table import Table
from .step_cost import seconds_each

PROGRAM = "python -m benchmarks.training_questions"
HEAD = ["question", "variant", "steps", "PSNR_Y, dB", "difference", "SSIM_Y", "SSIMULACRA2"]


class Variant(NamedTuple):
    question: str
    name: str
    model: Mapping[str, Any] = MappingProxyType({})  # hyperparameters
    loss: str = "l1"
    patch: int = 32  # LR pixels; half of the HR patch
    batch: int = 16
    hard_crops: float = 0.0  # share of the patches that are the hardest of four


VARIANTS = (
    Variant("(the first of each pair)", "L1, SELU, multiplied, HR patches of 64"),
    Variant("loss", "luma-weighted MSE", loss="luma_mse"),
    Variant("activation", "PReLU", {"activation": "prelu"}),
    Variant("selection unit", "replaced by the gate", {"selection": "replace"}),
    Variant("selection unit", "none", {"selection": "none"}),
    # As many pixels a step as the others have.
    Variant("HR patches", "of 128", patch=64, batch=4),
    Variant("crops", "half of them the hardest of four", hard_crops=0.5),
)


def settings_of(variant: Variant, number: int, data: str, runs: str, steps: int) -> Settings:
    return Settings(
        name=f"question_{number}",
        model=ModelSettings("espcn_7", {"scale": 2, **variant.model}),
        optim=SROptimSettings(steps=steps, learning_rate=1e-3, warmup=min(50, steps // 4), decay=0.6, ema=0.99),
        data=DataSettings(
            folder=data,
            patch=variant.patch,
            batch=variant.batch,
            hard_crops=variant.hard_crops,
            degradation="senga_clean",
            cache_gib=1.0,  # several runs in one process: the allocator hands back little of what each one had
        ),
        loss=LossSettings({variant.loss: 1.0}),
        run=SRRunSettings(folder=runs, validate_every=steps, save_every=steps, sheet_every=0),
    )


def measure(variants: Sequence[Variant], data: str, runs: str, minutes: float) -> list[list[str]]:
    """Train each variant; rows of the table."""
    rows = []
    best = 0.0
    for number, variant in enumerate(variants):
        (cost,) = seconds_each([settings_of(variant, number, data, runs, 10)])
        steps = max(1, round(60 * minutes / cost))
        path = train(settings_of(variant, number, data, runs, steps), PROGRAM)
        metrics = read_header(path).provenance.metrics
        best = best or metrics["psnr_y"]
        rows.append(
            [
                variant.question,
                variant.name,
                f"{steps}",
                f"{metrics['psnr_y']:.2f}",
                f"{metrics['psnr_y'] - best:+.2f}" if number else "",
                f"{metrics['ssim_y']:.4f}",
                f"{metrics['ssimulacra2']:.1f}",
            ]
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Equal-time trainings of ESPCN_7.")
    parser.add_argument("--data", default="data/art", help="the set to train on (default: %(default)s)")
    parser.add_argument("--runs", default="runs/questions", help="where the runs go (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=12.0, help="processor time of each run (default: %(default)s)")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/training.md")
    return exit_code(benchmark, parser.parse_args(arguments), logging.INFO)


def benchmark(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # so that the processor's time is the run's
    rows = measure(VARIANTS, args.data, args.runs, args.minutes)
    made = Table(f"{args.minutes:g} minutes of one core each", HEAD, rows)
    sys.stdout.write(made.as_text())
    if args.write_docs:
        command = shlex.join([*PROGRAM.split(), "--data", args.data, "--minutes", f"{args.minutes:g}"])
        write_docs(TRAINING, command, made.as_markdown())


if __name__ == "__main__":
    sys.exit(main())
