"""How a picture of one shape becomes one of another: cropped, padded or stretched."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import SengaError
from .sizes import fit_size
from .strips import Canvas

FITS = ("crop", "pad", "stretch")  # the default first


@dataclass(frozen=True)
class Fit:
    """Which part of a picture is upscaled, to what size, and which part of that is the result. All (width, height)."""

    start: tuple[int, int]  # left and top of the part, in pixels of the picture
    part: tuple[int, int]
    size: tuple[int, int]  # that the part is upscaled to
    offset: tuple[int, int]  # left and top of the result in it; negative: pixels that are added there
    result: tuple[int, int]

    @classmethod
    def whole(cls, part: tuple[int, int], size: tuple[int, int]) -> "Fit":
        """All of a picture, stretched."""
        return cls((0, 0), part, size, (0, 0), size)

    def before(self, image: Tensor) -> Tensor:
        """(B, H, W, ...) -> the part of it that is upscaled; a view."""
        (left, top), (width, height) = self.start, self.part
        return image[:, top : top + height, left : left + width]

    def canvas(self, result: Tensor) -> Canvas:
        """Where the upscaled part is written in (1, C, H, W) of the result's size."""
        (left, top), (width, height) = self.offset, self.size
        return Canvas(result, height, width, top, left)

    def added(self, frames: int) -> Tensor:
        """(frames, H, W) of the result's size: 1 where it has no pixel of the picture, else 0."""
        shape = frames, 1, self.result[1], self.result[0]
        # What nobody looks at takes no memory: the system has pages of zeros that are not there until written.
        mask = torch.from_numpy(np.zeros(shape, np.float32))
        if self.canvas(mask).fills_result:
            return mask[:, 0]
        mask.fill_(1)
        self.canvas(mask).place(torch.zeros(()).expand(frames, 1, self.size[1], self.size[0]), 0)
        return mask[:, 0]


def plan_fit(width: int, height: int, target_width: int, target_height: int, fit: str) -> Fit | None:
    """The plan for a picture of width x height and a target in which 0 means "not given"; None where both are 0.

    With one side given the other follows from the aspect, and nothing is cropped or padded. With both, "crop" fills
    the target and cuts what is outside it, the same on both sides; "pad" fits the whole picture in and adds to it;
    "stretch" changes the aspect.

    Raises:
        SengaError: an unknown `fit`, or negative sizes.
    """
    if fit not in FITS:
        raise SengaError(f"fit is {fit!r}; expected one of {', '.join(FITS)}")
    target = fit_size(width, height, target_width, target_height)
    if target is None:
        return None
    if fit == "stretch" or not target_width or not target_height:
        return Fit.whole((width, height), target)
    factors = target[0] / width, target[1] / height
    if fit == "pad":
        factor = min(factors)
        inside = _round(width * factor, target[0]), _round(height * factor, target[1])
        return Fit(
            (0, 0), (width, height), inside, (-_half(target[0] - inside[0]), -_half(target[1] - inside[1])), target
        )
    sides = [_cropped(length, aim, max(factors)) for length, aim in zip((width, height), target, strict=True)]
    start, part, size, offset = zip(*sides, strict=True)
    return Fit(start, part, size, offset, target)


def _round(value: float, most: int) -> int:
    return min(most, max(1, round(value)))


def _half(length: int) -> int:
    return length // 2


def _cropped(length: int, aim: int, factor: float) -> tuple[int, int, int, int]:
    """One side of "crop": (start, part, size, offset). Only whole pixels that the result needs are upscaled."""
    needed = min(float(length), aim / factor)
    exact = (length - needed) / 2
    start = math.floor(exact + 1e-6)
    part = min(length - start, max(1, math.ceil(exact + needed - 1e-6) - start))
    size = max(aim, round(part * factor))
    return start, part, size, min(size - aim, max(0, round((exact - start) * factor)))
