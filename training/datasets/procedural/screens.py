"""Screens: how much ink a printed tone of some darkness puts on each pixel.

A screen repeats one spot over a turned lattice. A spot gives each place of its cell a value; ink covers the places with
the lowest values, as many as the darkness asks for. The share is taken from the sorted values of the cell, so the mean
grey follows the darkness whatever the spot's shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from .canvas import Canvas, Field, choose, log_uniform, noise

__all__ = ["LINES", "SPOTS", "Screen", "draw_screen", "sand", "screen"]

FINE = 2  # places looked at per pixel, each way
TABLE = 1024  # steps of darkness
BAND = 16  # rows at a time
ROOT3 = np.float32(3**0.5)

Spot = Callable[[Field, Field], Field]


def _round(u: Field, v: Field) -> Field:
    return np.sqrt(u * u + v * v)


def _hexagonal(u: Field, v: Field) -> Field:
    """Discs in rows, each row half a step on: the cell is two rows high, `v` counted in rows."""
    up, across = v * ROOT3, 0.5 - np.abs(u)
    return np.sqrt(np.minimum(u * u + up * up, across * across + np.square(ROOT3 / 2 - np.abs(up))))


def _ring(u: Field, v: Field) -> Field:
    return np.abs(_round(u, v) - np.float32(0.3))


def _flower(u: Field, v: Field) -> Field:
    return _round(u, v) * (1 - np.float32(0.28) * np.cos(5 * np.arctan2(v, u)))


def _star(u: Field, v: Field) -> Field:
    fifth = np.float32(2 * np.pi / 5)
    angle = np.arctan2(v, u) / fifth
    return _round(u, v) * (np.float32(0.55) + np.abs(angle - np.rint(angle)) * np.float32(0.9))


def _heart(u: Field, v: Field) -> Field:
    up = v * np.float32(1.1) - np.sqrt(np.abs(u) + np.float32(1e-4)) * np.float32(0.45) + np.float32(0.13)
    return np.sqrt(u * u + up * up)


# Places of a cell are given as u, v in [-0.5, 0.5]; the smaller the value, the sooner it is inked.
SPOTS: dict[str, Spot] = {
    "round": _round,
    "hexagonal": _hexagonal,
    "cosine": lambda u, v: 2 - np.cos(2 * np.float32(np.pi) * u) - np.cos(2 * np.float32(np.pi) * v),
    "diamond": lambda u, v: np.abs(u) + np.abs(v),
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)),
    "ellipse": lambda u, v: np.sqrt(u * u + np.float32(0.5) * v * v),
    "line": lambda u, v: np.abs(v) + np.float32(0) * u,
    "grid": lambda u, v: np.minimum(np.abs(u), np.abs(v)),
    "brick": lambda u, v: np.minimum(0.5 - np.abs(v), np.where(v > 0, np.abs(u), 0.5 - np.abs(u))),
    "ring": _ring,
    "flower": _flower,
    "star": _star,
    "heart": _heart,
}
LINES = ("line", "grid")


@cache
def _quantiles(spot: str) -> Field:
    """The value under which a share of the cell is, for shares from 0 to 1 in TABLE steps."""
    at = (np.arange(256, dtype=np.float32) + 0.5) / 256 - 0.5
    values = np.sort(SPOTS[spot](*np.meshgrid(at, at)).ravel()).astype(np.float32)
    found = np.interp(np.linspace(0, 1, TABLE + 1), np.linspace(0, 1, values.size), values).astype(np.float32)
    found[0], found[-1] = -1e3, 1e3  # no ink at all, and no hole at all
    return found


@cache
def _slope(spot: str) -> float:
    """How fast the value rises within a cell, per cell: the width of a soft edge follows from it."""
    at = (np.arange(256, dtype=np.float32) + 0.5) / 256 - 0.5
    rows, columns = np.gradient(SPOTS[spot](*np.meshgrid(at, at)))
    return float(np.median(np.hypot(rows, columns)) * 256)


@dataclass(frozen=True)
class Screen:
    """A spot by name, its pitch in HR pixels, the lattice's angle in radians and where it begins, in cells."""

    spot: str
    pitch: float
    angle: float = 0.0
    phase: tuple[float, float] = (0.0, 0.0)
    wave: float = 0.0  # lines swing so many cells to both sides


def draw_screen(canvas: Canvas, spots: dict[str, float], low: float = 2.3, high: float = 7) -> Screen:
    """A screen of one of the spots, of `low` to `high` LR pixels a cell."""
    rng = canvas.rng
    spot = choose(rng, spots)
    angle = np.pi / 4 if rng.random() < 0.35 else np.deg2rad(rng.choice((0, 15, 30, 60, 75)))
    if rng.random() < 0.4:
        angle = rng.uniform(0, np.pi)
    wave = rng.uniform(0.1, 0.5) if spot == "line" and rng.random() < 0.2 else 0.0
    pitch = min(log_uniform(rng, low, high) for _ in range(2)) * canvas.scale  # fine ones more often
    return Screen(spot, pitch, float(angle), (float(rng.random()), float(rng.random())), wave)


def screen(size: int, which: Screen, darkness: Field | float) -> Field:
    """Ink on each pixel, (size, size) in [0, 1]; its mean is the darkness (0 to 1, one for all or a field)."""
    table = _quantiles(which.spot)
    sharp = np.float32(which.pitch * FINE / _slope(which.spot))
    steps = np.clip(np.asarray(darkness, np.float32) * TABLE + np.float32(0.5), 0, TABLE).astype(np.intp)
    edge = table[steps] * sharp + np.float32(0.5)
    cos, sin = np.cos(which.angle) / which.pitch, np.sin(which.angle) / which.pitch
    at = (np.arange(size * FINE) + 0.5) / FINE
    # Cells are counted along x and along y, then added: a band of rows at a time, so that it fits the cache.
    ux, uy = (at * cos).astype(np.float32), (at * sin + which.phase[0])[:, None].astype(np.float32)
    vx, vy = (at * -sin).astype(np.float32), (at * cos + which.phase[1])[:, None].astype(np.float32)
    if which.spot == "hexagonal":
        vx, vy = vx / ROOT3, vy / ROOT3
    ink = np.empty((size, size), np.float32)
    for top in range(0, size, BAND):
        rows = slice(top * FINE, (top + BAND) * FINE)
        u, v = ux + uy[rows], vx + vy[rows]
        if which.wave:
            v += np.float32(which.wave) * np.sin(u * np.float32(0.8))
        u -= np.rint(u)
        v -= np.rint(v)
        values = SPOTS[which.spot](u, v)
        values *= -sharp
        values += edge if edge.ndim == 0 else edge[top : top + BAND].repeat(FINE, axis=0).repeat(FINE, axis=1)
        np.clip(values, 0, 1, out=values)
        ink[top : top + BAND] = pooled(values)
    return ink


def pooled(field: Field) -> Field:
    """(FINE h, FINE w) -> (h, w), the mean of each block."""
    rows = field[0::2] + field[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


def sand(rng: np.random.Generator, size: int, pitch: float, darkness: float) -> Field:
    """Irregular grains some `pitch` HR pixels apart, covering the share `darkness`."""
    field = noise(rng, size * FINE, pitch * FINE * 0.6)
    edge = np.quantile(field[::3, ::3], darkness)
    return pooled(np.clip((np.float32(edge) - field) * np.float32(pitch * FINE * 0.3) + np.float32(0.5), 0, 1))
