"""How long a training step takes with 1, 2, 4, ... threads, on this machine as it is and with other programs on it.

    python -m benchmarks.training_threads --write-docs

The gradients of a batch of noise, as in the trial at the beginning of a run (training/run/threads.py). Run it on an
idle machine: the load of the last columns is made here, by processes that each keep a core busy.
"""

import argparse
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from senga.arch import UpscaleModel
from senga.training.run.threads import available_cores, candidates, fewest, restored_threads, step_times

from .command import exit_code
from .docs_tables import TRAINING, write_docs
from .quality_table import Table

PROGRAM = "python -m benchmarks.training_threads"


class Case(NamedTuple):
    name: str
    architecture: str
    hyperparameters: dict[str, Any]
    patch: int  # LR pixels
    batch: int


CASES = (
    Case("the walk's ESPCN_7", "espcn_7", {"scale": 2}, 32, 8),
    Case("DRRN", "drrn", {"scale": 2}, 32, 8),
    Case("Compact", "compact", {"scale": 2}, 48, 8),
    Case("RRDB, 6 blocks", "rrdb", {"scale": 2}, 48, 8),
)


def step_of(case: Case) -> Callable[[], object]:
    """Forward, L1 and backward of a batch of noise."""
    torch.manual_seed(1)
    model = UpscaleModel.create(case.architecture, **case.hyperparameters)
    net = model.model.requires_grad_(True).train()
    lr, hr = (torch.rand(case.batch, 3, case.patch * s, case.patch * s) for s in (1, model.scale))
    lr = lr.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        net.zero_grad(set_to_none=True)
        (net(lr) - hr).abs().mean().backward()

    return step


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Other programs that keep so many cores busy for the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@restored_threads()
def measure(cases: Sequence[Case], counts: Sequence[int], seconds: float) -> list[list[str]]:
    """Rows of the table: times on the machine as it is, then with all its cores busy."""
    rows = []
    for case in cases:
        step = step_of(case)
        found = []
        for others in (0, max(counts)):
            with busy(others):
                found.append(step_times(step, counts, seconds))
        times = [f"{1000 * one[count]:.0f}" for one in found for count in counts]
        rows.append([case.name, f"{case.batch} x {case.patch} px", *times, *(str(fewest(one)) for one in found)])
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Training steps with more and fewer threads.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--only", choices=[case.architecture for case in CASES], help="measure this architecture alone")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/training.md")
    return exit_code(benchmark, parser.parse_args(arguments), logging.INFO)


def benchmark(args: argparse.Namespace) -> None:
    counts = candidates(available_cores())
    head = [f"ms with {count}" for count in counts]
    head = ["network", "batch", *head, *(f"{one}, cores busy" for one in head), "best", "best, cores busy"]
    cases = [case for case in CASES if args.only in (None, case.architecture)]
    made = Table(f"A training step on {max(counts)} cores, by threads", head, measure(cases, counts, args.seconds))
    sys.stdout.write(made.as_text())
    if args.write_docs:
        only = ["--only", args.only] if args.only else []
        command = shlex.join([*PROGRAM.split(), "--seconds", f"{args.seconds:g}", *only])
        write_docs(TRAINING, command, made.as_markdown())


if __name__ == "__main__":
    sys.exit(main())
