"""Noise: (H, W, 3) float32 in [0, 1] -> the same shape, unclipped. The pixels come from the step's own seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blur import Image

LUMA = np.array([0.299, 0.587, 0.114])


def luma(image: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W, 3) -> (H, W, 1), BT.601. Summed by hand: a matrix product adds in another order on another machine."""
    wide = image.astype(np.float64)
    return wide[..., :1] * LUMA[0] + wide[..., 1:2] * LUMA[1] + wide[..., 2:] * LUMA[2]


def _shape(image: Image, p: Mapping[str, Any]) -> tuple[int, int, int]:
    return (*image.shape[:2], 1 if p["channels"] == "grey" else 3)


def gaussian_noise(image: Image, p: Mapping[str, Any]) -> Image:
    """`sigma` in levels of 255; `channels` "grey" adds the same to all three."""
    noise = np.random.default_rng(p["seed"]).standard_normal(_shape(image, p), dtype=np.float32)
    return (image + noise * np.float32(p["sigma"] / 255)).astype(np.float32, copy=False)


def poisson_noise(image: Image, p: Mapping[str, Any]) -> Image:
    """Shot noise: as many photons as the picture has levels, rounded up to a power of two; times `scale`.

    As in Real-ESRGAN's data code, but counted for each picture by itself.
    """
    base = np.round((luma(image) if p["channels"] == "grey" else image) * 255).clip(0, 255) / 255
    photons = 2.0 ** np.ceil(np.log2(len(np.unique(base))))
    counts = np.random.default_rng(p["seed"]).poisson(base * photons)
    return (image + (counts / photons - base) * p["scale"]).astype(np.float32)


def salt_and_pepper(image: Image, p: Mapping[str, Any]) -> Image:
    """A share `amount` of the pixels (of the channels' values for "colour") becomes black or white."""
    u = np.random.default_rng(p["seed"]).random(_shape(image, p), dtype=np.float32)
    half = np.float32(p["amount"] / 2)
    return np.where(u < half, np.float32(0), np.where(u >= 1 - half, np.float32(1), image)) if half else image
