"""A small picture of a large one that is still being upscaled, and how long the rest takes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image import to_bhwc
from ..tiling import Tile

LONGEST = 512  # pixels of a preview's longer side
UNFINISHED = 0.12  # grey of what has no pixels yet, and under transparent ones
SAMPLES = 2  # per side and preview pixel: more would cost time and look the same

Watch = Callable[[Tile, Tensor, int, int, Tensor | None], None]  # what Preview.add takes


class Preview:
    """Takes the finished tiles of one pass after the other; those of a later pass or frame cover earlier ones."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = longest
        self.canvas: Tensor | None = None  # (1, 3, h, w) in [0, 1]

    def add(self, core: Tile, result: Tensor, height: int, width: int, alpha: Tensor | None = None) -> None:
        """Draw a finished tile.

        Args:
            core: where it is, in pixels of the pass's input.
            result: (1, 1 or 3, H, W) in [0, 1], its pixels, some whole number of times as large.
            height, width: of the pass's input.
            alpha: (1, 1, h, w), the opacity of these pixels, at any scale; None is opaque.
        """
        scale = result.shape[2] // (core.bottom - core.top)
        factor = min(scale, self.longest / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        if self.canvas is None or self.canvas.shape[2:] != size:
            self.canvas = torch.full((1, 3, *size), UNFINISHED)
        top, bottom = (row * size[0] // height for row in (core.top, core.bottom))
        left, right = (column * size[1] // width for column in (core.left, core.right))
        if bottom > top and right > left:  # else it is smaller than a pixel
            drawn = _reduced(result, bottom - top, right - left)
            if alpha is not None:
                drawn = UNFINISHED + (drawn - UNFINISHED) * _reduced(alpha, bottom - top, right - left)
            self.canvas[..., top:bottom, left:right] = drawn

    def pixels(self) -> Tensor | None:
        """(h, w, 3) uint8 of everything so far; None before the first tile."""
        if self.canvas is None:
            return None
        return to_bhwc(self.canvas * 255).round().clamp(0, 255).byte()[0].contiguous()


def _reduced(result: Tensor, height: int, width: int) -> Tensor:
    """(1, C, H, W) -> (1, C, height, width), smaller or larger, from a few samples of each pixel's area."""
    steps = (max(1, result.shape[2] // (height * SAMPLES)), max(1, result.shape[3] // (width * SAMPLES)))
    return F.adaptive_avg_pool2d(result[..., :: steps[0], :: steps[1]].float(), (height, width))


def tiles_text(number: int, done: int, total: int, seconds: float) -> str:
    """What a node says while it works, such as "tile 3 of 12, 40 s left".

    Args:
        number: of finished tiles.
        done, total: input pixels; the number of tiles follows from them, since they are of equal size to within a few
            pixels.
        seconds: since the start.
    """
    count = max(number, round(number * total / done))
    if done >= total:
        return f"{number} tiles in {duration(seconds)}"
    return f"tile {number} of {count}, {duration(math.ceil(seconds * (total - done) / done))} left"


def duration(seconds: float) -> str:
    """48 s, 3:07 min, 1:02:10 h."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if whole < 60:
        return f"{whole} s"
    return f"{minutes}:{whole % 60:02} min" if not hours else f"{hours}:{minutes % 60:02}:{whole % 60:02} h"
