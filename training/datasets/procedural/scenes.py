"""Drawings as areas and ink: a figure, things that overlap, a street; and their ways onto the canvas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .canvas import SS, THIN, Canvas, Field, Picture, Points, bezier, blob, choose, curve, log_uniform, strip
from .figure import INK, Layer, figure

__all__ = ["Areas", "cover", "draw_areas", "draw_scene", "painted"]

GROUND = "ground"


@dataclass(frozen=True)
class Areas:
    """Which role each place has: `ids` is (SS * size, SS * size), `roles` names the numbers; 0 is the ground."""

    ids: Image.Image
    roles: tuple[str, ...]


def draw_scene(canvas: Canvas, weights: Mapping[str, float] | None = None) -> list[Layer]:
    """Layers of one of SCENES, from the back to the front."""
    return SCENES[choose(canvas.rng, weights or {"figure": 5, "things": 3, "street": 1.5})](canvas)


def _things(canvas: Canvas) -> list[Layer]:
    """Blobs, leaves, folds and stars of any size, each with its outline and some of them with inner lines."""
    rng, size = canvas.rng, canvas.size
    line = log_uniform(rng, 0.5, 1.8) * canvas.scale
    layers = []
    for k in range(int(rng.integers(6, 24))):
        centre = rng.uniform(-0.05, 1.05, 2) * size
        radius = size * log_uniform(rng, 0.06, 0.45)
        form = choose(rng, {"blob": 3, "leaf": 2, "star": 1, "fold": 2, "disc": 1})
        role = f"thing{rng.integers(5)}"
        if form == "fold":
            path = curve(centre + rng.normal(0, radius, (4, 2)).cumsum(0))
            widths = np.interp(np.linspace(0, 1, len(path)), np.linspace(0, 1, 4), rng.uniform(0.1, 0.6, 4)) * radius
            layers.append(Layer(role, strip(path[None], widths[None])[0], line))
            continue
        outline = _outline(rng, form, centre, radius)
        layers.append(Layer(role, outline, line))
        layers.append(Layer(f"{role}.shade", centre + (outline - centre) * 0.6 + radius * 0.15, 0))
        if k % 2:
            layers.append(Layer(INK, _vein(rng, centre, radius, line)))
    return layers


def _outline(rng: np.random.Generator, form: str, centre: Points, radius: float) -> Points:
    if form == "blob":
        return blob(rng, centre, radius, rng.uniform(0.1, 0.6))
    if form == "leaf":
        way = np.array((np.cos(a := rng.uniform(0, 6.3)), np.sin(a))) * radius
        path = bezier(
            np.stack((centre - way, centre - way * 0.3 + way[::-1] * 0.3, centre + way * 0.3, centre + way))[None]
        )
        return strip(path, (radius * 0.8 * np.sin(np.linspace(0, np.pi, path.shape[1])) ** 0.8)[None])[0]
    corners = int(rng.integers(5, 9)) if form == "star" else 24
    angle = np.linspace(0, 2 * np.pi, 2 * corners, endpoint=False) + rng.uniform(0, 6.3)
    out = np.where(np.arange(2 * corners) % 2, rng.uniform(0.4, 0.8) if form == "star" else 1, 1) * radius
    return centre + np.stack((np.cos(angle), np.sin(angle)), axis=1) * out[:, None]


def _vein(rng: np.random.Generator, centre: Points, radius: float, line: float) -> Points:
    path = curve(centre + rng.normal(0, radius * 0.3, (4, 2)).cumsum(0) - radius * 0.3)
    return strip(path[None], (line * np.sin(np.linspace(0.1, 3.1, len(path))))[None], THIN)[0]


def _street(canvas: Canvas) -> list[Layer]:
    """House fronts with windows, bricks and wires: straight lines, some of them nearly level or upright."""
    rng, size = canvas.rng, canvas.size
    line = log_uniform(rng, 0.4, 1.2) * canvas.scale
    turn = rng.normal(0, 0.06)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array(((cos, sin + rng.normal(0, 0.05)), (-sin, cos)))
    layers: list[Layer] = []

    def box(role: str, x: float, y: float, wide: float, high: float, weight: float = 1.0) -> None:
        corners = np.array(((x, y), (x + wide, y), (x + wide, y + high), (x, y + high)))
        layers.append(Layer(role, (corners - size / 2) @ matrix + size / 2, line * weight))

    x = -0.2 * size
    while x < 1.1 * size:
        wide, top = rng.uniform(0.2, 0.55) * size, rng.uniform(-0.1, 0.6) * size
        wall = f"thing{rng.integers(4)}"
        box(wall, x, top, wide, 1.4 * size)
        box(f"{wall}.shade", x + wide * 0.85, top, wide * 0.15, 1.4 * size, 0)
        box("thing4", x - wide * 0.04, top - size * 0.03, wide * 1.08, size * 0.04)
        columns, floor = int(rng.integers(2, 6)), size * rng.uniform(0.07, 0.2)
        pane, panes = wide / columns * rng.uniform(0.4, 0.7), int(rng.integers(1, 4))
        y = top + floor * 0.4
        while y < 1.1 * size:
            for column in range(columns):
                left = x + wide / columns * (column + 0.5) - pane / 2
                box("glass", left, y, pane, floor * 0.6, 0.8)
                for k in range(1, panes):
                    box(INK, left + pane * k / panes, y, line * 0.4, floor * 0.6, 0)
            y += floor
        if rng.random() < 0.4:
            for y in np.arange(top, size, size * 0.03)[: int(rng.integers(5, 30))]:
                box(INK, x, y, wide, line * 0.3, 0)
        x += wide * rng.uniform(0.9, 1.3)
    for _ in range(int(rng.integers(0, 5))):
        y, end, sag = *rng.uniform(0, 0.6, 2) * size, rng.uniform(0, 0.2) * size
        wire = bezier(np.array(((0, y), (size * 0.3, y + sag), (size * 0.7, end + sag), (size, end)))[None], 24)
        layers.append(Layer(INK, strip(wire, np.full((1, 24), line * 0.7))[0]))
    return layers


SCENES: dict[str, Callable[[Canvas], list[Layer]]] = {"figure": figure, "things": _things, "street": _street}


def draw_areas(size: int, layers: list[Layer], ss: int = SS) -> Areas:
    """Every place's role, the front layer's; outlines are INK, over their own area and what is behind it."""
    roles = [GROUND, INK]
    sheet = Image.new("P", (size * ss, size * ss))
    drawing = ImageDraw.Draw(sheet)
    for layer in layers:
        if layer.role not in roles:
            roles.append(layer.role)
        points = layer.points * ss - 0.5
        outline = points.reshape(-1).tolist()
        drawing.polygon(outline, fill=roles.index(layer.role))
        if layer.line:
            width = max(1, round(layer.line * ss))
            drawing.line([*outline, *outline[:2]], fill=1, width=width)
            for x, y in _corners(points).tolist() if width > 2 else ():
                drawing.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=1)
    return Areas(sheet, tuple(roles))


def _corners(points: Points) -> Points:
    """The points at which a closed outline turns by more than half a radian or so: a line leaves notches there."""
    step = np.concatenate((points[1:], points[:1])) - points
    back = np.concatenate((step[-1:], step[:-1]))
    straight = (step * back).sum(1)
    return points[straight < 0.85 * np.sqrt((step * step).sum(1) * (back * back).sum(1))]


def cover(areas: Areas, roles: set[str], ss: int = SS) -> Field:
    """How much of each pixel these roles cover, (size, size) in [0, 1]."""
    table = [255 * (k < len(areas.roles) and areas.roles[k] in roles) for k in range(256)]
    plane = Image.fromarray(np.asarray(areas.ids)).point(table)
    return np.asarray(plane.reduce(ss), dtype=np.float32) / np.float32(255)


def painted(areas: Areas, colours: Mapping[str, Points], ss: int = SS) -> Picture:
    """Each role in its colour (3,) in [0, 1], reduced by `ss`: (size, size, 3) if the areas were drawn with the same.

    With 1 nothing is reduced: the edges are bare steps.
    """
    table = np.zeros((256, 3), dtype=np.uint8)
    for k, role in enumerate(areas.roles):
        table[k] = np.rint(np.clip(colours[role], 0, 1) * 255)
    sheet = areas.ids.copy()
    sheet.putpalette(table.tobytes())
    picture = sheet.convert("RGB")
    return np.asarray(picture.reduce(ss) if ss > 1 else picture)
