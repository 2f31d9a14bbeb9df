"""Dither: gradients and scenes in few colours, as old computers, game consoles and GIF files show them.

As the patterns, it is drawn in LR pixels and enlarged by repeating.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .canvas import Canvas, Field, Picture, choose, enlarged, ramp, to_levels
from .colours import Colour, draw_pair, palette
from .patterns import region
from .scenes import INK, draw_areas, draw_scene, painted

__all__ = ["bayer", "diffused", "dither", "levels", "tiled"]


@cache
def bayer(order: int) -> Field:
    """Thresholds in (0, 1), (2^order, 2^order), as Bayer 1973 ordered them."""
    matrix = np.zeros((1, 1))
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return ((matrix + 0.5) / matrix.size).astype(np.float32)


def tiled(tile: Field, size: int) -> Field:
    """A tile repeated over (size, size)."""
    times = -(-size // len(tile))
    return np.tile(tile, (times, times))[:size, :size]


def dither(canvas: Canvas) -> Picture:
    """A gradient or a scene in 2 to 4 colours a pixel of 1 or 2 LR pixels: ordered, error-diffused or random."""
    rng = canvas.rng
    each = 2 if rng.random() < 0.25 else 1
    side = -(-canvas.cells // each)
    if rng.random() < 0.3:
        return enlarged(_few_colours(canvas, side), canvas, each)
    count = int(choose(rng, {"2": 6, "3": 2, "4": 1}))
    first, last = draw_pair(rng, plain=0.4, contrast=0.4)
    steps = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    colours = first + (last - first) * steps
    if count > 2 and rng.random() < 0.5:
        colours[1:-1] = rng.random((count - 2, 3), dtype=np.float32)
    which = DITHERS[choose(rng, {"ordered": 5, "diffused": 3, "random": 1, "diagonal": 1})](
        canvas, _grey(canvas, side), count
    )
    return enlarged(to_levels(colours[which]), canvas, each)


def _grey(canvas: Canvas, side: int) -> Field:
    """(side, side) in [0, 1]: ramps, a shaded scene, or even areas at the levels that give whole patterns."""
    rng = canvas.rng
    small = Canvas(rng, side, 1)
    form = choose(rng, {"ramp": 4, "scene": 3, "flat": 2})
    field = ramp(rng, side)
    if form == "scene":
        areas = draw_areas(side, draw_scene(small), 1)
        colours = {role: np.full(3, rng.random()) for role in areas.roles} | {INK: np.zeros(3)}
        field = painted(areas, colours, 1)[..., 0] / np.float32(255) * np.float32(0.7) + field * np.float32(0.3)
    elif form == "flat":
        field = np.full((side, side), rng.integers(3, 14) / 16, np.float32)
        for _ in range(int(rng.integers(1, 5))):
            field = np.where(region(small) > 0.5, np.float32(rng.integers(1, 16) / 16), field)
    return field


def _ordered(canvas: Canvas, grey: Field, count: int) -> NDArray[np.intp]:
    return levels(grey, tiled(bayer(int(choose(canvas.rng, {"1": 3, "2": 4, "3": 2}))), len(grey)), count)


def _random(canvas: Canvas, grey: Field, count: int) -> NDArray[np.intp]:
    return levels(grey, canvas.rng.random(grey.shape, dtype=np.float32), count)


def _diagonal(canvas: Canvas, grey: Field, count: int) -> NDArray[np.intp]:
    """Thresholds that rise along diagonals: lines that grow broader, one pixel at a time."""
    period = int(canvas.rng.integers(3, 7))
    at = np.arange(len(grey))
    sign = 1 if canvas.rng.random() < 0.5 else -1
    return levels(grey, (((at[:, None] + sign * at[None, :]) % period + 0.5) / period).astype(np.float32), count)


def levels(grey: Field, thresholds: Field, count: int) -> NDArray[np.intp]:
    """(h, w) in [0, 1] -> levels 0 to count - 1: the one above where a threshold in (0, 1) is under what is left."""
    level = grey * np.float32(count - 1)
    below = np.floor(level)
    return np.clip(below + (level - below > thresholds), 0, count - 1).astype(np.intp)


def diffused(grey: Field, count: int) -> NDArray[np.intp]:
    """(h, w) in [0, 1] -> levels 0 to count - 1, by Floyd and Steinberg 1976, Pillow's form."""
    shades = Image.new("P", (1, 1))
    shades.putpalette([round(255 * k / (count - 1)) for k in range(count) for _ in range(3)])
    picture = Image.fromarray(to_levels(grey))
    found = picture.quantize(count, palette=shades, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(found).astype(np.intp).clip(0, count - 1)


DITHERS: dict[str, Callable[[Canvas, Field, int], NDArray[np.intp]]] = {
    "ordered": _ordered,
    "diffused": lambda _, grey, count: diffused(grey, count),
    "random": _random,
    "diagonal": _diagonal,
}


def _few_colours(canvas: Canvas, side: int) -> NDArray[np.uint8]:
    """A coloured scene with soft light in 8 or 16 colours, as old computers showed pictures: (side, side, 3)."""
    rng = canvas.rng
    areas = draw_areas(side, draw_scene(Canvas(rng, side, 1)), 1)
    colours: dict[str, Colour] = palette(rng, areas.roles)
    picture = painted(areas, colours, 1) / np.float32(255)
    inked = (picture == np.clip(np.rint(colours[INK] * 255) / 255, 0, 1)).all(axis=2)
    lit = picture * (np.float32(0.6) + np.float32(0.5) * ramp(rng, side))[..., None]
    flat = Image.fromarray(to_levels(np.where(inked[..., None], picture, lit)))
    few = flat.quantize(int(rng.choice((8, 16))), method=Image.Quantize.MEDIANCUT)
    return np.asarray(flat.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
