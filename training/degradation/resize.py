"""Changes of size: (H, W, 3) float32 -> (height, width, 3).

The two families differ by up to 76 of 255 levels where a picture shrinks, so each has its own names. `box`, `bilinear`,
`hamming`, `bicubic` (Catmull-Rom) and `lanczos` are Pillow's, which widen with the factor; `area` is the mean over the
exact area, as OpenCV's. `bilinear_plain` and `bicubic_plain` read 2 or 4 neighbours whatever the factor, as torch and
OpenCV do without antialiasing, and leave jagged lines; `nearest` reads one. `catmull_rom`, `mitchell` and `hermite` are
the cubics of Mitchell and Netravali, and widen with the factor like Pillow's.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from .blur import Image
from .colour import from_levels, to_levels

PILLOW = {
    "box": Pillow.Resampling.BOX,
    "bilinear": Pillow.Resampling.BILINEAR,
    "hamming": Pillow.Resampling.HAMMING,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}
PLAIN = ("area", "nearest", "bilinear_plain", "bicubic_plain")
# B and C of Mitchell and Netravali (1988, "Reconstruction filters in computer graphics").
CUBICS = {"catmull_rom": (0.0, 0.5), "mitchell": (1 / 3, 1 / 3), "hermite": (0.0, 0.0)}
FILTERS = (*PILLOW, *PLAIN, *CUBICS)
A = -0.75  # of torch's and OpenCV's bicubic; Pillow's is -0.5


def resize(image: Image, p: Mapping[str, Any], final: tuple[int, int]) -> Image:
    """Resize by `factor` of the picture's size (`of` "current") or of the size that the recipe ends with ("final")."""
    base = image.shape[:2] if p["of"] == "current" else final
    height, width = (max(1, int(side * p["factor"] + 0.5)) for side in base)
    if p["depth"] == "float":
        return resize_to(image, height, width, p["filter"], linear=p["light"] == "linear")
    if p["filter"] in PILLOW and p["light"] == "encoded":
        # Not the same as rounding at the end: Pillow rounds and clips between rows and columns too.
        picture = Pillow.fromarray(to_levels(image)).resize((width, height), PILLOW[p["filter"]])
        return from_levels(np.asarray(picture))
    rounded = from_levels(to_levels(image))
    result = resize_to(rounded, height, width, p["filter"], linear=p["light"] == "linear")
    return from_levels(to_levels(result))


def resize_to(image: Image, height: int, width: int, filter_name: str, *, linear: bool = False) -> Image:
    """(H, W, C) -> (height, width, C); `linear` resizes the light instead of the sRGB levels."""
    if image.shape[:2] == (height, width):
        return image
    source = _to_linear(image) if linear else image
    if filter_name in PILLOW:
        channels = [
            np.asarray(Pillow.fromarray(plane).resize((width, height), PILLOW[filter_name]))
            for plane in np.ascontiguousarray(np.moveaxis(source, 2, 0))
        ]
        result = np.stack(channels, axis=2)
    else:
        rows = _along_rows(source.astype(np.float64), height, filter_name)
        result = np.swapaxes(_along_rows(np.swapaxes(rows, 0, 1), width, filter_name), 0, 1).astype(np.float32)
    return _to_encoded(np.clip(result, 0, 1)) if linear else result


def _along_rows(image: NDArray[np.float64], length: int, filter_name: str) -> NDArray[np.float64]:
    """Resize the first axis. Sums run in a fixed order, so every machine gets the same bits."""
    old = image.shape[0]
    if length == old:
        return image
    if filter_name == "area":
        edges = np.arange(length + 1) * (old / length)
        total = np.concatenate((np.zeros((1, *image.shape[1:])), np.cumsum(image, axis=0)))
        whole = np.minimum(edges.astype(int), old - 1)
        part = (edges - whole)[:, None, None]
        integral = total[whole] * (1 - part) + total[whole + 1] * part
        return np.diff(integral, axis=0) / (old / length)
    centre = (np.arange(length) + 0.5) * (old / length) - 0.5
    if filter_name in CUBICS:
        return _cubic(image, centre, max(1.0, old / length), *CUBICS[filter_name])
    if filter_name == "nearest":
        return image[np.clip((centre + 0.5).astype(int), 0, old - 1)]
    first = np.floor(centre).astype(int)
    t = centre - first
    weights = (
        {0: 1 - t, 1: t}
        if filter_name == "bilinear_plain"
        else {-1: _far(1 + t), 0: _near(t), 1: _near(1 - t), 2: _far(2 - t)}
    )
    result = np.zeros((length, *image.shape[1:]))
    for offset, weight in weights.items():
        result += image[np.clip(first + offset, 0, old - 1)] * weight[:, None, None]
    return result


def _cubic(image: NDArray[np.float64], centre: NDArray[np.float64], stretch: float, b: float, c: float) -> Any:
    """Rows at `centre` by the kernel of Mitchell and Netravali, `stretch` times as wide; the border has fewer rows."""
    old = image.shape[0]
    reach = int(np.ceil(2 * stretch))
    nearest = np.floor(centre + 0.5).astype(int)
    result = np.zeros((len(centre), *image.shape[1:]))
    total = np.zeros(len(centre))
    for offset in range(-reach, reach + 1):
        row = nearest + offset
        t = np.abs(row - centre) / stretch
        near = ((12 - 9 * b - 6 * c) * t + (-18 + 12 * b + 6 * c)) * t * t + (6 - 2 * b)
        far = (((-b - 6 * c) * t + (6 * b + 30 * c)) * t + (-12 * b - 48 * c)) * t + (8 * b + 24 * c)
        weight = np.where(t < 1, near, np.where(t < 2, far, 0.0)) * ((row >= 0) & (row < old))
        result += image[np.clip(row, 0, old - 1)] * weight[:, None, None]
        total += weight
    return result / total[:, None, None]


def _near(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic kernel of Keys for distances up to 1."""
    return ((A + 2) * t - (A + 3)) * t * t + 1


def _far(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic kernel of Keys for distances from 1 to 2."""
    return ((A * t - 5 * A) * t + 8 * A) * t - 4 * A


def _to_linear(image: Image) -> Image:
    x = np.clip(image, 0, 1).astype(np.float64)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _to_encoded(light: Image) -> Image:
    x = light.astype(np.float64)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)
