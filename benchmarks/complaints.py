"""What users complain of in upscalers, measured on pictures whose right answer is known by construction.

    python -m benchmarks.complaints                                # every upscaler in weights/, peers and filters, x2
    python -m benchmarks.complaints --scale 2 4 --write-docs

Run it from the repository root; it needs no data. docs/quality.md says what each column is.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from .command import exit_code
from .docs_tables import QUALITY, write_docs
from .quality_contenders import OPENERS, Contender, filters, ours, peers, shipped
from .quality_table import Table

Picture = NDArray[np.uint8]  # (H, W, 3)
Upscale = Callable[[Picture], Picture]

SIDE = 192  # pixels of a truth
INSIDE = 24  # pixels from the border on that are measured
ANGLES = (0.0, 17.0, 45.0, 73.0, 90.0)  # degrees of lines and edges
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
SKIN, RED, NAVY = (255, 224, 204), (200, 60, 70), (40, 50, 110)
LINES = ((WHITE, BLACK), (SKIN, RED), (WHITE, NAVY))  # ground and ink
WIDTHS = (1.0, 2.0, 3.0)  # pixels of the truth
BLURS = (2.0, 4.0)  # sigma in pixels of the truth
GRAIN = 6.0  # levels, standard deviation
FLATS = (WHITE, BLACK, SKIN, RED, NAVY)
STEP = 0.25  # pixels between two points of a profile
REACH = 10.0  # pixels to both sides of a line or edge


# Truths


def distances(degrees: float, side: int = SIDE) -> NDArray[np.float64]:
    """(side, side): how far each pixel's centre is from a line through the middle, which is off the pixels' grid."""
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2 - 0.3
    angle = np.deg2rad(degrees)
    return x * np.cos(angle) + y * np.sin(angle)


def mixed(share: NDArray[np.float64], ground: Sequence[int], ink: Sequence[int]) -> Picture:
    """`share` of the ink on the ground, (H, W) -> (H, W, 3)."""
    a, b = np.asarray(ground, float), np.asarray(ink, float)
    return np.rint(a + (b - a) * share[..., None]).astype(np.uint8)


def line(degrees: float, width: float) -> NDArray[np.float64]:
    """The share of each pixel that a line covers (exact for upright lines, close for others)."""
    d = distances(degrees)
    return np.clip(np.minimum(d + 0.5, width / 2) - np.maximum(d - 0.5, -width / 2), 0, 1)


def edge(degrees: float, sigma: float) -> NDArray[np.float64]:
    """An edge under a Gaussian blur: half of it dark."""
    return np.asarray(torch.special.ndtr(torch.from_numpy(distances(degrees) / sigma)))


def reduced(picture: Picture, scale: int) -> Picture:
    """Pillow's bicubic, as in the other tables."""
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width // scale, height // scale), Image.Resampling.BICUBIC))


# Measures


def profile(picture: Picture, degrees: float, ground: Sequence[int], ink: Sequence[int]) -> NDArray[np.float64]:
    """The share of ink over the distance from -REACH to REACH, in steps of STEP: the mean of all pixels there."""
    a, b = np.asarray(ground, float), np.asarray(ink, float)
    share = ((picture - a) @ (b - a)) / ((b - a) @ (b - a))
    inside = (slice(INSIDE, -INSIDE), slice(INSIDE, -INSIDE))
    d, share = distances(degrees, len(picture))[inside].ravel(), share[inside].ravel()
    order = np.argsort(d, kind="stable")
    d, share = d[order], share[order]
    centres = np.arange(-REACH, REACH + STEP, STEP)
    first, last = np.searchsorted(d, centres - 0.5), np.searchsorted(d, centres + 0.5)
    total = np.concatenate([[0.0], np.cumsum(share)])
    return (total[last] - total[first]) / np.maximum(last - first, 1)


def ink_and_darkness(run: Upscale, scale: int) -> tuple[float, float]:
    """Means over lines, against the truth: all the ink across a line, and how dark its middle is (1 is right)."""
    inks, darks = [], []
    for ground, colour in LINES:
        for width in WIDTHS:
            for degrees in ANGLES:
                truth = mixed(line(degrees, width), ground, colour)
                right, got = (profile(p, degrees, ground, colour) for p in (truth, run(reduced(truth, scale))))
                inks.append(got.sum() / right.sum())
                darks.append(got.max() / right.max())
    return float(np.mean(inks)), float(np.mean(darks))


def rise(values: NDArray[np.float64]) -> float:
    """Pixels in which a profile goes from 10 % to 90 %."""
    at = [np.argmax(values >= share) for share in (0.1, 0.9)]
    places = [
        i - (values[i] - share) / max(1e-9, values[i] - values[i - 1]) for i, share in zip(at, (0.1, 0.9), strict=True)
    ]
    return float(places[1] - places[0]) * STEP


def blur_kept(run: Upscale, scale: int) -> float:
    """The width of soft edges against the truth's: 1 is right, below 1 is sharpened."""
    kept = []
    for sigma in BLURS:
        for degrees in ANGLES:
            truth = mixed(edge(degrees, sigma), SKIN, NAVY)
            right, got = (profile(p, degrees, SKIN, NAVY) for p in (truth, run(reduced(truth, scale))))
            kept.append(rise(got) / rise(right))
    return float(np.mean(kept))


def grain_kept(run: Upscale, scale: int) -> float:
    """Film grain in a small picture: the share of it that is there when the result is made small again."""
    grain = np.random.default_rng(1).normal(0, GRAIN, (SIDE // scale, SIDE // scale, 1))
    small = np.clip(np.rint(np.asarray(SKIN) * 0.7 + grain), 0, 255).astype(np.uint8)
    again = reduced(run(small), scale).astype(float)
    given = small - small.mean((0, 1))
    return float((given * (again - again.mean((0, 1)))).sum() / (given * given).sum())


def flat_error(run: Upscale, scale: int) -> float:
    """The worst level of 255 by which a picture of one colour is off."""
    worst = 0
    for colour in FLATS:
        flat = np.full((SIDE // scale, SIDE // scale, 3), colour, np.uint8)
        worst = max(worst, int(np.abs(run(flat).astype(int) - colour).max()))
    return float(worst)


def drawing() -> Picture:
    """Lines and soft edges of several colours in one picture."""
    picture = mixed(edge(30.0, 8.0), SKIN, WHITE).astype(float)
    for i, (degrees, width) in enumerate([(5.0, 1.5), (50.0, 2.5), (80.0, 1.0), (120.0, 4.0), (165.0, 2.0)]):
        share = line(degrees, width)[..., None]
        picture = picture * (1 - share) + np.asarray(LINES[i % len(LINES)][1]) * share
    return np.rint(picture).astype(np.uint8)


def returned(run: Upscale, scale: int) -> float:
    """dB between a small picture and the result made small again: what the network changed that was known."""
    small = reduced(drawing(), scale)
    error = np.mean((reduced(run(small), scale).astype(float) - small) ** 2)
    return float(min(100.0, 10 * np.log10(255**2 / max(error, 1e-12))))


COLUMNS = ("flat", "returned", "ink", "darkness", "blur kept", "grain kept")


def measure(run: Upscale, scale: int) -> list[str]:
    """A row of the table."""
    ink, darkness = ink_and_darkness(run, scale)
    return [
        f"{flat_error(run, scale):.0f}",
        f"{returned(run, scale):.1f}",
        f"{ink:.3f}",
        f"{darkness:.3f}",
        f"{blur_kept(run, scale):.3f}",
        f"{grain_kept(run, scale):.3f}",
    ]


def table(contenders: Sequence[Contender], scale: int) -> Table:
    rows = []
    for contender in tqdm(contenders, unit="model", leave=False):
        with torch.inference_mode():
            rows.append([contender.name, *measure(OPENERS[contender.side](contender), scale)])
    return Table(f"x{scale}", ["", *COLUMNS], rows)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.complaints", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", type=Path, metavar="FILE", help="weights of ours; default: all")
    parser.add_argument("--scale", type=int, nargs="+", default=[2])
    parser.add_argument("--peers", nargs="+", default=["usual"], metavar="NAME", help="as in benchmarks.quality")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/quality.md")
    return parser.parse_args(argv)


def benchmark(args: argparse.Namespace) -> None:
    own = ours(args.models or shipped(), "fp32")
    tables = []
    for scale in args.scale:
        some = [c for c in own if c.scale == scale]
        tables.append(table([*filters(scale), *peers(args.peers, scale), *some], scale))
    sys.stdout.write("\n".join(t.as_text() for t in tables))
    if args.write_docs:
        words = ["--scale", *map(str, args.scale)] + ([] if args.peers == ["usual"] else ["--peers", *args.peers])
        command = shlex.join(["python", "-m", "benchmarks.complaints", *words])
        write_docs(QUALITY, command, "\n".join(t.as_markdown() for t in tables))


def main(argv: Sequence[str] | None = None) -> int:
    return exit_code(benchmark, parse(argv))


if __name__ == "__main__":
    sys.exit(main())
