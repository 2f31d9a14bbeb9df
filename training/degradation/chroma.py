"""Luma and chroma of BT.601 and BT.709, and the chroma subsampling of video: (H, W, 3) float32 -> the same shape."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blur import Image
from .resize import resize_to

Plane = NDArray[np.float64]

# Shares of red and blue in the luma: ITU-R BT.601-7 and BT.709-6.
MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
# Pixels that share a sample of chroma, down and across.
SAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2), "4:1:1": (1, 4), "4:1:0": (4, 4)}
SAME = "same"


def to_ycc(image: NDArray[Any], matrix: str = "bt601") -> tuple[Plane, Plane, Plane]:
    """Y in [0, 1], Cb and Cr in [-0.5, 0.5], each (H, W). Sums run in a fixed order, not through a matrix product."""
    kr, kb = MATRICES[matrix]
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    y = kr * red + (1 - kr - kb) * green + kb * blue
    return y, (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))


def from_ycc(y: Plane, cb: Plane, cr: Plane, matrix: str = "bt601") -> Image:
    """The reverse of `to_ycc`, unclipped."""
    kr, kb = MATRICES[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack((red, green, blue), axis=2).astype(np.float32)


def chroma(image: Image, p: Mapping[str, Any]) -> Image:
    """Chroma at a lower resolution than luma, by `down` and back by `up`; luma is kept.

    `decoded_as` another matrix than `matrix` is the fault of players that take SD video for HD, or the reverse:
    greens and reds shift.
    """
    height, width = image.shape[:2]
    down, across = SAMPLINGS[p["subsampling"]]
    y, *colours = to_ycc(image, p["matrix"])
    small = np.stack(colours, axis=2).astype(np.float32)
    small = resize_to(small, max(1, -(-height // down)), max(1, -(-width // across)), p["down"])
    cb, cr = np.moveaxis(resize_to(small, height, width, p["up"]).astype(np.float64), 2, 0)
    return from_ycc(y, cb, cr, p["matrix"] if p["decoded_as"] == SAME else p["decoded_as"])


def saturation(image: Image, p: Mapping[str, Any]) -> Image:
    """Chroma times `factor`, turned by `hue` degrees; luma (BT.601) is kept where nothing clips."""
    y, cb, cr = to_ycc(image)
    turn = np.deg2rad(p["hue"])
    along, across = p["factor"] * np.cos(turn), p["factor"] * np.sin(turn)
    return from_ycc(y, along * cb - across * cr, along * cr + across * cb)
