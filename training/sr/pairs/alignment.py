"""HR pictures moved to where their LR pictures show them, for pairs with `align = true`.

HR is what moves: LR stays as the network will meet it, its blocks and its noise untouched. Whole pixels cost nothing;
a fraction of a pixel is resampled by a windowed sinc, which keeps lines sharp (Lanczos of six taps; Turkowski 1990,
"Filters for common resampling tasks").
"""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ..pictures.picture_files import Picture
from .pair_checks import difference, shift_of

LOBES = 3  # of the sinc on either side
BORDER = 8  # LR pixels that aligned pairs lose on every side: what moves in over an edge is not in the picture
FARTHEST = 5.0  # LR pixels that are corrected; with the taps that leaves the border at every scale

Shift = tuple[float, float]  # down and right
UNMOVED: Shift = (0.0, 0.0)


def moved(picture: Picture, shift: Shift, rows: slice, columns: slice) -> Picture:
    """A part of what `picture` would be, moved down and right by `shift` pixels of its own.

    Args:
        picture: (H, W, 3) uint8, continued by its edge pixels.
        rows, columns: of the moved picture, within (H, W).

    Returns:
        (rows, columns, 3) uint8; a copy of the pixels where the shift is whole.
    """
    part = picture
    for axis, (by, place) in enumerate(zip(shift, (rows, columns), strict=True)):
        part = _moved_along(part, by, place, axis)
    if part.dtype != np.uint8:
        part = np.rint(part).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(part)


def _moved_along(part: NDArray, by: float, place: slice, axis: int) -> NDArray:
    floor = math.floor(-by)
    fraction = -by - floor
    at = np.arange(place.start, place.stop) + floor

    def taken(offset: int) -> NDArray:
        return part.take((at + offset).clip(0, part.shape[axis] - 1), axis)

    if not fraction:
        return taken(0)
    offsets = range(1 - LOBES, LOBES + 1)
    distances = np.array([fraction - offset for offset in offsets])
    weights = np.sinc(distances) * np.sinc(distances / LOBES)
    weights /= weights.sum()
    return sum(np.float32(weight) * taken(offset) for weight, offset in zip(weights, offsets, strict=True))  # type: ignore[return-value] (an array)


def usual_shift(shifts: Sequence[Shift]) -> Shift:
    """The median of measured shifts, those of pictures with too little to see left out."""
    seen = [shift for shift in shifts if shift != UNMOVED] or [UNMOVED]
    return median(down for down, _ in seen), median(right for _, right in seen)


def best_shift(lr: Picture, hr: Picture, usual: Shift) -> Shift:
    """By how many LR pixels LR shows what HR shows further down and right: as measured, as `usual`, or not at all,
    whichever leaves the least difference. What is measured on a flat or a strange picture so does no harm."""
    near = [shift for shift in (shift_of(lr, hr), usual) if max(map(abs, shift)) <= FARTHEST]
    return min((*near, UNMOVED), key=lambda shift: difference(lr, hr, shift))
