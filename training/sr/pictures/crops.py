"""Which part of an HR picture becomes a patch: squares with content, and the hardest of several."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .picture_files import WHITE, Picture, UnreadableError, flatten

logger = logging.getLogger("senga")

Read = TypeVar("Read")

MARGIN = 8  # LR pixels cut away around a patch: one block of a codec, and what a filter over the crop's edge has spoilt
FLAT = 3.0  # a patch whose luma deviates less than this (of 255) teaches nothing
TRIES = 6  # crops looked at before a flat one is taken after all; pictures tried before a set counts as lost
GLANCE = 4  # a crop's content is measured on every 4th pixel of every 4th row
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def readable(draw: Callable[[], Read]) -> Read:
    """What `draw` reads, which draws anew each time; a picture that has gone bad since the set was looked at is passed.

    Raises:
        UnreadableError: TRIES of them had.
    """
    for _ in range(TRIES - 1):
        try:
            return draw()
        except UnreadableError as error:
            logger.warning("%s", error)
    return draw()


def content(picture: Picture) -> float:
    """Standard deviation of the luma, 0 to about 127."""
    return float(np.std(picture @ LUMA))


def difficulty(grey: Image.Image, scale: int) -> float:
    """Mean square error (of 255²) of Lanczos after Pillow's bicubic, on the patch within a crop; by x2 for a net of x1.

    waifu2x chooses crops by the same kind of measure: flat areas and soft shading come out near 0, dense lines high.
    """
    side = grey.width // max(scale, 2)
    back = grey.resize((side, side), Image.Resampling.BICUBIC).resize(grey.size, Image.Resampling.LANCZOS)
    m = MARGIN * scale
    error = (np.asarray(grey, dtype=np.float32) - np.asarray(back, dtype=np.float32))[m:-m, m:-m]
    return float(np.square(error).mean())


@dataclass(frozen=True)
class Window:
    """Where a crop is in its picture, and the colour (3,) that clear pixels take."""

    top: int
    left: int
    side: int
    background: NDArray[np.uint8]

    def cut(self, picture: Picture, inset: int = 0, pace: int = 1) -> Picture:
        """The crop without `inset` pixels all around, every `pace`-th pixel of it."""
        rows, columns = (slice(at + inset, at + self.side - inset, pace) for at in (self.top, self.left))
        return flatten(picture[rows, columns], self.background)


def draw_window(picture: Picture, side: int, shrink: tuple[float, float], rng: np.random.Generator) -> Window:
    """A random square that becomes `side` pixels when it is reduced by a factor within `shrink`."""
    height, width = picture.shape[:2]
    taken = round(side / rng.uniform(*shrink))
    taken = taken if min(height, width) >= taken else side
    top, left = int(rng.integers(height - taken + 1)), int(rng.integers(width - taken + 1))
    white = rng.random() < 0.5
    return Window(top, left, taken, WHITE if white else rng.integers(0, 256, 3, dtype=np.uint8))


def cut(
    picture: Picture, side: int, shrink: tuple[float, float], rng: np.random.Generator, scale: int = 2, among: int = 1
) -> Picture:
    """A random HR crop of `side` pixels with content within its margin, over a random background.

    It is the hardest of `among` crops. No side of the picture is smaller than `side`.
    """
    found: list[tuple[float, Window]] = []
    flat: list[tuple[float, Window]] = []
    while len(found) < among and len(found) + len(flat) < TRIES * among:
        window = draw_window(picture, side, shrink, rng)
        # The margin is cut away later: what is in it does not count.
        seen = content(window.cut(picture, MARGIN * scale * window.side // side, GLANCE))
        (found if seen >= FLAT else flat).append((seen, window))
    if not found:
        found = [max(flat, key=lambda pair: pair[0])]
    crops = [Image.fromarray(window.cut(picture)) for _, window in found]
    if len(crops) > 1:
        crops = [max(crops, key=lambda crop: difficulty(_reduced(crop.convert("L"), side), scale))]
    return np.asarray(_reduced(crops[0], side))


def _reduced(crop: Image.Image, side: int) -> Image.Image:
    return crop if crop.width == side else crop.resize((side, side), Image.Resampling.LANCZOS)
