"""Do the LR and the HR picture of a pair show the same, at the same place, in the same colours?"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures.crops import LUMA
from ..pictures.picture_files import Picture
from ..pictures.picture_set import evenly

logger = logging.getLogger("senga")

LOOKED_AT = 12  # pairs of a set, spread evenly
SEEN = 384  # LR pixels a side in the middle of a picture that are compared
SHIFTED = 0.25  # HR pixels from which on a shift is worth a warning: a net learns it, and its lines get soft
COLOURED = 2.0  # levels of 255 by which a channel's mean may differ
MARGIN = 8  # pixels that differences leave out, which a shift brings in from outside
PASSES = 4  # of the estimate of a shift, each on what the one before has left

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Findings:
    """Of a few pairs of a set."""

    shifts: Sequence[tuple[float, float]]  # LR pixels that LR shows things further down and right
    colours: Sequence[NDArray[np.float64]]  # by how many levels of red, green and blue LR is brighter than HR

    def moved(self, scale: int) -> int:
        """How many are shifted by more than SHIFTED HR pixels."""
        return sum(scale * max(abs(down), abs(right)) > SHIFTED for down, right in self.shifts)


def look_at_pairs(twins: Sequence[Any], pixels: Callable[[Any], tuple[Picture, Picture]]) -> Findings:
    """The shifts and the colours of LOOKED_AT pairs."""
    seen = [pixels(twin) for twin in evenly(twins, LOOKED_AT)]
    return Findings([shift_of(lr, hr) for lr, hr in seen], [lr.mean((0, 1)) - hr.mean((0, 1)) for lr, hr in seen])


def warn_of_shift(found: Findings, scale: int, where: str, way_out: str) -> None:
    if moved := found.moved(scale):
        down, right = (scale * median(shift[axis] for shift in found.shifts) for axis in (0, 1))
        logger.warning(
            "%s: %d of %d pairs looked at are shifted by more than %.2f HR pixels (LR is %.2f lower and %.2f further"
            " right, by the median); the network will learn the shift: %s",
            *(where, moved, len(found.shifts), SHIFTED, down, right, way_out),
        )


def warn_of_colours(found: Findings, where: str) -> None:
    if found.colours and np.abs(typical := np.median(found.colours, 0)).max() > COLOURED:
        levels = ", ".join(f"{value:+.1f}" for value in typical)
        logger.warning(
            "%s: LR differs from HR by %s levels of red, green and blue (by the median of %d pairs); the network will"
            " learn to change colours, if that is not what you want match them first",
            *(where, levels, len(found.colours)),
        )


def shift_of(lr: Picture, hr: Picture) -> tuple[float, float]:
    """How many LR pixels lower and further right LR shows what HR shows; (0, 0) where there is too little to see.

    HR is reduced to LR's size by area. Whole pixels by the peak of the cross-correlation, then fractions by least
    squares on the gradients (Lucas and Kanade 1981), repeated on what is left.
    """
    a, b = _compared(lr, hr)
    down, right = _whole(a, b)
    for _ in range(PASSES):
        moved = _moved(b, down, right)
        step = _fraction(a, moved, margin=int(max(abs(down), abs(right))) + 3)
        if step is None:
            return 0.0, 0.0
        down, right = down + step[0], right + step[1]
    return down, right


def difference(lr: Picture, hr: Picture, shift: tuple[float, float]) -> float:
    """Mean absolute difference of the lumas, in levels, with HR moved by so many LR pixels; MARGIN pixels at the edges
    and a difference of their means do not count."""
    a, b = _compared(lr, hr)
    margin = min(MARGIN, (min(a.shape) - 1) // 2)
    inner = slice(margin, -margin or None)
    left = (a - _moved(b, *shift))[inner, inner]
    return float(np.abs(left - left.mean()).mean())


def _compared(lr: Picture, hr: Picture) -> tuple[Floats, Floats]:
    """The lumas of LR and of HR reduced to its size, up to SEEN pixels a side of their middles."""
    reduced = np.asarray(Image.fromarray(hr).resize(lr.shape[1::-1], Image.Resampling.BOX))
    top, left = (max(0, (side - SEEN) // 2) for side in lr.shape[:2])
    a, b = (np.ascontiguousarray(picture[top : top + SEEN, left : left + SEEN] @ LUMA) for picture in (lr, reduced))
    return a, b


def _whole(a: Floats, b: Floats) -> tuple[float, float]:
    """Whole pixels that `a` is lower and further right than `b`, up to an eighth of their sides."""
    window = np.hanning(a.shape[0])[:, None] * np.hanning(a.shape[1])
    spectra = [np.fft.rfft2((one - one.mean()) * window) for one in (a, b)]
    map_ = np.fft.irfft2(spectra[0] * np.conj(spectra[1]), a.shape)
    far = [np.abs(np.fft.fftfreq(side, 1 / side)) > max(1, side // 8) for side in a.shape]
    map_[far[0], :] = map_[:, far[1]] = -np.inf
    y, x = np.unravel_index(int(np.argmax(map_)), a.shape)
    return tuple(float(at - side if at > side // 2 else at) for at, side in zip((y, x), a.shape, strict=True))  # type: ignore[return-value] (two)


def _moved(picture: Floats, down: float, right: float) -> Floats:
    image = Image.fromarray(picture)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, (1, 0, -right, 0, 1, -down), Image.Resampling.BICUBIC)
    )


def _fraction(a: Floats, b: Floats, margin: int) -> tuple[float, float] | None:
    """The small shift that takes `b` to `a`; None where they have no gradients in both directions."""
    if min(a.shape) < 2 * margin + 8:
        return None
    inner = (slice(margin, -margin), slice(margin, -margin))
    dy, dx = (np.asarray(gradient)[inner].ravel().astype(np.float64) for gradient in np.gradient(b))
    left = np.subtract(a, b, dtype=np.float64)
    rest = np.asarray(left)[inner].ravel()
    rest -= rest.mean()
    matrix = np.array([[dy @ dy, dy @ dx], [dy @ dx, dx @ dx]])
    if np.linalg.eigvalsh(matrix)[0] < dy.size:  # a gradient under one level
        return None
    down, right = np.linalg.solve(matrix, -np.array([dy @ rest, dx @ rest]))
    return float(np.clip(down, -1, 1)), float(np.clip(right, -1, 1))
