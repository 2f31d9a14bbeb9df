"""Levels, prints and pixels: (H, W, 3) float32 in [0, 1] -> the same shape."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blur import Image
from .noise import luma

# Degrees between the screens of the three inks, as printers turn them against each other to keep moire away.
SCREEN_ANGLES = (15.0, 75.0, 0.0)


def to_levels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The nearest of 256 levels."""
    return np.rint(np.clip(image, 0, 1) * np.float32(255)).astype(np.uint8)


def from_levels(levels: NDArray[np.uint8]) -> Image:
    return levels.astype(np.float32) / np.float32(255)


def levels(image: Image, p: Mapping[str, Any]) -> Image:
    """Black and white moved to `black` and `white` levels of 255, after `gamma`; what leaves 0 to 255 is lost.

    16 and 235 is limited-range video shown as full range, washed out; -18.6 and 278.3 the reverse, crushed.
    """
    low, high = p["black"] / 255, p["white"] / 255
    toned = np.clip(image, 0, 1).astype(np.float64) ** p["gamma"]
    return (low + toned * (high - low)).astype(np.float32)


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


def misregister(image: Image, p: Mapping[str, Any]) -> Image:
    """Colour moved against the drawing by `x`, `y` pixels: the chroma, or one printed channel."""
    if not p["x"] and not p["y"]:
        return image
    wide = image.astype(np.float64)
    if p["what"] == "chroma":
        y = luma(wide)
        return (y + moved(wide - y, p["x"], p["y"])).astype(np.float32)
    channel = {"red": 0, "green": 1, "blue": 2}[p["what"]]
    wide[..., channel : channel + 1] = moved(wide[..., channel : channel + 1], p["x"], p["y"])
    return wide.astype(np.float32)


def moved(plane: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """Moved right and down by parts of a pixel, the border repeated."""
    for axis, by in ((1, x), (0, y)):
        at = np.arange(plane.shape[axis]) - by
        low = np.floor(at).astype(int)
        part = np.expand_dims(at - low, (1, 2) if axis == 0 else (0, 2))
        last = plane.shape[axis] - 1
        first, second = (plane.take(np.clip(low + i, 0, last), axis=axis) for i in (0, 1))
        plane = first * (1 - part) + second * part
    return plane


def pixelate(image: Image, p: Mapping[str, Any]) -> Image:
    """Squares of `size` pixels in one colour: their mean, or the pixel in their middle for `how` "pick"."""
    size = p["size"]
    height, width = image.shape[:2]
    rows, columns = (np.minimum(np.arange(-(-side // size) * size), side - 1) for side in (height, width))
    whole = image[rows[:, None], columns[None, :]].astype(np.float64)  # whole squares, the border repeated
    if p["how"] == "pick":
        small = whole[size // 2 :: size, size // 2 :: size]
    else:  # sums in a fixed order
        down = sum(whole[i::size] for i in range(1, size)) + whole[::size]
        small = (sum(down[:, i::size] for i in range(1, size)) + down[:, ::size]) / size**2
    return small.repeat(size, axis=0).repeat(size, axis=1)[:height, :width].astype(np.float32)


def moire(image: Image, p: Mapping[str, Any]) -> Image:
    """The beat between the picture's pixels and a grid of lines `pitch` pixels apart, near 1 the widest.

    A photo of a screen, or a scan of a printed screen, samples a fine grid with pixels of almost the same size. In
    `channels` "colour" the three channels have their lines a third apart, as the subpixels of an LCD; `curve` bends
    the lines, as a lens does, by so many lines at the corners. After the LCD model of the AIM 2019 demoireing challenge
    (Yuan et al. 2019, arXiv:1911.02498).
    """
    height, width = image.shape[:2]
    y, x = (np.arange(side) - (side - 1) / 2 for side in (height, width))
    y, x = y[:, None], x[None, :]
    turn = np.deg2rad(p["angle"])
    lines = (x * np.cos(turn) + y * np.sin(turn)) / p["pitch"]
    lines = lines + p["curve"] * (x * x + y * y) / max(1.0, (height**2 + width**2) / 4)
    thirds = (0.0, 1 / 3, 2 / 3) if p["channels"] == "colour" else (0.0, 0.0, 0.0)
    grid = np.stack([0.5 - 0.5 * np.cos(2 * np.pi * (lines + third)) for third in thirds], axis=2)
    return (image * (1 - p["amount"] * grid)).astype(np.float32)
