"""Y'CbCr planes of video frames from and to RGB.

FFmpeg's own scaler is not used where there are planes: unasked, it takes every video for BT.601, and it centres the
colour samples between pixels, where video has them on every second one.

ITU-T H.273 (07/2024), "Coding-independent code points for video signal type identification", sections 8.1 to 8.3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SengaError

BT709, UNSPECIFIED, BT601 = 1, 2, 6
# Matrix coefficients of H.273 -> what red and blue weigh in luma.
WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
FULL = 2  # FFmpeg's number of the range 0 to 255; the other is 16 to 235
LARGEST_SD = (1024, 576)  # pixels; players take untagged video up to this size for BT.601, and larger for BT.709


@dataclass(frozen=True)
class Colour:
    """How samples become colours; the numbers are H.273's."""

    matrix: int  # a key of WEIGHTS
    full: bool  # whether luma goes from 0 to 255, not from 16 to 235
    primaries: int = UNSPECIFIED  # handed on as it is
    transfer: int = UNSPECIFIED  # the same


def matrix_of(tagged: int, width: int, height: int) -> int:
    """The matrix that players take for a video of this tag and size. Raises SengaError for one of no weights."""
    if tagged in (0, UNSPECIFIED, 3):  # 0 is RGB
        return BT709 if width > LARGEST_SD[0] or height > LARGEST_SD[1] else BT601
    if tagged not in WEIGHTS:
        raise SengaError(f"its colour matrix has the number {tagged} of H.273; expected BT.601, BT.709 or BT.2020")
    return tagged


def to_rgb(luma: Tensor, blue: Tensor, red: Tensor, bits: int, colour: Colour) -> Tensor:
    """Planes of integer samples, colour in full or half resolution -> (H, W, 3) float32 in [0, 1]."""
    height, width = luma.shape
    low, span, colour_span = _levels(bits, colour.full)
    middle = 1 << (bits - 1)
    y = (luma.float() - low) / span
    cb, cr = (_resized((plane.float() - middle) / colour_span, height, width) for plane in (blue, red))
    of_red, of_blue = WEIGHTS[colour.matrix]
    r = y + 2 * (1 - of_red) * cr
    b = y + 2 * (1 - of_blue) * cb
    g = (y - of_red * r - of_blue * b) / (1 - of_red - of_blue)
    return torch.stack((r, g, b), 2).clamp_(0, 1)


def to_planes(rgb: Tensor, bits: int, colour: Colour, *, halved: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(H, W, 3) float in [0, 1] -> integer samples of luma, blue and red; with `halved` colour in half resolution."""
    r, g, b = rgb.float().unbind(2)
    of_red, of_blue = WEIGHTS[colour.matrix]
    y = of_red * r + (1 - of_red - of_blue) * g + of_blue * b
    low, span, colour_span = _levels(bits, colour.full)
    middle, most = 1 << (bits - 1), (1 << bits) - 1
    planes = [y * span + low]
    for difference, weight in ((b - y, of_blue), (r - y, of_red)):
        plane = difference / (2 * (1 - weight))
        planes.append((_halved(plane) if halved else plane) * colour_span + middle)
    kind = torch.uint8 if bits == 8 else torch.int32
    first, second, third = (plane.round_().clamp_(0, most).to(kind) for plane in planes)
    return first, second, third


def _levels(bits: int, full: bool) -> tuple[int, int, int]:
    """The level of black, and how many levels luma and a colour difference span."""
    step = 1 << (bits - 8)
    return (0, (1 << bits) - 1, (1 << bits) - 1) if full else (16 * step, 219 * step, 224 * step)


def _resized(plane: Tensor, height: int, width: int) -> Tensor:
    """Half resolution doubled: samples are on every second pixel of a row, and between two rows."""
    if plane.shape[1] != width:
        after = torch.cat((plane[:, 1:], plane[:, -1:]), 1)
        plane = torch.stack((plane, (plane + after) / 2), 2).flatten(1)[:, :width]
    if plane.shape[0] != height:
        above = torch.cat((plane[:1], plane[:-1]))
        below = torch.cat((plane[1:], plane[-1:]))
        plane = torch.stack((0.75 * plane + 0.25 * above, 0.75 * plane + 0.25 * below), 1).flatten(0, 1)[:height]
    return plane


def _halved(plane: Tensor) -> Tensor:
    """Half resolution, with the samples at those places."""
    height, width = plane.shape
    plane = F.pad(plane[None, None], (0, width % 2, 0, height % 2), mode="replicate")[0, 0]
    even, odd = plane[:, ::2], plane[:, 1::2]
    before = torch.cat((plane[:, :1], odd[:, :-1]), 1)
    row = (before + 2 * even + odd) / 4
    return (row[::2] + row[1::2]) / 2
