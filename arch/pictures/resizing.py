"""Antialiased bicubic resizing, strip by strip.

Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", with the kernel widened by the factor when a
picture gets smaller, as Pillow and torch's `interpolate(antialias=True)` do it. torch's function takes whole pictures
alone: the rows of a strip are not at the same places among their neighbours as the rows of a picture.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..tiling import Tile
from .strips import ROWS, Source, spans

KEYS = -0.5  # the slope of the kernel at 1
REACH = 2.0  # pixels on each side
SNAP = 1e-3  # of a level


class Taps(NamedTuple):
    """The rows that each row of a result is the weighted mean of."""

    first: Tensor  # (rows of the result,)
    weights: Tensor  # (rows of the result, taps) float32; 0 for taps beyond the picture


@lru_cache(maxsize=8)
def taps(length: int, target: int) -> Taps:
    factor = length / target
    stretch = max(1.0, factor)
    centre = (torch.arange(target, dtype=torch.float64) + 0.5) * factor
    first = (centre - REACH * stretch + 0.5).floor().long().clamp_min(0)
    last = (centre + REACH * stretch + 0.5).floor().long().clamp_max(length)
    places = first[:, None] + torch.arange(int((last - first).max()))
    distance = ((places + 0.5 - centre[:, None]) / stretch).abs()
    near = ((KEYS + 2) * distance - (KEYS + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * KEYS - 4 * KEYS
    weights = torch.where(distance < 1, near, torch.where(distance < REACH, far, 0.0))
    weights[places >= last[:, None]] = 0.0
    return Taps(first, (weights / weights.sum(1, keepdim=True)).float())


def resized(source: Source, height: int, width: int) -> Iterator[tuple[int, Tensor]]:
    """The picture in another size: the first row and (B, C, rows, width) of each strip, clamped to [0, 1]."""
    down = None if height == source.height else taps(source.height, height)
    for top, bottom in spans(height, ROWS):
        rows = None if down is None else Taps(down.first[top:bottom], down.weights[top:bottom])
        begin = top if rows is None else int(rows.first[0])
        end = bottom if rows is None else min(source.height, int(rows.first[-1]) + rows.weights.shape[1])
        source.drop(begin)
        part = source.of(Tile(begin, 0, end, source.width))
        if width != source.width:
            size = end - begin, width
            part = F.interpolate(part, size, mode="bicubic", antialias=True, align_corners=False)
        if rows is not None:
            part = _mixed(part, rows.first - begin, rows.weights)
        yield top, _snapped(part)


def _mixed(part: Tensor, first: Tensor, weights: Tensor) -> Tensor:
    """Row by row sums, whose rounding does not depend on what else is in the strip."""
    result = part.new_zeros((*part.shape[:2], len(first), part.shape[3]))
    for tap, weight in enumerate(weights.to(part).unbind(1)):
        rows = (first + tap).clamp_max(part.shape[2] - 1).to(part.device)
        result.addcmul_(part.index_select(2, rows), weight[:, None])
    return result


def _snapped(x: Tensor) -> Tensor:
    """Clamped, and at a level where it is next to one.

    The filter's weights sum to 1 except for rounding, and ComfyUI truncates on saving: white must not be 0.9999999.
    """
    x = x.clamp(0, 1)
    level = (x * 255).round()
    return torch.where((x * 255 - level).abs() < SNAP, level / 255, x)
