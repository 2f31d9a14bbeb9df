"""Few colours, and how their lack is hidden: (H, W, 3) float32 in [0, 1] -> the same shape.

Ordered masks are Bayer's (1973, "An optimum method for two-level rendition of continuous-tone pictures") and blue noise
by void and cluster (Ulichney 1993, "The void-and-cluster method for dither array generation"). Error diffusion is
Floyd and Steinberg's (1976) and Bill Atkinson's of the Macintosh, which passes on three quarters of the error. All but
Pillow's Floyd-Steinberg run on sums in a fixed order, so every machine gets the same bits.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from .blur import Image
from .colour import from_levels, to_levels
from .noise import luma

Plane = NDArray[np.float64]

BLUE_SIDE, BLUE_SIGMA = 64, 1.9  # pixels; Ulichney found sigma 1.5 best for small masks, later work 1.9
# Where the error of a pixel goes: down, right, share.
DIFFUSIONS = {
    "floyd_steinberg": ((0, 1, 7 / 16), (1, -1, 3 / 16), (1, 0, 5 / 16), (1, 1, 1 / 16)),
    "atkinson": ((0, 1, 1 / 8), (0, 2, 1 / 8), (1, -1, 1 / 8), (1, 0, 1 / 8), (1, 1, 1 / 8), (2, 0, 1 / 8)),
}
ORDERED = ("bayer_2", "bayer_4", "bayer_8", "blue_noise")
METHODS = (*ORDERED, *DIFFUSIONS)
PALETTE_DITHERS = ("none", "floyd_steinberg", *ORDERED, "atkinson")


def banding(image: Image, p: Mapping[str, Any]) -> Image:
    """Each channel rounded to `levels` even levels; 256 is what 8 bits hold."""
    steps = np.float32(p["levels"] - 1)
    return (np.rint(np.clip(image, 0, 1) * steps) / steps).astype(np.float32, copy=False)


def palette(image: Image, p: Mapping[str, Any]) -> Image:
    """The picture in `colours` colours of its own, found by median cut, as a GIF has it."""
    picture = Pillow.fromarray(to_levels(image))
    table = picture.quantize(p["colours"], method=Pillow.Quantize.MEDIANCUT)
    method = p["dither"]
    colours = np.asarray(table.getpalette("RGB"), np.float64).reshape(-1, 3)[: p["colours"]]
    if method == "atkinson":
        return from_levels(_diffuse(to_levels(image).astype(np.float64), _nearest_of(colours), method).astype(np.uint8))
    if method in ORDERED:
        offset = (_tiled(mask(method), image.shape) - 0.5) * _spread(colours)
        picture = Pillow.fromarray(np.rint(np.clip(to_levels(image) + offset, 0, 255)).astype(np.uint8))
    how = Pillow.Dither.FLOYDSTEINBERG if method == "floyd_steinberg" else Pillow.Dither.NONE
    return from_levels(np.asarray(picture.quantize(palette=table, dither=how).convert("RGB")))


def dither(image: Image, p: Mapping[str, Any]) -> Image:
    """Each channel, or the luma for `ink` "grey", in `levels` even levels: 2 is black and white, as an old scan."""
    steps = p["levels"] - 1
    values = np.clip(luma(image) if p["ink"] == "grey" else image.astype(np.float64), 0, 1)
    if p["method"] in ORDERED:
        result = np.minimum(np.floor(values * steps + _tiled(mask(p["method"]), image.shape)), steps) / steps
    else:
        result = _diffuse(values, lambda wide: np.clip(np.rint(wide * steps), 0, steps) / steps, p["method"])
    return np.broadcast_to(result, image.shape).astype(np.float32)


def _diffuse(values: Plane, nearest: Callable[[Plane], Plane], method: str) -> Plane:
    """Each pixel of (H, W, C) takes its nearest value and passes the error on.

    Pixels with the same x + 2 y wait for the same neighbours, so a whole slanted line is done at once.
    """
    height, width, channels = values.shape
    # A border takes what leaves the picture; its result is cut away.
    wide = np.zeros((height + 2, width + 4, channels))
    wide[:height, 2 : width + 2] = values
    for front in range(width + 2 * height - 2):
        y = np.arange(max(0, (front - width + 2) // 2), min(height - 1, front // 2) + 1)
        x = front - 2 * y + 2
        old = wide[y, x]
        new = nearest(old)
        wide[y, x] = new
        error = old - new
        for down, right, share in DIFFUSIONS[method]:
            wide[y + down, x + right] += error * share
    return wide[:height, 2 : width + 2]


def _nearest_of(colours: Plane) -> Callable[[Plane], Plane]:
    """(N, 3) -> the nearest of `colours` (K, 3) to each; of equal ones the first."""

    def nearest(pixels: Plane) -> Plane:
        distance = np.zeros((len(pixels), len(colours)))
        for channel in range(3):
            distance += (pixels[:, channel, None] - colours[None, :, channel]) ** 2
        return colours[distance.argmin(axis=1)]

    return nearest


def _spread(colours: Plane) -> float:
    """How far an ordered dither may move each channel: as far as the nearest neighbour of the middle colour is."""
    distance = sum((colours[:, None, channel] - colours[None, :, channel]) ** 2 for channel in range(3))
    distance = np.where(distance > 0, distance, np.inf).min(axis=1)
    near = np.sqrt(distance[np.isfinite(distance)] / 3)
    return float(np.sort(near)[len(near) // 2]) if len(near) else 0.0


def mask(method: str) -> Plane:
    """Thresholds of an ordered dither, a square, each of (i + 0.5) / n once."""
    ranks = _void_and_cluster() if method == "blue_noise" else _bayer(int(method.removeprefix("bayer_")))
    return (ranks + 0.5) / ranks.size


def _tiled(square: Plane, shape: tuple[int, ...]) -> Plane:
    """(height, width, 1), repeated from the upper left corner."""
    height, width = shape[:2]
    side = len(square)
    return square[np.arange(height)[:, None] % side, np.arange(width)[None, :] % side][:, :, None]


def _bayer(side: int) -> NDArray[np.int64]:
    ranks = np.zeros((1, 1), np.int64)
    while len(ranks) < side:
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return ranks


@cache
def _void_and_cluster() -> NDArray[np.int64]:
    """Ranks of a blue noise mask that tiles, in whole numbers so that every machine finds the same."""
    side = BLUE_SIDE
    axis = np.minimum(np.arange(side), side - np.arange(side))
    energy = np.rint(np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * BLUE_SIGMA**2)) * 2**20).astype(np.int64)

    def around(place: int) -> NDArray[np.int64]:
        return np.roll(energy, divmod(place, side), axis=(0, 1))

    def tightest(on: NDArray[np.bool_], total: NDArray[np.int64]) -> int:
        return int(np.where(on, total, -1).argmax())

    def emptiest(on: NDArray[np.bool_], total: NDArray[np.int64]) -> int:
        return int(np.where(on, np.iinfo(np.int64).max, total).argmin())

    on = np.zeros((side, side), bool)
    total = np.zeros((side, side), np.int64)

    def switch(place: int, state: bool) -> None:
        on.flat[place] = state
        total[...] += around(place) if state else -around(place)

    for place in np.random.default_rng(0).choice(side * side, side * side // 10, replace=False):
        switch(int(place), True)
    while True:  # the tightest cluster moves into the largest void until it would move back
        cluster = tightest(on, total)
        switch(cluster, False)
        void = emptiest(on, total)
        switch(void, True)
        if void == cluster:
            break
    ranks = np.zeros((side, side), np.int64)
    first, kept = on.copy(), total.copy()
    count = int(on.sum())
    for rank in range(count - 1, -1, -1):
        place = tightest(on, total)
        ranks.flat[place] = rank
        switch(place, False)
    on[...], total[...] = first, kept
    for rank in range(count, side * side):
        place = emptiest(on, total)
        ranks.flat[place] = rank
        switch(place, True)
    return ranks
