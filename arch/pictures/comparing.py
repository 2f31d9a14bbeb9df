"""Two pictures of one subject: how far they differ, and pictures that show it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SengaError
from ..image import check_pictures, flatten, resize, to_bchw, to_bhwc
from .metrics import SSIM_WINDOW, psnr_y, ssim_y

MODES = ("slider", "side by side", "difference")
GAIN = 4  # of a difference, which is hardly visible otherwise
GAP = 8  # pixels between two pictures


@dataclass(frozen=True)
class Comparison:
    """Both pictures as they were compared, (B, H, W, 3) in [0, 1], and how close they are."""

    a: Tensor
    b: Tensor
    psnr: float  # dB on luma, the mean over frames; 100 for equal pictures
    ssim: float  # on luma, the mean over frames; 1 for equal pictures
    note: str  # one line: both numbers, and what was done to compare

    def picture(self, mode: str) -> Tensor:
        """(B, H, W, 3) for one of MODES: A's left half beside B's right one, both side by side, or 4 |A - B|."""
        if mode == "difference":
            return ((self.a - self.b).abs() * GAIN).clamp(0, 1)
        if mode == "side by side":
            gap = self.a.new_ones((*self.a.shape[:2], GAP, 3))
            return torch.cat((self.a, gap, self.b), dim=2)
        if mode != "slider":
            raise SengaError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")
        half = self.a.shape[2] // 2
        both = torch.cat((self.a[:, :, :half], self.b[:, :, half:]), dim=2)
        both[:, :, half : half + 1] = 1.0
        return both


def compare(a: Tensor, b: Tensor) -> Comparison:
    """Compare pictures after rounding to 8 bits, as they would be saved.

    Transparent pictures are put on white. A `b` of another size is resized to that of `a` (antialiased bicubic); the
    note says so. One frame is compared with each of a batch.

    Args:
        a, b: (B, H, W, C) float32 in [0, 1], C = 1, 3 or 4.

    Raises:
        SengaError: another shape or type, two batches of different lengths, or a side too small for SSIM's window.
    """
    for image in (a, b):
        check_pictures(image)
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise SengaError(
            f"image_a has {len(a)} frames and image_b {len(b)}; expected equal numbers, or one frame for all"
        )
    first, second = flatten(a), flatten(b)
    notes: list[str] = []
    if first.shape[1:3] != second.shape[1:3]:
        (height, width), (own_height, own_width) = first.shape[1:3], second.shape[1:3]
        second = to_bhwc(resize(to_bchw(second), height, width))
        notes.append(f"B was resized from {own_width}x{own_height} to A's {width}x{height}")
    if min(first.shape[1:3]) < SSIM_WINDOW:
        raise SengaError(
            f"image_a has {first.shape[2]}x{first.shape[1]} pixels; SSIM looks at {SSIM_WINDOW}x{SSIM_WINDOW}: compare"
            " larger pictures"
        )
    frames = max(len(a), len(b))
    first, second = (image.expand(frames, -1, -1, -1) for image in (first, second))
    pairs = list(zip(to_bchw(first).split(1), to_bchw(second).split(1), strict=True))  # frame by frame: SSIM is float64
    psnr = sum(float(psnr_y(x, y, 0)) for x, y in pairs) / frames
    ssim = sum(float(ssim_y(x, y, 0)) for x, y in pairs) / frames
    if frames > 1:
        notes.append(f"means of {frames} frames")
    numbers = "A and B are equal" if psnr >= 100 else f"PSNR {psnr:.2f} dB, SSIM {ssim:.4f}"
    return Comparison(first, second, psnr, ssim, "; ".join([numbers, *notes]))
