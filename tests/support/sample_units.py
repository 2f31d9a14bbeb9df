"""What a worker of `--cluster` does with the units of a call, in this process and without Ray; pictures for it."""

import argparse
import importlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from senga.headless.cli import _parser
from senga.headless.cluster.shards import PICTURES
from senga.headless.cluster.units import Outcome
from senga.headless.commands.batch_cluster import _units
from senga.headless.commands.batch_worker import PictureWorker, as_text
from senga.headless.files.plan import PICTURES as ENDINGS


def draw(path: Path, seed: int, side: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def done(*words: str) -> list[Outcome]:
    """The outcomes of a call of `senga` on a cluster of one worker, in the current folder."""
    args = _parser([words[0]]).parse_args([*words, "--cluster", "local"])
    plain = argparse.Namespace(**{key: value for key, value in vars(args).items() if key not in ("command", "parser")})
    command = importlib.import_module(f"senga.headless.commands.{words[0]}")
    here = str(Path.cwd())
    worker = PictureWorker(here, command.prepare, plain, as_text(command.prepare(plain, {}).settings), 1)
    out = None if plain.output is None else str(plain.output)
    listed = partial(_units, here, plain.pictures, out, ENDINGS, PICTURES[plain.shards or ""], recursive=True)
    return [worker(unit) for unit in listed()]


def counts(outcomes: list[Outcome]) -> tuple[int, int, int]:
    """Pictures done, skipped and failed. Each outcome must account for all of its pictures."""
    faults = [outcome.fault for outcome in outcomes if outcome.fault]
    assert not faults, faults
    for outcome in outcomes:
        assert outcome.pictures == outcome.done + outcome.skipped + len(outcome.failed)
    return (
        sum(outcome.done for outcome in outcomes),
        sum(outcome.skipped for outcome in outcomes),
        sum(len(outcome.failed) for outcome in outcomes),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, without hidden ones."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not any(p[0] == "." for p in name.split("/"))}
