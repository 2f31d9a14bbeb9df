"""Print and palette damage: (H, W, 3) float32 in [0, 1] -> the same shape."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from .blur import Image
from .noise import luma

# Degrees between the screens of the three inks, as printers turn them against each other to keep moire away.
SCREEN_ANGLES = (15.0, 75.0, 0.0)
DITHER = {"none": Pillow.Dither.NONE, "floyd_steinberg": Pillow.Dither.FLOYDSTEINBERG}


def to_levels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The nearest of 256 levels."""
    return np.rint(np.clip(image, 0, 1) * np.float32(255)).astype(np.uint8)


def from_levels(levels: NDArray[np.uint8]) -> Image:
    return levels.astype(np.float32) / np.float32(255)


def halftone(image: Image, p: Mapping[str, Any]) -> Image:
    """Dots on a turned grid, `period` pixels apart at `angle` degrees, mixed in by `blend`.

    "black" prints the luma with one screen, as manga does; "colour" gives each channel a screen of its own. Black and
    white stay what they are. `softness` is the width of a dot's edge as a share of the range of greys.
    """
    if not p["blend"]:
        return image
    tones, angles = (luma(image), (0.0,)) if p["ink"] == "black" else (image.astype(np.float64), SCREEN_ANGLES)
    height, width = image.shape[:2]
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    planes = []
    for channel, extra in enumerate(angles):
        turn = np.deg2rad(p["angle"] + extra)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        wave = np.cos(2 * np.pi * u / p["period"]) + np.cos(2 * np.pi * v / p["period"])
        wave = np.interp(wave, *_tones())
        soft = p["softness"]
        # The threshold keeps clear of 0 and 1 by half an edge, so that solid black and paper white get no dots.
        threshold = 1e-3 + soft / 2 + wave * (1 - soft - 2e-3)
        planes.append(np.clip((tones[..., channel] - threshold) / soft + 0.5, 0, 1))
    printed = np.stack(planes, axis=2)
    return (image + p["blend"] * (printed - image)).astype(np.float32)


@cache
def _tones() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of a screen that is below each height of cos + cos: with it, a grey keeps its mean when printed."""
    angle = (np.arange(512) + 0.5) / 512 * np.pi
    heights = np.sort((np.cos(angle)[:, None] + np.cos(angle)[None, :]).ravel())[:: 512 * 512 // 1024]
    return heights, np.linspace(0, 1, len(heights))


def banding(image: Image, p: Mapping[str, Any]) -> Image:
    """Each channel rounded to `levels` even levels; 256 is what 8 bits hold."""
    steps = np.float32(p["levels"] - 1)
    return (np.rint(np.clip(image, 0, 1) * steps) / steps).astype(np.float32, copy=False)


def palette(image: Image, p: Mapping[str, Any]) -> Image:
    """The picture in `colours` colours of its own, found by median cut, as a GIF has it."""
    picture = Pillow.fromarray(to_levels(image))
    table = picture.quantize(p["colours"], method=Pillow.Quantize.MEDIANCUT)
    reduced = picture.quantize(palette=table, dither=DITHER[p["dither"]])
    return from_levels(np.asarray(reduced.convert("RGB")))


def misregister(image: Image, p: Mapping[str, Any]) -> Image:
    """Colour moved against the drawing by `x`, `y` pixels: the chroma, or one printed channel."""
    if not p["x"] and not p["y"]:
        return image
    wide = image.astype(np.float64)
    if p["what"] == "chroma":
        y = luma(wide)
        return (y + _moved(wide - y, p["x"], p["y"])).astype(np.float32)
    channel = {"red": 0, "green": 1, "blue": 2}[p["what"]]
    wide[..., channel : channel + 1] = _moved(wide[..., channel : channel + 1], p["x"], p["y"])
    return wide.astype(np.float32)


def _moved(plane: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """Moved right and down by parts of a pixel, the border repeated."""
    for axis, by in ((1, x), (0, y)):
        at = np.arange(plane.shape[axis]) - by
        low = np.floor(at).astype(int)
        part = np.expand_dims(at - low, (1, 2) if axis == 0 else (0, 2))
        last = plane.shape[axis] - 1
        first, second = (plane.take(np.clip(low + i, 0, last), axis=axis) for i in (0, 1))
        plane = first * (1 - part) + second * part
    return plane
