"""What every kind of drawing needs: a canvas with its own random numbers, curves, masks, smooth noise, rounding."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]  # (H, W, 3)
Field = NDArray[np.floating]  # (H, W), mostly in [0, 1], float32
Points = NDArray[np.floating]  # (..., 2), x and y in HR pixels, float64
Level = TypeVar("Level", bound=np.generic)
Light = NDArray[np.floating]  # (H, W, 3) or (3,) in [0, 1], float32

SS = 3  # shapes are drawn so many times as large, then averaged
THIN = 1 / SS  # HR pixels: what is thinner falls to pieces


@dataclass(frozen=True)
class Canvas:
    """What a picture is drawn on: a square of `size` HR pixels, `scale` of which become one LR pixel a side."""

    rng: np.random.Generator
    size: int
    scale: int = 2
    fonts: Path | None = None  # a folder of fonts; the system's where None

    @property
    def cells(self) -> int:
        """LR pixels a side, the last one perhaps cut."""
        return -(-self.size // self.scale)


# --- draws ---


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Every octave between the two is as likely as any other."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def choose(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One of the keys, by its weight. The mapping's order counts, so it must be a literal."""
    left = rng.random() * sum(weights.values())
    *others, last = weights.items()
    for name, weight in others:
        left -= weight
        if left < 0:
            return name
    return last[0]


# --- fields ---


def coordinates(size: int, angle: float = 0.0, ss: int = 1) -> tuple[Field, Field]:
    """x and y of each pixel's centre in HR pixels, turned by `angle` radians: two (size * ss, size * ss) fields."""
    at = ((np.arange(size * ss, dtype=np.float32) + 0.5) / ss).astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return at[None, :] * cos + at[:, None] * sin, at[:, None] * cos - at[None, :] * sin


def resized(field: Field, size: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> Field:
    """(h, w) -> (size, size), without 8-bit rounding."""
    return np.asarray(Image.fromarray(field).resize((size, size), how))


def noise(rng: np.random.Generator, size: int, pitch: float) -> Field:
    """Smooth noise of mean about 0 and deviation near 1; its bumps are some `pitch` pixels apart."""
    count = max(2, round(size / pitch) + 2)
    field = rng.standard_normal((count, count), dtype=np.float32)
    if count >= size:
        return field[:size, :size]
    grown = max(size, round(count * pitch))
    rough = Image.fromarray(field)
    # The part in the middle: the filter flattens what is near the rim.
    inset = (1 - size / grown) / 2 * count
    box = (inset, inset, count - inset, count - inset)
    return np.asarray(rough.resize((size, size), Image.Resampling.BICUBIC, box=box)) * np.float32(1.4)


def fractal(rng: np.random.Generator, size: int, pitch: float, octaves: int = 3, gain: float = 0.5) -> Field:
    """Octaves of `noise`, each twice as fine and `gain` times as strong as the one before."""
    total = noise(rng, size, pitch)
    for octave in range(1, octaves):
        total = total + np.float32(gain**octave) * noise(rng, size, pitch / 2**octave)
    return total


def ramp(rng: np.random.Generator, size: int) -> Field:
    """A smooth field from 0 to 1: linear, radial, a mirrored band, or clouds."""
    form = choose(rng, {"linear": 4, "radial": 3, "band": 1, "clouds": 2})
    if form == "clouds":
        field = noise(rng, size, size * rng.uniform(0.25, 0.8))
    elif form == "radial":
        x, y = coordinates(size)
        cx, cy = rng.uniform(-0.2, 1.2, 2) * size
        stretch = rng.uniform(0.6, 1.6)
        field = np.sqrt(np.square(x - np.float32(cx)) + np.square((y - np.float32(cy)) * np.float32(stretch)))
    else:
        field, _ = coordinates(size, rng.uniform(-np.pi, np.pi))
        if form == "band":
            middle = rng.uniform(field.min(), field.max())
            field = np.abs(field - np.float32(middle))
    low, high = field.min(), field.max()
    return ((field - low) / np.float32(max(high - low, 1e-6))).astype(np.float32)


def mix(below: Light, above: Light, share: Field) -> Light:
    """`above` over `below` by `share`; pictures (H, W, 3), colours (3,) or, both of them, fields (H, W)."""
    if below.ndim == 2:
        return below + (above - below) * share
    # Rows of 3 W values: numpy is slow where the last axis has 3.
    rows = [np.tile(one, share.shape[1]) if one.ndim == 1 else one.reshape(len(share), -1) for one in (below, above)]
    return (rows[0] + (rows[1] - rows[0]) * share.repeat(3, axis=1)).reshape(*share.shape, 3)


def to_levels(image: NDArray[np.floating], rng: np.random.Generator | None = None) -> Picture:
    """(H, W, 3) or (H, W) in [0, 1] -> (H, W, 3) uint8.

    With `rng` a random number decides how a level is rounded, the same for the three channels: a slow gradient then
    shows no steps, and a flat area whose level is whole stays flat.
    """
    levels = image * np.float32(255)
    if rng is not None:
        shift = rng.random(image.shape[:2], dtype=np.float32) * np.float32(0.998) + np.float32(0.001)
        levels += shift if image.ndim == 2 else shift[..., None]
    else:
        levels += np.float32(0.5)
    whole = np.clip(levels, 0, 255).astype(np.uint8)
    return np.repeat(whole[..., None], 3, axis=2) if whole.ndim == 2 else whole


def enlarged(cells: NDArray[Level], canvas: Canvas, each: int = 1) -> NDArray[Level]:
    """LR pixels (h, w, ...) as blocks of `each` LR pixels a side, cut to the canvas."""
    factor = canvas.scale * each
    return cells.repeat(factor, axis=0).repeat(factor, axis=1)[: canvas.size, : canvas.size]


# --- curves ---


@cache
def _catmull_rom(steps: int) -> NDArray[np.floating]:
    """What four neighbours weigh at each step from the second to the third: (steps, 4)."""
    t = np.linspace(0, 1, steps, endpoint=False)
    weights = (2 * t**2 - t - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
    return np.stack(weights, axis=1) / 2


@cache
def _bernstein(steps: int) -> NDArray[np.floating]:
    t = np.linspace(0, 1, steps)
    return np.stack(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3), axis=1)


def curve(points: Points, closed: bool = False, steps: int = 8) -> Points:
    """Catmull-Rom through (n, 2) points: (n * steps, 2) if closed, else ((n - 1) * steps + 1, 2)."""
    ends = (
        (points[-1:], points, points[:2])
        if closed
        else (2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1])
    )
    around = np.concatenate(ends)
    fours = np.stack((around[:-3], around[1:-2], around[2:-1], around[3:]), axis=1)  # (segments, 4, 2)
    line = (_catmull_rom(steps) @ fours).reshape(-1, 2)
    return line if closed else np.concatenate((line, points[-1:]))


def bezier(controls: Points, steps: int = 16) -> Points:
    """Cubic curves by their control points: (n, 4, 2) -> (n, steps, 2)."""
    return _bernstein(steps) @ controls


def strip(lines: Points, widths: NDArray[np.floating], least: float = 0.0) -> Points:
    """Lines (n, m, 2) with a width at each point (n, m), `least` or more -> the polygons around them, (n, 2 m, 2)."""
    step = lines[:, 1:] - lines[:, :-1]
    along = np.concatenate((step[:, :1], step[:, 1:] + step[:, :-1], step[:, -1:]), axis=1)
    x, y = along[..., 0], along[..., 1]
    half = np.maximum(widths, least) / (2 * np.sqrt(x * x + y * y) + 1e-9)
    across = np.stack((-y * half, x * half), axis=2)
    return np.concatenate((lines + across, (lines - across)[:, ::-1]), axis=1)


def blob(rng: np.random.Generator, centre: Points, radius: float, rough: float = 0.2, steps: int = 48) -> Points:
    """A smooth closed outline around a centre (2,): (steps, 2)."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    size = np.ones(steps)
    for k in range(2, 6):
        size += rough / k * 1.5 * rng.uniform(-1, 1) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    squash, turn = rng.uniform(0.6, 1), rng.uniform(0, np.pi)
    x, y = np.cos(angle) * size * radius, np.sin(angle) * size * radius * squash
    cos, sin = np.cos(turn), np.sin(turn)
    return centre + np.stack((x * cos - y * sin, x * sin + y * cos), axis=1)


# --- drawing ---


def strokes(
    drawing: ImageDraw.ImageDraw, polygons: Points, fills: Iterable[int | tuple[int, ...]], ss: int = SS
) -> None:
    """Polygons (n, m, 2) in HR pixels on a drawing `ss` times as large, each with its fill."""
    # Pillow's pixels have their centres at whole numbers, ours at halves.
    flat = (polygons * ss - 0.5).reshape(len(polygons), -1).tolist()
    for outline, colour in zip(flat, fills, strict=True):
        drawing.polygon(outline, fill=colour)


def fill(size: int, polygons: Iterable[Points], ss: int = SS) -> Field:
    """How much of each pixel the polygons (m, 2) cover: (size, size) in [0, 1]."""
    sheet = Image.new("L", (size * ss, size * ss))
    drawing = ImageDraw.Draw(sheet)
    for outline in polygons:
        drawing.polygon((outline * ss - 0.5).reshape(-1).tolist(), fill=255)
    return np.asarray(sheet.reduce(ss), dtype=np.float32) / np.float32(255)
