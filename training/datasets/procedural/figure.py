"""A drawn head and shoulders as layers of areas and ink strokes, in the taste of anime."""

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, Points, bezier, curve, log_uniform, strip

__all__ = ["INK", "Layer", "figure", "placed"]

INK = "ink"


@dataclass(frozen=True)
class Layer:
    """A polygon (n, 2) in HR pixels; `role` names what it shows, `line` is its outline's width in HR pixels."""

    role: str
    points: Points
    line: float = 0.0


def placed(layers: list[Layer], centre: Points, size: float, turn: float, mirrored: bool) -> list[Layer]:
    """Layers in units of their own moved onto the canvas; their lines are in HR pixels already."""
    cos, sin = np.cos(turn) * size, np.sin(turn) * size
    matrix = np.array(((-cos if mirrored else cos, sin), (sin if mirrored else -sin, cos)))
    return [Layer(layer.role, layer.points @ matrix + centre, layer.line) for layer in layers]


def points(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, dtype=np.float64)


def stroke(path: Points, width: float, thin: float = 0.35) -> Points:
    """An open line as a polygon, thick in the middle: as a pen draws."""
    line = curve(path)
    swell = thin + (1 - thin) * np.sin(np.linspace(0, np.pi, len(line))) ** 0.7
    return strip(line[None], (width * swell)[None])[0]


def lock(root: Points, tip: Points, width: float, bend: float) -> Points:
    """A lock of hair from its root to its pointed tip, bent aside by `bend` of its length."""
    way = tip - root
    aside = np.array((-way[1], way[0])) * bend
    line = bezier(np.stack((root, root + way * 0.3 + aside, root + way * 0.7 + aside * 0.8, tip))[None], 20)
    t = np.linspace(0, 1, 20)
    return strip(line, (width * (0.55 + 0.9 * t) * (1 - t**2.2))[None])[0]


class Pen:
    """Collects layers: the outline's width is the same for all but for a little of chance."""

    def __init__(self, canvas: Canvas, size: float) -> None:
        self.rng = canvas.rng
        self.layers: list[Layer] = []
        self.line = log_uniform(canvas.rng, 0.5, 1.7) * canvas.scale
        self.unit = size  # HR pixels

    def area(self, role: str, outline: Points, weight: float = 1.0) -> None:
        self.layers.append(Layer(role, outline, self.line * weight))

    def ink(self, path: Points, weight: float = 1.0, role: str = INK) -> None:
        self.layers.append(Layer(role, stroke(path, self.line * weight / self.unit)))


def figure(canvas: Canvas) -> list[Layer]:
    """A head somewhere on the canvas, often larger than it; layers from the back to the front."""
    rng = canvas.rng
    size = canvas.size * log_uniform(rng, 0.22, 0.75)
    pen = Pen(canvas, size)
    turn = float(rng.uniform(-0.35, 0.35))
    long = rng.random() < 0.6
    _back_hair(pen, rng.uniform(1.3, 2.8) if long else 0.9)
    _body(pen)
    _face(pen, turn)
    high, tilt = rng.uniform(0.2, 0.36), rng.uniform(-0.12, 0.12)
    for side in (-1, 1):
        _eye(pen, side, turn, high, tilt)
    _mouth(pen, turn)
    _front_hair(pen, turn, long)
    if rng.random() < 0.4:
        _ornament(pen)
    centre = np.array((rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.65))) * canvas.size
    return placed(pen.layers, centre, size, float(rng.normal(0, 0.2)), bool(rng.random() < 0.5))


def _back_hair(pen: Pen, length: float) -> None:
    rng = pen.rng
    outline = points((0, -1.38), (0.8, -1.2), (1.2, -0.5), (1.18, 0.3), (1.0, length * 0.6), (0, length * 0.7))
    mirrored = (outline * (-1, 1))[-2:0:-1]
    pen.area("hair.back", curve(np.concatenate((outline, mirrored)), closed=True))
    for x in np.linspace(-1.05, 1.05, int(rng.integers(5, 9))) + rng.normal(0, 0.06, 1):
        root = np.array((x * 0.85, -0.3))
        tip = np.array((x * rng.uniform(1, 1.35), length * rng.uniform(0.85, 1.15)))
        pen.area("hair.back", lock(root, tip, rng.uniform(0.35, 0.6), rng.normal(0, 0.07)))


def _body(pen: Pen) -> None:
    rng = pen.rng
    neck = points((-0.28, 0.7), (0.28, 0.7), (0.3, 1.5), (-0.3, 1.5))
    pen.area("skin", neck)
    pen.area("skin.shade", curve(points((-0.28, 0.75), (0.28, 0.75), (0.26, 1.1), (0, 1.28), (-0.26, 1.15)), True), 0)
    wide = rng.uniform(1.3, 1.8)
    half = points((0.26, 1.28), (0.7, 1.45), (wide, 1.7), (wide * 1.15, 2.4), (wide * 1.2, 4.5))
    pen.area("cloth", np.concatenate((curve(half), curve(half)[::-1] * (-1, 1))))
    pen.area("cloth.shade", curve(points((wide * 0.6, 1.8), (wide * 0.95, 2.6), (wide, 4.4), (wide * 0.5, 3)), True), 0)
    for side in (-1, 1):
        collar = points((0.24, 1.25), (0.55, 1.4), (0.5, 1.75), (0.02, 2.1))
        pen.area("collar", collar * (side, 1))
        for _ in range(int(rng.integers(1, 4))):
            x, y = rng.uniform(0.3, 1.2), rng.uniform(1.8, 2.8)
            way = points((x, y), (x, y + 0.25), (x, y + 0.5))
            way[1:] += rng.normal(0, 0.25, (2, 2)).cumsum(0)
            pen.ink(way * (side, 1), 0.9)
    if rng.random() < 0.5:
        for side in (-1, 1):
            pen.area("accent", curve(points((0, 2.05), (0.5, 1.8), (0.6, 2.3)) * (side, 1), True))
        pen.area("accent", curve(points((-0.12, 1.95), (0.12, 1.95), (0.12, 2.2), (-0.12, 2.2)), True))


def _face(pen: Pen, turn: float) -> None:
    chin = pen.rng.uniform(1.0, 1.15)
    half = points((0.6, -0.8), (0.86, -0.15), (0.8, 0.32), (0.5, 0.78), (0.14, chin - 0.04))
    outline = np.concatenate((points((0, -1.0)), half, points((0, chin)), half[::-1] * (-1, 1)))
    outline[:, 0] += turn * 0.22 * np.clip(outline[:, 1], 0, 1)
    pen.area("skin", curve(outline, closed=True))
    shade = points((-0.85, -0.3), (-0.4, -0.05), (0, -0.16), (0.45, -0.02), (0.85, -0.3), (0.5, -0.9), (-0.5, -0.9))
    pen.area("skin.shade", curve(shade, closed=True), 0)


def _eye(pen: Pen, side: int, turn: float, high: float, tilt: float) -> None:
    rng = pen.rng
    x, y = side * 0.42 + turn * 0.4, 0.24
    wide = 0.26 * (1 - side * turn * 0.5)

    def at(outline: Points) -> Points:
        return outline * (side * wide, high) + (x, y)

    white = points((-0.95, 0.1), (-0.6, -0.75), (0.15, -0.95), (0.85, -0.5), (1, 0.1), (0.7, 0.8), (-0.5, 0.85))
    pen.area("eye", curve(at(white), closed=True), 0)
    circle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    disc = np.stack((np.cos(circle), np.sin(circle)), axis=1)
    look = np.array((turn * 0.5 * side, 0.02))
    pen.area("iris", at(disc * (0.62, 0.88) + look), 0.8)
    pen.area("iris.shade", at(disc * (0.5, 0.4) * (1, 1) + look + (0, -0.42)), 0)
    pen.area("pupil", at(disc * (0.28, 0.42) + look), 0)
    pen.area("iris.light", at(disc * (0.3, 0.2) + look + (0, 0.5)), 0)
    pen.area("glint", at(disc * (0.2, 0.24) + look + (-0.22 * side, -0.38)), 0)
    pen.area("glint", at(disc * (0.1, 0.12) + look + (0.25 * side, 0.35)), 0)
    lid = curve(at(points((-1.05, 0.12), (-0.65, -0.8), (0.15, -1.02), (0.9, -0.55), (1.15, 0.05))))
    swell = np.interp(np.linspace(0, 1, len(lid)), (0, 0.4, 0.8, 1), (0.02, 0.1, 0.13, 0.04))
    pen.layers.append(Layer(INK, strip(lid[None], swell[None])[0]))
    pen.ink(at(points((-0.45, 0.98), (0.2, 1.05), (0.75, 0.85))), 0.9)
    pen.ink(at(points((-0.8, -1.15), (0.1, -1.4), (0.9, -0.95))), 0.7)
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(0.4, 1.1)
        pen.ink(at(points((start, -0.55), (start + 0.2, -0.75), (start + 0.45, -1.0 - rng.random() * 0.2))), 1.3)
    brow = points((-0.95, -1.75 + tilt * 4), (0.1, -2.05), (1.0, -1.7 - tilt * 2))
    pen.ink(at(brow), 1.8, "brow" if rng.random() < 0.5 else INK)


def _mouth(pen: Pen, turn: float) -> None:
    rng = pen.rng
    x = turn * 0.45
    pen.ink(points((x + 0.01, 0.5), (x + 0.04, 0.55), (x - 0.01, 0.57)), 0.9)
    wide = rng.uniform(0.08, 0.24)
    if rng.random() < 0.45:
        deep = rng.uniform(0.08, 0.24)
        half = points((x - wide, 0.74), (x, 0.76), (x + wide, 0.73), (x + wide * 0.6, 0.74 + deep), (x, 0.76 + deep))
        pen.area("mouth", curve(half, closed=True))
    else:
        lift = rng.normal(0, 0.03)
        pen.ink(points((x - wide, 0.78 - lift), (x, 0.78 + lift), (x + wide, 0.78 - lift)), 1.2)
    if rng.random() < 0.4:
        for side in (-1, 1):
            for k in range(4):
                left = x + side * 0.55 + k * 0.07
                pen.ink(points((left, 0.5), (left - 0.03, 0.55), (left - 0.06, 0.6)), 0.6)


def _front_hair(pen: Pen, turn: float, long: bool) -> None:
    rng = pen.rng
    half = points((0.75, -1.18), (1.08, -0.6), (1.02, 0.05), (0.84, -0.35), (0.5, -0.72))
    cap = np.concatenate((points((0, -1.36)), half, points((0, -0.8)), half[::-1] * (-1, 1)))
    pen.area("hair", curve(cap, closed=True))
    for side in (-1, 1):
        root, tip = points(
            (side * 0.78, -0.75), (side * rng.uniform(0.85, 1.1), rng.uniform(1.1, 2.2 if long else 1.2))
        )
        pen.area("hair", lock(root, tip, rng.uniform(0.25, 0.42), side * rng.uniform(-0.12, 0.02)))
    count = int(rng.integers(4, 9))
    part = rng.uniform(-0.5, 0.5)
    order = rng.permutation(count)
    for k in order:
        x = -0.9 + 1.8 * (k + 0.5) / count + rng.normal(0, 0.05)
        root = np.array((part * 0.4 + x * 0.35, -1.25))
        tip = np.array((x * 1.02 + turn * 0.15, rng.uniform(-0.2, 0.2) + 0.25 * x * x))
        width = rng.uniform(1.3, 2.2) / count
        pen.area("hair", lock(root, tip, width, (x - part) * rng.uniform(-0.3, -0.1)))
        for _ in range(int(rng.integers(0, 3))):
            end = tip + rng.normal(0, 0.05, 2)
            line = bezier(
                np.stack((root, root + np.array((x * 0.3, 0.15)), tip + np.array((x * 0.1, -0.5)), end))[None]
            )
            pen.ink(line[0][3::4], 0.6)
    at = np.linspace(-0.75, 0.75, 15)
    arc = np.stack((at, -0.98 + 0.3 * at**2), axis=1)
    jag = rng.uniform(0.02, 0.16, 15)[:, None] * (0, 1)
    pen.area("hair.light", np.concatenate((arc - jag, (arc + jag * 0.9 + (0, 0.04))[::-1])), 0)


def _ornament(pen: Pen) -> None:
    """Ears of a cat, or a ribbon."""
    rng = pen.rng
    if rng.random() < 0.5:
        for side in (-1, 1):
            ear = points((0.35, -1.2), (0.55, -1.95), (0.75, -2.0), (1.0, -0.8)) * (side, 1)
            pen.area("hair", curve(ear, closed=True))
            pen.area("skin.shade", curve(ear * 0.7 + (side * 0.2, -0.38), closed=True), 0.6)
    else:
        x = rng.uniform(-0.9, 0.9)
        for side in (-1, 1):
            bow = points((0, 0), (0.45, -0.3), (0.5, 0.25)) * (side, 1) * rng.uniform(0.7, 1.3) + (x, -1.2)
            pen.area("accent", curve(bow, closed=True))
