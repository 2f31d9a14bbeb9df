"""Blurs: (H, W, 3) float32 -> the same shape. The border is mirrored.

Kernels and convolutions are computed in float64 and rounded once, so that the order in which a processor adds cannot be
seen in the result.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Image = NDArray[np.float32]
Kernel = NDArray[np.float64]

FINE = 8  # points a side that a pixel of a disc is measured by
STRIP = 64  # rows


def convolve(image: Image, kernel: Kernel) -> Image:
    """Each channel convolved with an odd-sized kernel, by FFT."""
    return convolve_wide(image, kernel).astype(np.float32)


def convolve_wide(image: NDArray[Any], kernel: Kernel) -> NDArray[np.float64]:
    """`convolve` before the rounding to float32."""
    height, width = image.shape[:2]
    below, right = (side // 2 for side in kernel.shape)
    padding = ((below, below), (right, right), (0, 0))
    padded = np.pad(image.astype(np.float64), padding, mode="reflect" if min(height, width) > 1 else "edge")
    size = tuple(_smooth(side) for side in padded.shape[:2])
    spectrum = np.fft.rfft2(padded, size, axes=(0, 1)) * np.fft.rfft2(kernel, size)[:, :, None]
    full = np.fft.irfft2(spectrum, size, axes=(0, 1))
    return full[2 * below : 2 * below + height, 2 * right : 2 * right + width]


@lru_cache(maxsize=4096)
def _smooth(length: int) -> int:
    """The next length whose only factors are 2, 3 and 5: an FFT of a prime length takes several times longer."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _grid(size: int) -> tuple[Kernel, Kernel]:
    """x and y of each place of a kernel, from its centre."""
    axis = np.arange(size, dtype=np.float64) - size // 2
    return axis[None, :], axis[:, None]


def gaussian_kernel(size: int, sigma: float, sigma_y: float, rotation: float, profile: str, beta: float) -> Kernel:
    """The Gaussian family of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, section 3.3), summing to 1.

    With q = the squared distance in units of sigma: `normal` exp(-q/2), `generalised` exp(-q^beta/2), `plateau`
    1/(1 + q^beta). `sigma_y` 0 is isotropic; `rotation` in radians.
    """
    x, y = _grid(size)
    along = x * np.cos(rotation) + y * np.sin(rotation)
    across = y * np.cos(rotation) - x * np.sin(rotation)
    q = (along / sigma) ** 2 + (across / (sigma_y or sigma)) ** 2
    powered = q if profile == "normal" else q**beta
    kernel = 1 / (1 + powered) if profile == "plateau" else np.exp(-0.5 * powered)
    return kernel / kernel.sum()


def gaussian_blur(image: Image, p: Mapping[str, Any]) -> Image:
    if p["sigma"] < 1e-3 or p["size"] == 1:
        return image
    sigma_y = max(p["sigma_y"], 1e-3) if p["sigma_y"] else 0.0
    return convolve(image, gaussian_kernel(p["size"], p["sigma"], sigma_y, p["rotation"], p["profile"], p["beta"]))


def sinc_kernel(size: int, cutoff: float) -> Kernel:
    """The circular low-pass filter that makes ringing, J1(cutoff r) cutoff / (2 pi r), summing to 1."""
    x, y = _grid(size)
    radius = np.sqrt(x * x + y * y)
    radius[size // 2, size // 2] = 1  # filled in below
    bessel = torch.special.bessel_j1(torch.from_numpy(cutoff * radius)).numpy()
    kernel = cutoff * bessel / (2 * np.pi * radius)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
    return kernel / kernel.sum()


def sinc_blur(image: Image, p: Mapping[str, Any]) -> Image:
    return convolve(image, sinc_kernel(p["size"], p["cutoff"]))


def box_blur(image: Image, p: Mapping[str, Any]) -> Image:
    size = p["size"]
    return image if size == 1 else convolve(image, np.full((size, size), 1 / size**2))


def motion_kernel(length: float, rotation: float) -> Kernel:
    """A line of `length` pixels through the centre, its ends and edges shared between neighbouring pixels."""
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((side, side))
    steps = 8 * side
    along = (np.arange(steps) + 0.5) / steps * length - length / 2
    x, y = along * np.cos(rotation) + side // 2, along * np.sin(rotation) + side // 2
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            share = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
            np.add.at(kernel, (top + dy, left + dx), share)
    return kernel / kernel.sum()


def motion_blur(image: Image, p: Mapping[str, Any]) -> Image:
    return image if p["length"] < 1e-3 else convolve(image, motion_kernel(p["length"], p["rotation"]))


def disc_kernel(radius: float) -> Kernel:
    """A disc of `radius` pixels; a pixel that it covers in part has that part of the weight."""
    side = 2 * int(np.ceil(radius)) + 1
    fine = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    inside = fine[:, None] ** 2 + fine[None, :] ** 2 <= radius**2
    kernel = inside.reshape(side, FINE, side, FINE).sum(axis=(1, 3)).astype(np.float64)
    return kernel / kernel.sum() if kernel.any() else np.ones((1, 1))


def lens_blur(image: Image, p: Mapping[str, Any]) -> Image:
    """A point becomes a disc, as out of focus (defocus of ImageNet-C: Hendrycks, Dietterich 2019, arXiv:1903.12261)."""
    return image if p["radius"] < 0.5 else convolve(image, disc_kernel(p["radius"]))


def median_blur(image: Image, p: Mapping[str, Any]) -> Image:
    """The median of `size` x `size` pixels of each channel (Tukey 1977): a denoiser's loss of thin lines."""
    size = p["size"]
    if size == 1:
        return image
    height, width = image.shape[:2]
    half = size // 2
    padded = np.pad(image, ((half, half), (half, half), (0, 0)), mode="edge")
    result = np.empty_like(image)
    for top in range(0, height, STRIP):  # strips, since all windows together take size^2 times the picture
        strip = padded[top : top + STRIP + 2 * half]
        rows = len(strip) - 2 * half
        windows = [strip[i : i + rows, j : j + width] for i in range(size) for j in range(size)]
        result[top : top + rows] = np.partition(np.stack(windows), size * size // 2, axis=0)[size * size // 2]
    return result


def sharpen(image: Image, p: Mapping[str, Any]) -> Image:
    """Unsharp masking with a soft mask, as Real-ESRGAN sharpens its targets.

    `radius` pixels of the blur, `amount` of the difference added where it exceeds `threshold` levels of 255.
    """
    if not p["amount"]:
        return image
    size = p["radius"] // 2 * 2 + 1
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8  # OpenCV's rule for a Gaussian of this size
    kernel = gaussian_kernel(size, sigma, 0.0, 0.0, "normal", 1.0)
    residue = image - convolve_wide(image, kernel)
    mask = (np.abs(residue) * 255 > p["threshold"]).astype(np.float64)
    soft = np.clip(convolve_wide(mask, kernel), 0, 1)
    sharp = np.clip(image + p["amount"] * residue, 0, 1)
    return (soft * sharp + (1 - soft) * image).astype(np.float32)
