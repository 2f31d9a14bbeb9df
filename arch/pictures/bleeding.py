"""Colour under transparent pixels, filled from the nearest visible ones, window by window."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..tiling import Tile
from .strips import ROWS, Source, spans

DEPTH = 4  # levels of the pyramid that are made again for each window; the rest is small and held
CELL = 2**DEPTH  # pixels of a side that are one at that depth; divides ROWS
LEAST = 1e-6  # weight from which a mean counts

Level = tuple[Tensor, Tensor]  # the colours' weighted sums (B, 3, h, w) and the weights (B, 1, h, w)


class Bled:
    """The colours of a picture, with the holes under alpha 0 filled. A Source.

    Editors leave black (or anything) in a hole, which a network or a filter would mix into the edge as a dark fringe.
    A pyramid of alpha-weighted means is built down to one pixel; its levels then fill the holes.
    """

    def __init__(self, colour: Source, alpha: Source) -> None:
        """
        Args:
            colour: (B, 3, H, W) in [0, 1], not premultiplied. Pixels with alpha > 0 stay unchanged, and so does a
                picture without visible pixels.
            alpha: (B, 1, H, W) in [0, 1].
        """
        self.colour, self.alpha = colour, alpha
        self.height, self.width = colour.height, colour.width
        self._filled: Tensor | None = None  # (B, 3, H / CELL, W / CELL); None where no hole can be filled
        strips = [Tile(top, 0, bottom, self.width) for top, bottom in spans(self.height, ROWS)]
        seen = [part <= 0 for strip in strips for part in alpha.of(strip).aminmax()]
        if any(seen) and not all(seen):
            coarse = [self._levels(strip)[-1] for strip in strips]
            first = torch.cat([total for total, _ in coarse], 2), torch.cat([weight for _, weight in coarse], 2)
            *levels, (total, weight) = _pyramid(first)
            self._filled = _fill(levels, total / weight.clamp_min(1e-12))

    def of(self, part: Tile) -> Tensor:
        colour, hole = self.colour.of(part), self.alpha.of(part) <= 0
        if self._filled is None or not hole.any():
            return colour
        # A pixel takes from its cell and the ones around it.
        high, wide = self._filled.shape[-2:]
        cells = Tile(part.top // CELL, part.left // CELL, -(-part.bottom // CELL), -(-part.right // CELL))
        cells = cells.window(1, high, wide)
        bottom, right = min(self.height, cells.bottom * CELL), min(self.width, cells.right * CELL)
        around = Tile(cells.top * CELL, cells.left * CELL, bottom, right)
        filled = _fill(self._levels(around)[:-1], cells.of(self._filled))
        return torch.where(hole, part.inside(around).of(filled).clamp(0, 1), colour)

    def drop(self, row: int) -> None:
        pass

    def _levels(self, part: Tile) -> list[Level]:
        """DEPTH + 1 of them. `part` begins at a cell."""
        alpha = self.alpha.of(part)
        return _pyramid((self.colour.of(part) * alpha, alpha), DEPTH)


def _pyramid(first: Level, depth: int | None = None) -> list[Level]:
    """A level and the `depth` next ones, each of half the size; None: down to one pixel."""
    levels = [first]
    while max(levels[-1][0].shape[-2:]) > 1 if depth is None else len(levels) <= depth:
        # Pad odd sizes with weight 0, so that only real pixels count at the border.
        height, width = levels[-1][0].shape[-2:]
        padding = (0, width % 2, 0, height % 2)
        total, weight = (F.avg_pool2d(F.pad(part, padding), 2) for part in levels[-1])
        levels.append((total, weight))
    return levels


def _fill(levels: list[Level], filled: Tensor) -> Tensor:
    """From the colours of the level below the last of `levels`, those of the first one."""
    for total, weight in reversed(levels):
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        coarse = coarse[..., : total.shape[-2], : total.shape[-1]]
        filled = torch.where(weight > LEAST, total / weight.clamp_min(LEAST), coarse)
    return filled
