"""The pictures of the speed benchmark, all drawn here: (frames, H, W, C) float32 in [0, 1]."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from senga.training.datasets.procedural.canvas import blob, fill
from senga.training.datasets.procedural.kinds import draw

Picture = NDArray[np.float32]

SEED = 16
PANELS = ("hatching", "hair", "hatching", "text")  # of a page, from the top left


@dataclass(frozen=True)
class Kind:
    name: str  # on the command line
    title: str
    make: Callable[[int, int], Picture]  # from the side and the number of frames


def dense(side: int, frames: int = 1) -> Picture:
    """Without a flat place: shapes, lines and grain."""
    draws = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side].astype(np.float32) / 64
    waves = [np.sin(a * x + b * y + c) for a, b, c in draws.uniform(-4, 4, (9, 3))]
    picture = np.stack([sum(waves[i::3]) for i in range(3)], -1)
    picture = 0.5 + 0.15 * picture + 0.1 * (np.sin(7 * x + 5 * np.sin(y)) > 0.9)[..., None]
    return np.clip(picture + 0.02 * draws.standard_normal(picture.shape), 0, 1).astype(np.float32)[None]


def page(side: int, frames: int = 1) -> Picture:
    """Black and white: four panels of pen strokes and letters, a fifth of the sides each, on white paper."""
    picture = np.ones((1, side, side, 3), np.float32)
    panel = max(32, side // 5)
    for i, kind in enumerate(PANELS):
        top, left = (side * (1 + 4 * place) // 8 for place in divmod(i, 2))
        drawn = draw(kind, SEED, i, panel, 1).mean(2, keepdims=True) / np.float32(255)
        picture[0, top : top + panel, left : left + panel] = drawn[: side - top, : side - left]
    return picture


def sprite(side: int, frames: int = 1) -> Picture:
    """A painted figure over a fifth of a clear picture: four channels, black under alpha 0."""
    draws = np.random.default_rng(SEED)
    alpha = fill(side, [blob(draws, np.array([side / 2, side / 2]), side / 4)])[..., None]
    colour = draw("shading", SEED, 0, max(32, side), 1)[:side, :side] / np.float32(255)
    return np.concatenate((np.where(alpha > 0, colour, 0), alpha), 2, dtype=np.float32)[None]


def moving(side: int, frames: int) -> Picture:
    """A painted ground that stays, and a spot of an eighth of the side that crosses it."""
    ground = draw("brush", SEED, 0, max(32, side), 1)[:side, :side] / np.float32(255)
    spot = max(1, side // 8)
    pictures = np.repeat(ground[None].astype(np.float32), frames, 0)
    for i in range(frames):
        left = (side - spot) * i // max(1, frames - 1)
        pictures[i, side // 2 : side // 2 + spot, left : left + spot] = (0.9, 0.2, 0.1)
    return pictures


PICTURES = (
    Kind("dense", "a dense painting", dense),
    Kind("page", "a page of line art", page),
    Kind("sprite", "a sprite on transparency", sprite),
    Kind("frames", "frames with a still ground", moving),
)
BY_NAME = {kind.name: kind for kind in PICTURES}
