"""PSNR and SSIM, as the super-resolution papers report them.

Both look at what a user would save: values are rounded to 8 bits first.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SengaError

# Wang et al. 2004; the two constants keep flat and black parts from dividing by zero, in units of white squared.
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2


def luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 1, H, W): BT.601 Y from 16/255 to 235/255, as MATLAB's rgb2ycbcr."""
    weights = torch.tensor((65.481, 128.553, 24.966), device=image.device, dtype=image.dtype).view(1, 3, 1, 1)
    return ((image * weights).sum(1, keepdim=True) + 16) / 255


def eight_bit(image: Tensor) -> Tensor:
    """The whole levels, 0 to 255 as float32, that a saved picture would hold. Any shape, values in [0, 1]."""
    return (image.float() * 255).round().clamp(0, 255)


def compared(image: Tensor, reference: Tensor, shave: int) -> tuple[Tensor, Tensor]:
    """Luma of both after rounding to 8 bits, without `shave` pixels at each border: (B, 1, H - 2 shave, W - 2 shave).

    Raises:
        SengaError: the two differ in shape, or nothing is left of them.
    """
    if image.shape != reference.shape:
        raise SengaError(
            f"the picture is {tuple(image.shape)} and its reference {tuple(reference.shape)}; expected equal shapes"
        )
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * shave:
        raise SengaError(f"nothing is left of {height}x{width} pixels without {shave} at each border; expected less")
    a, b = (luma(eight_bit(x) / 255)[..., shave : height - shave, shave : width - shave] for x in (image, reference))
    return a, b


def psnr_y(image: Tensor, reference: Tensor, shave: int) -> Tensor:
    """PSNR in dB of each picture of a batch, on luma, after rounding to 8 bits, `shave` border pixels left out.

    Equal pictures give 100 dB rather than infinity, so that means stay finite.

    Args:
        image, reference: (B, 3, H, W) in [0, 1].
        shave: pixels left out at each border; the papers take the scale.

    Returns:
        (B,) float32.

    Raises:
        SengaError: the two differ in shape, or nothing is left of them.
    """
    a, b = compared(image, reference, shave)
    mse = (a - b).square().mean(dim=(1, 2, 3))
    return (-10 * mse.clamp_min(1e-10).log10()).clamp_max(100)


def ssim_y(image: Tensor, reference: Tensor, shave: int) -> Tensor:
    """SSIM of each picture of a batch, on luma, after rounding to 8 bits, `shave` border pixels left out.

    Wang et al. 2004 with their constants: an 11 x 11 Gaussian window of sigma 1.5, whole windows only, and a range of
    255 for a luma that keeps to 16-235, as MATLAB's scripts of the papers have it. In float64 on the CPU: in float32
    the variance of a flat part is mostly rounding.

    Args:
        image, reference: (B, 3, H, W) in [0, 1].
        shave: pixels left out at each border; the papers take the scale.

    Returns:
        (B,) float32 on the CPU, at most 1, which equal pictures have.

    Raises:
        SengaError: the two differ in shape, or a side is smaller than the window.
    """
    a, b = (x.cpu().double() for x in compared(image, reference, shave))
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise SengaError(f"{a.shape[-2]}x{a.shape[-1]} pixels are left for SSIM; its window needs {SSIM_WINDOW} a side")
    offsets = torch.arange(SSIM_WINDOW, dtype=a.dtype) - SSIM_WINDOW // 2
    window = (-offsets.square() / (2 * SSIM_SIGMA**2)).exp()
    window /= window.sum()
    maps = torch.cat([a, b, a * a, b * b, a * b])  # (5 * B, 1, H, W)
    means = F.conv2d(F.conv2d(maps, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    mean_a, mean_b, square_a, square_b, product = means.chunk(5)
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    covariance = product - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
    return (brightness * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)).mean(dim=(1, 2, 3)).float()
