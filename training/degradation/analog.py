"""Analogue video: fields, the composite signal and the tape. (H, W, 3) float32 -> the same shape.

One pixel is one sample of a line, as of a DVD or a capture (13.5 MHz, ITU-R BT.601). Filters are sums in a fixed order.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blur import Image
from .chroma import Plane, from_ycc, to_ycc
from .colour import moved

# Cycles that the colour carrier gains from line to line, after how many lines it is the other way round, and whether
# V changes its sign on every other line: SMPTE 170M and ITU-R BT.470 (Poynton 2012, "Digital Video and HD").
SYSTEMS = {"ntsc": (0.5, 1, False), "pal": (0.75, 2, True)}
# Sigmas in cycles of the carrier: of the filters that share out luma and chroma, and of the encoder's chroma.
SPLIT, ENCODED = 0.6, 0.35

TEAR = 0.06  # of the width: how far the lines at the head switch are torn
DROPOUT = (8, 64)  # pixels that a dropout lasts


def interlace(image: Image, p: Mapping[str, Any]) -> Image:
    """Every other line is of another moment, when the picture was `motion_x`, `motion_y` pixels off.

    `shown` "weave" shows both as they are: combs. "blend" is a deinterlacer that mixes each line with the next;
    "bob" draws the lines of the `field` anew from their neighbours. The lines of the other field stay.
    """
    first = 1 if p["field"] == "odd" else 0
    if p["shown"] == "bob":
        wide = np.pad(image.astype(np.float64), ((1, 1), (0, 0), (0, 0)), mode="reflect" if len(image) > 1 else "edge")
        result = image.copy()
        result[first::2] = ((wide[:-2] + wide[2:]) / 2)[first::2]
        return result
    woven = image.astype(np.float64)
    woven[first::2] = moved(woven, p["motion_x"], p["motion_y"])[first::2]
    if p["shown"] == "blend":
        woven = (woven + np.concatenate((woven[1:], woven[-1:]))) / 2
    return woven.astype(np.float32)


def composite(image: Image, p: Mapping[str, Any]) -> Image:
    """Luma and chroma sent through one signal and taken apart again: dot crawl and rainbows.

    Chroma rides on a carrier of `period` pixels a cycle (3.77 of NTSC, 3.05 of PAL, where a line has 720 pixels). What
    the decoder leaves of it in luma is dots along the edges of colours, mixed in by `dot_crawl`; what it takes of luma
    for chroma is rainbows over fine lines, mixed in by `rainbow`. `separation` "notch" filters along the line, "comb"
    also takes the difference of lines whose carriers are opposite, which leaves dots on horizontal edges alone.
    `phase` is the carrier's at the first pixel, in cycles: it differs from frame to frame.
    """
    if not p["dot_crawl"] and not p["rainbow"]:
        return image
    per_line, opposite, alternates = SYSTEMS[p["system"]]
    y, cb, cr = to_ycc(image)
    height, width = y.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    angle = 2 * np.pi * (columns / p["period"] + per_line * rows + p["phase"])
    sine, cosine = np.sin(angle), np.cos(angle)
    if alternates:
        cosine = cosine * (1 - 2 * (rows % 2))
    low = gaussian_taps(ENCODED * p["period"])
    signal = y + filtered(cb, low) * sine + filtered(cr, low) * cosine
    kept = signal
    if p["separation"] == "comb" and height > opposite:
        above = np.concatenate((signal[opposite : 2 * opposite], signal))[:height]  # the first lines take those below
        kept = (signal - above) / 2
    split = gaussian_taps(SPLIT * p["period"])
    carrier = filtered(kept, _band(split, p["period"]))
    found = (filtered(2 * carrier * wave, split) for wave in (sine, cosine))
    cb, cr = (old + p["rainbow"] * (new - old) for old, new in zip((cb, cr), found, strict=True))
    return from_ycc(y + p["dot_crawl"] * (signal - carrier - y), cb, cr)


def vhs(image: Image, p: Mapping[str, Any]) -> Image:
    """What a cassette leaves of a line, and what its tape and heads add.

    VHS keeps some 240 lines of luma and 40 of chroma, written under the luma at 629 kHz (IEC 60774-1; the list of
    damage follows ntsc-rs and its forerunners ntscqt and composite-video-simulator). `luma_blur` and `chroma_blur` are
    sigmas in pixels, `chroma_x` and `chroma_y` how late the chroma is, `ringing` the recorder's peaking, `jitter` the
    deviation of a line's start, `noise` and `chroma_noise` in levels of 255 (streaks and blotches), `dropouts` white
    streaks in 100 lines, `head_switch` the share of the height that is torn at the bottom.
    """
    height, width = image.shape[:2]
    y, cb, cr = to_ycc(image)

    def random(part: int) -> "np.random.Generator":  # one for each kind of damage: less of one leaves the others
        return np.random.default_rng(np.random.SeedSequence(p["seed"], spawn_key=(part,)))

    soft = filtered(y, gaussian_taps(p["luma_blur"]))
    y = soft + p["ringing"] * (soft - filtered(soft, gaussian_taps(1.0 + p["luma_blur"])))
    chroma = np.stack([filtered(plane, gaussian_taps(p["chroma_blur"])) for plane in (cb, cr)], axis=2)
    chroma = moved(chroma, p["chroma_x"], p["chroma_y"])
    y = y + _noise(random(0), height, width, 0.7) * (p["noise"] / 255)
    blotches = [_noise(random(part), height, width, 1 + p["chroma_blur"]) for part in (1, 2)]
    chroma = chroma + np.stack(blotches, axis=2) * (p["chroma_noise"] / 255)
    y = _with_dropouts(y, p["dropouts"], random(3))
    wander = random(4).standard_normal((2, height))
    slow = filtered(wander[:1], gaussian_taps(4.0))[0] * 3
    late = p["jitter"] * (0.5 * wander[1] + slow)
    torn = round(height * p["head_switch"])
    if torn:
        down = np.arange(1, torn + 1) / torn
        late[height - torn :] += width * TEAR * down * down * (1 if random(5).random() < 0.5 else -1)
    planes = np.concatenate((y[:, :, None], chroma), axis=2)
    y, cb, cr = np.moveaxis(_lines_moved(planes, late) if late.any() else planes, 2, 0)
    return from_ycc(y, cb, cr)


def _with_dropouts(y: Plane, rate: float, random: "np.random.Generator") -> Plane:
    """`rate` white streaks in 100 lines, each fading out."""
    height, width = y.shape
    y = y.copy()
    for _ in range(int(random.poisson(rate * height / 100))):
        row, left, length = int(random.integers(height)), int(random.integers(width)), int(random.integers(*DROPOUT))
        part = y[row, left : left + length]
        share = 1 - np.arange(len(part)) / length
        part += share * (1 - part)
    return y


def _noise(random: "np.random.Generator", height: int, width: int, sigma: float) -> Plane:
    """Normal noise of deviation 1, alike over `sigma` pixels of a line."""
    taps = gaussian_taps(sigma)
    wide = random.standard_normal((height, width + len(taps) - 1))
    reach = len(taps) // 2
    smooth = filtered(wide, taps)[:, reach : reach + width]
    return smooth / np.sqrt(sum(float(tap) ** 2 for tap in taps))


def _lines_moved(planes: Plane, by: NDArray[np.float64]) -> Plane:
    """Each line of (H, W, C) moved right by its own number of pixels, the border repeated."""
    height, width = planes.shape[:2]
    at = np.arange(width)[None, :] - by[:, None]
    low = np.floor(at).astype(int)
    part = (at - low)[:, :, None]
    rows = np.arange(height)[:, None]
    first, second = (planes[rows, np.clip(low + i, 0, width - 1)] for i in (0, 1))
    return first * (1 - part) + second * part


def gaussian_taps(sigma: float) -> list[float]:
    """A Gaussian of `sigma` pixels, an odd number of taps that sum to 1; [1] for 0."""
    reach = int(np.ceil(3 * sigma))
    weights = [float(np.exp(-0.5 * (i / sigma) ** 2)) if sigma else 1.0 for i in range(-reach, reach + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _band(taps: list[float], period: float) -> list[float]:
    """The low pass moved to the carrier, without what it lets through of a flat line."""
    reach = len(taps) // 2
    band = [2 * tap * float(np.cos(2 * np.pi * (i - reach) / period)) for i, tap in enumerate(taps)]
    flat = sum(band)
    return [value - flat * tap for value, tap in zip(band, taps, strict=True)]


def filtered(plane: Plane, taps: list[float]) -> Plane:
    """Each line of (H, W) with a symmetric filter, the border repeated."""
    if len(taps) == 1:
        return plane
    reach, width = len(taps) // 2, plane.shape[1]
    padded = np.pad(plane, ((0, 0), (reach, reach)), mode="edge")
    result = taps[0] * padded[:, :width]
    for i, tap in enumerate(taps[1:], 1):
        result += tap * padded[:, i : i + width]
    return result
