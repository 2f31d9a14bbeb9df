"""How long the network of a folder job waits for pictures to be read and results to be written.

    python -m benchmarks.folder_jobs --pictures 20 --side 512
    python -m benchmarks.folder_jobs --model weights/senga_rrdb_6b_x4.safetensors --formats png

Run it from the repository root. Drawn pictures go through `senga upscale` with each format as a user calls it. The
shares are of the time of the whole job, from the first picture to the last: reading until the first picture is there
and writing the last result count as waiting too, so they shrink with the number of pictures.
"""

import argparse
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from senga.headless.cli import main as senga
from senga.nodes import host

FORMATS = ("png", "webp", "jpeg")
AIM = 0.05  # of the time
MESSAGE = "the network waited"  # the beginning of the program's own


@dataclass(frozen=True)
class Waited:
    seconds: float  # of the job
    reading: float  # share of them
    writing: float


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    sys.stdout.write(
        f"{args.pictures} pictures of {args.side} px, {args.model.name}, {torch.get_num_threads()} threads,"
        f" {os.cpu_count()} cores; aim: under {AIM:.0%} in all\n"
        f"{'format':>6} {'s each':>7} {'reading':>8} {'writing':>8} {'in all':>7}\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "in", args.pictures, args.side)
        run(folder / "in" / "0000.png", folder / "warm.png", "png", args.model)  # loads the model
        for format in args.formats:
            waited = run(folder / "in", folder / format, format, args.model)
            sys.stdout.write(
                f"{format:>6} {waited.seconds / args.pictures:7.2f} {waited.reading:8.1%} {waited.writing:8.1%}"
                f" {waited.reading + waited.writing:7.1%}\n"
            )
            sys.stdout.flush()
    return 0


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How long the network waits in a folder job.")
    parser.add_argument("--pictures", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--side", type=int, default=512, help="of a picture, in pixels (default: %(default)s)")
    parser.add_argument("--formats", nargs="+", default=FORMATS, help=f"of results (default: {' '.join(FORMATS)})")
    parser.add_argument("--model", type=Path, default=host.WEIGHTS / host.DEFAULT_UPSCALER, help="a weights file")
    return parser.parse_args(arguments)


def draw(folder: Path, count: int, side: int) -> None:
    """Lines over a soft ground: neither flat nor noise, so that encoders have the work that drawings give them."""
    folder.mkdir()
    ramp = np.linspace(0, 1, side)
    for number in range(count):
        rng = np.random.default_rng(number)
        waves = 9 * rng.random((3, 2))
        ground = [np.outer(0.5 + 0.5 * np.sin(ramp * a), 0.5 + 0.5 * np.cos(ramp * b)) for a, b in waves]
        picture = Image.fromarray((np.stack(ground, 2) * 255).astype(np.uint8))
        pen = ImageDraw.Draw(picture)
        for points in rng.integers(0, side, (side // 8, 4)):
            pen.line([int(p) for p in points], fill=tuple(rng.integers(0, 256, 3).tolist()), width=2)
        picture.save(folder / f"{number:04}.png")


class _Message(logging.Handler):
    """Keeps the numbers of the program's message about waiting."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[tuple[float, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (text := record.getMessage()).startswith(MESSAGE):
            self.found.append(tuple(float(number) for number in re.findall(r"\d+\.\d", text)))


def run(source: Path, target: Path, format: str, model: Path) -> Waited:
    """Raises SystemExit where the job fails."""
    message = _Message()
    logger = logging.getLogger("senga")
    logger.addHandler(message)
    begin = time.perf_counter()
    out = str(target) if target.suffix else f"{target}/"
    line = ["upscale", str(source), "-o", out, "--model", str(model), "--format", format, "--verbose"]
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
            code = senga(line)
    finally:
        logger.removeHandler(message)
    if code or not message.found:
        raise SystemExit(f"senga upscale ended with {code}: {errors.getvalue()}")
    reading, _, writing = message.found[-1]
    return Waited(time.perf_counter() - begin, reading / 100, writing / 100)


if __name__ == "__main__":
    sys.exit(main())
