"""Real picture codecs, in memory: (H, W, 3) float32 -> the same shape on 256 levels.

Each takes `shift_x`, `shift_y`: the picture is moved so many pixels against the codec's grid of blocks, as a crop
between two savings moves it.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import features

from ...arch import SengaError
from .blur import Image
from .colour import from_levels, to_levels

SUBSAMPLING = ("4:4:4", "4:2:2", "4:2:0")
MATRIX = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])  # BT.601


def _through(image: Image, p: Mapping[str, Any], name: str, **options: Any) -> Image:
    shifted = shift(to_levels(image), p["shift_x"], p["shift_y"])
    buffer = io.BytesIO()
    try:
        Pillow.fromarray(shifted).save(buffer, name, **options)
    except (OSError, ValueError) as error:  # WebP ends at 16383 pixels a side, JPEG at 65500
        height, width = shifted.shape[:2]
        raise SengaError(
            f"step {name.lower()}: the codec refused {width} x {height} pixels ({error}); give a smaller picture"
        ) from error
    with Pillow.open(buffer, formats=(name,)) as decoded:
        levels = np.asarray(decoded.convert("RGB"))
    return from_levels(levels[p["shift_y"] :, p["shift_x"] :])


def shift(levels: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    """The picture `x` pixels further right and `y` further down, its border repeated."""
    return np.pad(levels, ((y, 0), (x, 0), (0, 0)), mode="edge") if x or y else np.ascontiguousarray(levels)


def jpeg(image: Image, p: Mapping[str, Any]) -> Image:
    return _through(image, p, "JPEG", quality=p["quality"], subsampling=p["subsampling"])


def webp(image: Image, p: Mapping[str, Any]) -> Image:
    return _through(image, p, "WEBP", quality=p["quality"], method=p["method"])


def avif(image: Image, p: Mapping[str, Any]) -> Image:
    if not features.check("avif"):
        raise SengaError("step avif: this Pillow was built without AVIF; install Pillow 11.3 or newer from PyPI")
    return _through(
        image, p, "AVIF", quality=p["quality"], speed=p["speed"], subsampling=p["subsampling"], max_threads=1
    )


def to_yuv420(image: Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Y (H, W), U and V (H/2, W/2) of BT.601's limited range; H and W are even.

    By hand, since FFmpeg's own conversion takes another path on another processor.
    """
    wide = np.clip(image, 0, 1).astype(np.float64)
    y, u, v = (wide[..., 0] * row[0] + wide[..., 1] * row[1] + wide[..., 2] * row[2] for row in MATRIX)
    chroma = [(c[::2, ::2] + c[1::2, ::2] + c[::2, 1::2] + c[1::2, 1::2]) / 4 * 224 + 128 for c in (u, v)]
    luma, blue, red = (np.rint(plane).clip(0, 255).astype(np.uint8) for plane in (y * 219 + 16, *chroma))
    return luma, blue, red


def from_yuv420(y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]) -> Image:
    """The reverse, chroma brought up between its samples linearly, rounded to 256 levels."""
    luma = (y.astype(np.float64) - 16) / 219
    blue, red = ((_double(plane.astype(np.float64)) - 128) / 224 for plane in (u, v))
    rgb = np.stack((luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue), axis=2)
    return from_levels(to_levels(rgb))


def _double(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w) -> (2h, 2w), linear, with samples in the middle of four pixels."""
    for axis in (0, 1):
        padded = np.pad(plane, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        length = plane.shape[axis]
        before, here, after = (padded.take(range(i, i + length), axis=axis) for i in (0, 1, 2))
        halves = np.stack((0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after), axis=axis + 1)
        shape = list(plane.shape)
        shape[axis] *= 2
        plane = halves.reshape(shape)
    return plane
