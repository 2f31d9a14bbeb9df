"""Which network to train for long: each is trained from nothing for the same time of one core, by one recipe.

    python -m benchmarks.architectures --minutes 30 --out runs/architectures --set data.procedural=0.2 --write-docs

Data, damage, loss, patch and batch are those of RECIPE, for all alike. A network's number of steps is what fits into
its time (of the processor, not of the clock), measured before the first training; warm-up and decay are shares of the
steps. What is finished stays in --out: the same command goes on where it was stopped.
"""

import argparse
import csv
import json
import logging
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from senga.arch import SengaError, UpscaleModel
from senga.arch.files.atomic import replacing
from senga.headless.site.models import operations
from senga.training.run.run_folder import alone
from senga.training.run.settings import ModelSettings, read_settings
from senga.training.sr.settings import Settings
from senga.training.sr.train import train

from .candidates import CANDIDATES, register
from .command import exit_code
from .docs_tables import TRAINING, write_docs
from .quality_contenders import ROOT
from .quality_table import Table
from .step_cost import seconds_each

PROGRAM = "python -m benchmarks.architectures"
CONFIGS = ROOT / "training" / "configs"
RECIPE = CONFIGS / "compact_x2_drawn.toml"
# Name -> the config whose network it is; the rest of that file is not used.
NETWORKS = {
    "compact": "compact_x2.toml",
    "drrn": "drrn_x2.toml",
    "dcscn_12": "dcscn_12_x2.toml",
    "rrdb_2b": "rrdb_2b_x2.toml",
    "rrdb_6b": "rrdb_6b_x2.toml",  # unshuffled: the control
}
WARM_UP = 0.05  # share of the steps
HEAD = ["network", "parameters", "MFLOP a pixel", "s a step", "steps"]

Row = dict[str, Any]  # minutes, set, seconds_a_step, steps; cpu_seconds spent so far; scores when it is finished


def settings_of(name: str, overrides: Sequence[str], out: Path, steps: int) -> Settings:
    """A network by the recipe. Raises SengaError for overrides that do not fit."""
    recipe = read_settings(Settings, RECIPE, list(overrides))
    own = CANDIDATES[name] if name in CANDIDATES else read_settings(Settings, CONFIGS / NETWORKS[name]).model
    return replace(
        recipe,
        name=name,
        model=ModelSettings(own.architecture, own.hyperparameters),
        data=replace(recipe.data, cache_gib=min(1.0, recipe.data.cache_gib)),  # several runs are one process
        optim=replace(recipe.optim, steps=steps, warmup=round(WARM_UP * steps)),
        run=replace(
            recipe.run,
            folder=str(out),
            threads=1,
            validate_every=steps,
            save_every=max(1, steps // 20),
            sheet_every=0,
            final_crops=1,  # the last validation of the curve is what counts
        ),
    )


def size_of(settings: ModelSettings) -> tuple[int, float]:
    """Parameters; operations for each pixel of the output, two for a multiplication with its addition."""
    model = UpscaleModel.create(settings.architecture, **settings.hyperparameters)
    return sum(p.numel() for p in model.model.parameters()), operations(model)


def read_row(path: Path, minutes: float, overrides: Sequence[str]) -> Row | None:
    """What is known of a network's run; None where none was begun. SengaError for one with other options."""
    if not path.is_file():
        return None
    row: Row = json.loads(path.read_text(encoding="utf-8"))
    if (row["minutes"], row["set"]) != (minutes, list(overrides)):
        begun = shlex.join(["--minutes", f"{row['minutes']:g}", *(f"--set={item}" for item in row["set"])])
        raise SengaError(f"{path}: was begun with {begun}; use the same, or name another folder with --out")
    return row


def write_row(path: Path, row: Row) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def plan(names: Sequence[str], minutes: float, overrides: Sequence[str], out: Path) -> None:
    """Decide the number of steps of each network that has none yet."""
    fresh = [name for name in names if read_row(out / f"{name}.json", minutes, overrides) is None]
    for name, cost in zip(
        fresh, seconds_each([settings_of(name, overrides, out, 1000) for name in fresh]), strict=True
    ):
        steps = max(1, round(60 * minutes / cost))
        row = {"minutes": minutes, "set": list(overrides), "seconds_a_step": cost, "steps": steps, "cpu_seconds": 0.0}
        write_row(out / f"{name}.json", row)


def finish(name: str, minutes: float, overrides: Sequence[str], out: Path, command: str) -> None:
    """Train a network to its end, or do nothing where that is done. EndedError where a signal stops it."""
    path = out / f"{name}.json"
    row = read_row(path, minutes, overrides)
    assert row is not None
    if "scores" in row:
        return
    settings = settings_of(name, overrides, out, row["steps"])
    began = time.process_time()
    try:
        with alone(out / name):
            train(settings, command)
    finally:
        row["cpu_seconds"] += time.process_time() - began
        write_row(path, row)
    with (out / name / "curve.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    scores = {key: float(value) for key, value in last.items() if key.startswith("psnr_y") and value}
    write_row(path, row | {"scores": scores})


def table(rows: dict[str, Row], settings: Settings) -> Table:
    """Of the finished networks. Raises SengaError where there is none."""
    done = {name: row for name, row in rows.items() if "scores" in row}
    if not done:
        raise SengaError("no network is finished")
    first = next(iter(done.values()))
    main, *others = settings.run.conditions
    conditions = ["psnr_y", *(f"psnr_y_{name}" for name in others)]
    domains = [key for key in first["scores"] if key not in (*conditions, "psnr_y_lanczos")]
    columns = [*conditions, *domains]
    best = {column: max(row["scores"][column] for row in done.values()) for column in columns}
    head = [*HEAD, main, *others, *(key.removeprefix("psnr_y_") for key in domains)]
    body = []
    for name, row in done.items():
        parameters, cost = size_of(settings_of(name, [], Path(), 1).model)
        scores = [f"{'*' * (row['scores'][key] == best[key])}{row['scores'][key]:.2f}" for key in columns]
        counts = [f"{parameters:,}", f"{cost / 1e6:.2f}", f"{row['seconds_a_step']:.2f}", f"{row['steps']}"]
        body.append([name, *counts, *scores])
    about = f"about {settings.run.validation_crops} crops, Lanczos {first['scores']['psnr_y_lanczos']:.2f}"
    title = (
        f"{first['minutes']:g} minutes of one core each; PSNR_Y in dB, mean of domains, and of each at {main} ({about})"
    )
    return Table(title, head, body)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="processor time of each run (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/architectures"), help="runs go to it (default: %(default)s)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*NETWORKS, *CANDIDATES],
        metavar="NAME",
        help=f"of {', '.join(NETWORKS)} (all of these), and of networks from papers: {', '.join(CANDIDATES)}",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting of the recipe"
    )
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/training.md")
    return exit_code(benchmark, parser.parse_args(argv), logging.INFO)


def benchmark(args: argparse.Namespace) -> None:
    if args.minutes <= 0:
        raise SengaError(f"--minutes is {args.minutes:g}; expected more than 0")
    register()
    torch.set_num_threads(1)  # so that the processor's time is the run's
    args.out.mkdir(parents=True, exist_ok=True)
    words = [*PROGRAM.split(), "--minutes", f"{args.minutes:g}", "--out", args.out.as_posix()]
    command = shlex.join([*words, *(word for item in args.set for word in ("--set", item))])
    names = args.only or list(NETWORKS)
    plan(names, args.minutes, args.set, args.out)
    for name in names:
        finish(name, args.minutes, args.set, args.out, command)
    known = [*NETWORKS, *CANDIDATES]
    rows = {name: read_row(args.out / f"{name}.json", args.minutes, args.set) for name in known}
    made = table(
        {name: row for name, row in rows.items() if row is not None}, settings_of("compact", args.set, args.out, 1)
    )
    sys.stdout.write(made.as_text())
    if args.write_docs:
        write_docs(TRAINING, command, made.as_markdown())


if __name__ == "__main__":
    sys.exit(main())
