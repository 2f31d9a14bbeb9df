"""Gaussian blur of batches of patches, by multiplication with matrices."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


@lru_cache(maxsize=64)
def blur_matrix(size: int, taps: int, sigma: float, mirror: bool, device: torch.device) -> Tensor:
    """A Gaussian blur along one side as a matrix, (out, size) float32: `matrix @ picture` blurs the columns.

    For patches one multiplication is many times faster than a depthwise convolution, forwards and backwards.

    Args:
        taps: length of the kernel, odd.
        mirror: continue the side by its mirror image, the edge pixel not repeated (out = size); otherwise keep only
            the places where the kernel is wholly inside (out = size - taps + 1).
    """
    offsets = np.arange(taps) - taps // 2
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    places = np.arange(size) if mirror else np.arange(taps // 2, size - taps // 2)
    period = max(1, 2 * (size - 1))
    sources = np.abs(places[:, None] + offsets) % period
    sources = np.minimum(sources, period - sources) if size > 1 else np.zeros_like(sources)
    matrix = np.zeros((len(places), size))
    np.add.at(matrix, (np.arange(len(places))[:, None], sources), kernel)
    with torch.inference_mode(False):  # it may be made while validating and needed while training
        return torch.from_numpy(matrix.astype(np.float32)).to(device)


def blur(x: Tensor, taps: int, sigma: float, mirror: bool) -> Tensor:
    """(B, C, H, W) blurred by a Gaussian along both sides; for the rest see `blur_matrix`."""
    rows, columns = (blur_matrix(side, taps, sigma, mirror, x.device).to(x.dtype) for side in x.shape[-2:])
    return rows @ x @ columns.T
