"""Pictures per second per core of each degradation preset, and where the time goes.

python -m benchmarks.degradation [--side 400] [--pictures 60] [--preset NAME ...] [--picture FILE]

Processor time is counted, not the clock, so other work on the machine hardly shows.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from senga.training.degradation import degrade, final_size, preset, preset_names
from senga.training.degradation.colour import from_levels
from senga.training.degradation.engine import draw
from senga.training.degradation.steps import run_step

from .command import exit_code

SOURCE = Path(__file__).resolve().parent.parent / "example_workflows" / "senga_lucy.png"


@dataclass(frozen=True)
class Speed:
    """Seconds of processor time for a number of pictures, and of it in each kind of step."""

    pictures: int
    seconds: float
    by_step: dict[str, float]

    def per_second(self) -> float:
        return self.pictures / self.seconds

    def shares(self) -> str:
        """ "jpeg 60%, resize 30%, rest 10%": the most expensive step first; steps below 1 % count to the rest."""
        # The steps are timed in a run of their own, which may be the slower one: then nothing is left for the rest.
        whole = max(self.seconds, sum(self.by_step.values()))
        parts = {name: seconds / whole for name, seconds in self.by_step.items()}
        shown = {name: share for name, share in sorted(parts.items(), key=lambda part: -part[1]) if share >= 0.01}
        shown["rest"] = 1 - sum(shown.values())
        return ", ".join(f"{name} {share:.0%}" for name, share in shown.items())


def load(path: Path, side: int) -> NDArray[np.uint8]:
    """The picture on white, tiled and cut to `side` x `side`."""
    with Image.open(path) as picture:
        page = Image.new("RGBA", picture.size, "white")
        page.alpha_composite(picture.convert("RGBA"))
    levels = np.asarray(page.convert("RGB"))
    repeats = (-(-side // levels.shape[0]), -(-side // levels.shape[1]), 1)
    return np.ascontiguousarray(np.tile(levels, repeats)[:side, :side])


def measure(name: str, picture: NDArray[np.uint8], pictures: int, scale: float) -> Speed:
    """Degrade the picture under as many indices; once whole, for the speed, and once step by step, for the shares."""
    recipe = preset(name).with_scale(scale)
    degrade(picture, recipe, index=pictures)  # codecs set up tables on their first call
    began = time.process_time()
    for index in range(pictures):
        degrade(picture, recipe, index=index)
    seconds = time.process_time() - began
    by_step: defaultdict[str, float] = defaultdict(float)
    final = final_size(picture.shape[0], picture.shape[1], scale)
    for index in range(pictures):
        image = from_levels(picture)
        for step in draw(recipe.steps, 0, (index,)):
            began = time.process_time()
            image = np.clip(run_step(image, step.kind, step.values, final), 0, 1).astype(np.float32, copy=False)
            label = step.values.get("codec", step.kind)
            by_step[label] += time.process_time() - began
    return Speed(pictures, seconds, dict(by_step))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=400, help="pixels; the picture is a square")
    parser.add_argument("--pictures", type=int, default=60, help="how many are degraded per preset")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--preset", action="append", metavar="NAME", help="one preset; again for more; else all")
    parser.add_argument("--picture", type=Path, default=SOURCE)
    return exit_code(benchmark, parser.parse_args(argv))


def benchmark(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    picture = load(args.picture, args.side)
    print(f"{args.pictures} pictures of {args.side} x {args.side}, scale {args.scale:g}, one core")  # noqa: T201
    print(f"{'preset':<16} {'pictures/s':>10}  share of each step")  # noqa: T201
    for name in args.preset or preset_names():
        speed = measure(name, picture, args.pictures, args.scale)
        print(f"{name:<16} {speed.per_second():>10.1f}  {speed.shares()}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
