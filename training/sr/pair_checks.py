"""Do the LR and the HR picture of a pair show the same, at the same place, in the same colours?"""

import logging
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .crops import LUMA
from .picture_files import Picture
from .picture_set import evenly

logger = logging.getLogger("senga")

LOOKED_AT = 12  # pairs of a set, spread evenly
SEEN = 384  # LR pixels a side in the middle of a picture that are compared
SHIFTED = 0.25  # HR pixels from which on a shift is worth a warning: a net learns it, and its lines get soft
COLOURED = 2.0  # levels of 255 by which a channel's mean may differ
PASSES = 4  # of the estimate of a shift, each on what the one before has left

Floats = NDArray[np.float32]


def look_at_pairs(
    twins: Sequence[Any], pixels: Callable[[Any], tuple[Picture, Picture]], scale: int, where: str
) -> None:
    """Warns of pairs that are shifted or coloured against each other; looks at a few of them."""
    shifts, differences = [], []
    for twin in evenly(twins, LOOKED_AT):
        lr, hr = pixels(twin)
        shifts.append(shift_of(lr, hr))
        differences.append(lr.mean((0, 1)) - hr.mean((0, 1)))
    offsets = [scale * max(abs(dy), abs(dx)) for dy, dx in shifts]
    if shifts and (moved := sum(offset > SHIFTED for offset in offsets)):
        down, right = (scale * median(shift[axis] for shift in shifts) for axis in (0, 1))
        logger.warning(
            "%s: %d of %d pairs looked at are shifted by more than %.2f HR pixels (LR is %.2f lower and %.2f further"
            " right, by the median); the network will learn the shift: align the pictures",
            *(where, moved, len(shifts), SHIFTED, down, right),
        )
    if differences and np.abs(typical := np.median(differences, 0)).max() > COLOURED:
        levels = ", ".join(f"{value:+.1f}" for value in typical)
        logger.warning(
            "%s: LR differs from HR by %s levels of red, green and blue (by the median of %d pairs); the network will"
            " learn to change colours, if that is not what you want match them first",
            *(where, levels, len(differences)),
        )


def shift_of(lr: Picture, hr: Picture) -> tuple[float, float]:
    """How many LR pixels lower and further right LR shows what HR shows; (0, 0) where there is too little to see.

    HR is reduced to LR's size by area. Whole pixels by the peak of the cross-correlation, then fractions by least
    squares on the gradients (Lucas and Kanade 1981), repeated on what is left.
    """
    reduced = np.asarray(Image.fromarray(hr).resize(lr.shape[1::-1], Image.Resampling.BOX))
    top, left = (max(0, (side - SEEN) // 2) for side in lr.shape[:2])
    a, b = (np.ascontiguousarray(picture[top : top + SEEN, left : left + SEEN] @ LUMA) for picture in (lr, reduced))
    down, right = _whole(a, b)
    for _ in range(PASSES):
        moved = _moved(b, down, right)
        step = _fraction(a, moved, margin=int(max(abs(down), abs(right))) + 3)
        if step is None:
            return 0.0, 0.0
        down, right = down + step[0], right + step[1]
    return down, right


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
