"""Colours for drawings: pairs with contrast, and palettes for the roles of a scene."""

import colorsys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .canvas import choose

__all__ = ["Colour", "draw_colour", "draw_pair", "luma", "palette"]

Colour = NDArray[np.floating]  # (3,) in [0, 1], float32

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
BLACK, WHITE = np.zeros(3, np.float32), np.ones(3, np.float32)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    return np.array(colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1)), dtype=np.float32)


def luma(colour: Colour) -> float:
    return float(colour @ LUMA)


def draw_colour(rng: np.random.Generator) -> Colour:
    """Any colour: pastel, vivid, deep or grey."""
    form = choose(rng, {"pastel": 2, "vivid": 2, "any": 3, "grey": 1})
    if form == "any":
        return rng.random(3, dtype=np.float32)
    hue = rng.random()
    if form == "grey":
        return hsv(hue, rng.uniform(0, 0.1), rng.random())
    low, high = ((0.1, 0.4), (0.8, 1)) if form == "pastel" else ((0.6, 1), (0.4, 1))
    return hsv(hue, rng.uniform(*low), rng.uniform(*high))


def draw_pair(rng: np.random.Generator, plain: float = 0.35, contrast: float = 0.25) -> tuple[Colour, Colour]:
    """Two colours in any order: black and white with the chance `plain`, else two that differ by `contrast`."""
    if rng.random() < plain:
        pair = (BLACK, WHITE)
    else:
        one, other = draw_colour(rng), draw_colour(rng)
        if rng.random() < 0.3:
            other = BLACK if luma(one) > 0.5 else WHITE
        while np.abs(one - other).max() < contrast:
            other = draw_colour(rng)
        pair = (one, other)
    return pair if rng.random() < 0.5 else (pair[1], pair[0])


# role: hue, saturation, value, each as (lowest, highest); None: the scene's own hue
ROLES: dict[str, tuple[tuple[float, float] | None, tuple[float, float], tuple[float, float]]] = {
    "skin": ((0.03, 0.09), (0.1, 0.45), (0.75, 1.0)),
    "eye": ((0.55, 0.7), (0.0, 0.05), (0.9, 1.0)),
    "pupil": ((0, 1), (0.1, 0.5), (0.05, 0.2)),
    "glint": ((0, 1), (0, 0), (1, 1)),
    "mouth": ((0.95, 1.0), (0.4, 0.7), (0.4, 0.8)),
    "brow": (None, (0.3, 0.7), (0.2, 0.5)),
    "glass": ((0.5, 0.62), (0.1, 0.5), (0.4, 1.0)),
}
ANY: tuple[tuple[float, float], tuple[float, float]] = ((0.05, 0.85), (0.2, 1.0))


def palette(rng: np.random.Generator, roles: Iterable[str], ink: float = 0.12) -> dict[str, Colour]:
    """A colour for each role. "x.shade" and "x.light" are x's, darker and lighter; ink is under `ink`."""
    own = rng.random()
    found: dict[str, Colour] = {}
    bases: dict[str, tuple[float, float, float]] = {}
    for role in roles:
        base, _, part = role.partition(".")
        if base == "ink":
            found[role] = hsv(rng.random(), rng.uniform(0, 0.8), ink * rng.random())
            continue
        if base not in bases:
            hues, saturations, values = ROLES.get(base, (None, *ANY))
            hue = rng.uniform(*hues) if hues else own + choose_shift(rng)
            bases[base] = (hue, rng.uniform(*saturations), rng.uniform(*values))
        hue, saturation, value = bases[base]
        if part in ("shade", "back"):
            found[role] = hsv(hue - 0.03, saturation * 1.25 + 0.05, value * rng.uniform(0.6, 0.85))
        elif part == "light":
            found[role] = hsv(hue + 0.02, saturation * 0.6, value * 0.5 + 0.5)
        else:
            found[role] = hsv(hue, saturation, value)
    return found


def choose_shift(rng: np.random.Generator) -> float:
    """A hue near the scene's, its opposite, or any."""
    return float(
        rng.normal(0, 0.05)
        + {"near": 0, "opposite": 0.5, "any": rng.random()}[choose(rng, {"near": 3, "opposite": 1, "any": 2})]
    )
