"""Hair and pen work: bundles of tapered strokes, hatching, lines of speed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .canvas import (
    SS,
    THIN,
    Canvas,
    Field,
    Picture,
    Points,
    bezier,
    choose,
    fill,
    log_uniform,
    mix,
    ramp,
    strip,
    strokes,
    to_levels,
)
from .colours import BLACK, WHITE, Colour, draw_colour, draw_pair, hsv, palette
from .scenes import INK, cover, draw_areas, draw_scene, painted

__all__ = ["hair", "hatching", "pen_drawing"]


def taper(t: NDArray[np.floating], root: float, tip: float) -> NDArray[np.floating]:
    """Width along a stroke, 1 at most: it swells within the share `root` and thins out over the last `tip`."""
    return np.clip(t / max(root, 1e-3), 0.12, 1) * np.clip((1 - t) / max(tip, 1e-3), 0.02, 1) ** 0.8


def bundle(rng: np.random.Generator, guides: Points, count: int, mess: float) -> Points:
    """`count` cubic curves (count, 4, 2) between the guides (g, 4, 2), which are neighbours in order.

    They are shaken by `mess` HR pixels, the more the nearer to the tip.
    """
    place = np.sort(rng.random(count)) * (len(guides) - 1)
    low = np.minimum(place.astype(int), len(guides) - 2)
    share = (place - low)[:, None, None]
    lines = guides[low] * (1 - share) + guides[low + 1] * share
    shake = rng.normal(0, mess, (count, 1, 2)) * np.array((0.2, 0.5, 0.8, 1.2))[None, :, None]
    return lines + shake + rng.normal(0, mess * 0.4, (count, 4, 2))


def _guides(canvas: Canvas, count: int = 4) -> Points:
    """Curves side by side that run through the canvas, (count, 4, 2): as hair falls, waves or is parted."""
    rng, size = canvas.rng, canvas.size
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
    length, width = size * rng.uniform(1.1, 1.8), size * rng.uniform(0.25, 1.1)
    # The tips lie on the canvas or behind it, the roots outside: hair does not begin in the air.
    middle = rng.uniform(0.3, 0.7, 2) * size + along * (size * rng.uniform(0.1, 0.7) - length / 2)
    gather, bend = rng.uniform(0.1, 1.2), rng.normal(0, 0.25, 2)
    at = np.linspace(-0.5, 0.5, count)
    lines = np.empty((count, 4, 2))
    for k, t in enumerate((-0.5, -0.17, 0.17, 0.5)):
        spread = width * (gather + (1 - gather) * (k / 3))
        swing = (bend[0] * (k == 1) + bend[1] * (k == 2)) * length
        lines[:, k] = middle + along * length * t + across * (at[:, None] * spread + swing)
    return lines + rng.normal(0, size * 0.05, lines.shape)


def hair(canvas: Canvas) -> Picture:
    """Locks over one another, each filled, shaded along its strands, with a band of light and loose hairs."""
    rng, size = canvas.rng, canvas.size
    hue, saturation, value = rng.random(), rng.uniform(0.0, 0.85), rng.uniform(0.15, 1)
    base = hsv(hue, saturation, value)
    dark, light = hsv(hue - 0.04, saturation * 1.2, value * 0.45), hsv(hue + 0.03, saturation * 0.45, value * 0.4 + 0.6)
    sheet = _ground(canvas)
    drawing = ImageDraw.Draw(sheet)
    outline = log_uniform(rng, 0.3, 1.1) * canvas.scale if rng.random() < 0.75 else 0.0
    ink = tuple(_levels(dark * np.float32(rng.uniform(0.1, 0.8))))
    soft = rng.random() < 0.5  # many fine strands as in paintings; else a few clear ones as in cels
    for _ in range(int(rng.integers(1, 4))):
        guides = _guides(canvas)
        pieces = int(rng.integers(2, 6))
        for k in rng.permutation(pieces):
            edge = np.array((k, k + 1)) / pieces * (len(guides) - 1)
            pair = np.stack([_between(guides, place) for place in edge])
            _lock(canvas, drawing, pair, (base, dark, light), outline, ink, soft)
        if rng.random() < 0.7:
            loose = bundle(rng, guides, int(rng.integers(4, 30)), size * rng.uniform(0.01, 0.05))
            _draw(canvas, drawing, loose, 0.15, 0.5, [ink if rng.random() < 0.5 else tuple(_levels(base))] * len(loose))
    return np.asarray(sheet.reduce(SS))


def _levels(colour: NDArray[np.floating]) -> list[int]:
    return np.rint(np.clip(colour, 0, 1) * 255).astype(int).tolist()


def _between(guides: Points, place: float) -> Points:
    low = min(int(place), len(guides) - 2)
    return guides[low] + (guides[low + 1] - guides[low]) * (place - low)


def _ground(canvas: Canvas) -> Image.Image:
    """Behind the hair, SS times as large: a flat colour, a gradient, or skin and cloth."""
    rng, size = canvas.rng, canvas.size
    if rng.random() < 0.35:
        areas = draw_areas(size, draw_scene(canvas))
        return Image.fromarray(painted(areas, palette(rng, areas.roles), 1))
    first, last = (WHITE, WHITE) if rng.random() < 0.3 else (draw_colour(rng), draw_colour(rng))
    light = to_levels(mix(first, last, ramp(rng, size)), rng)
    return Image.fromarray(light).resize((size * SS, size * SS), Image.Resampling.NEAREST)


def _lock(
    canvas: Canvas,
    drawing: ImageDraw.ImageDraw,
    edges: Points,
    colours: tuple[Colour, Colour, Colour],
    outline: float,
    ink: tuple[int, ...],
    soft: bool,
) -> None:
    """One lock between two curves (2, 4, 2) that meet at its tip."""
    rng = canvas.rng
    base, dark, light = colours
    tip = edges[:, 3].mean(axis=0) + rng.normal(0, canvas.size * 0.02, 2)
    edges = edges.copy()
    edges[:, 3] = tip
    sides = bezier(edges, 24)
    shape = np.concatenate((sides[0], sides[1][::-1]))
    tint = base * np.float32(rng.uniform(0.85, 1.1))
    strokes(drawing, shape[None], [tuple(_levels(tint))])
    count = int(rng.integers(20, 60)) if soft else int(rng.integers(3, 12))
    lines = bundle(rng, edges, count, canvas.size * 0.004)
    share = rng.random(count).astype(np.float32)[:, None]
    bright = rng.random((count, 1)) < 0.4
    tones = np.where(bright, tint + (light - tint) * share * np.float32(0.6), tint + (dark - tint) * share)
    fills = [tuple(tone) for tone in np.rint(np.clip(tones, 0, 1) * 255).astype(int).tolist()]
    _draw(canvas, drawing, lines, 0.25 if soft else 0.3, 1.1, fills)
    if rng.random() < 0.6:  # the band of light: short strokes at the same height of every strand
        shine = bundle(rng, edges, int(rng.integers(6, 30)), canvas.size * 0.004)
        start, long = rng.uniform(0.15, 0.5), rng.uniform(0.05, 0.2)
        paths = bezier(shine, 48)
        starts = np.clip((start + rng.normal(0, 0.03, len(shine))) * 48, 0, 30).astype(int)
        steps = max(4, int(long * 48))
        cut = paths[np.arange(len(shine))[:, None], starts[:, None] + np.arange(steps)[None, :]]
        widths = rng.uniform(0.5, 1.6, (len(shine), 1)) * canvas.scale * np.sin(np.linspace(0.15, 3, steps))
        strokes(drawing, strip(cut, widths, THIN), [tuple(_levels(light))] * len(shine))
    if outline:
        t = np.linspace(0, 1, 24)
        widths = outline * np.stack([taper(t, 0.3, 0.3) * 0.7 + 0.3] * 2)
        strokes(drawing, strip(sides, widths, THIN), [ink, ink])


def _draw(
    canvas: Canvas, drawing: ImageDraw.ImageDraw, lines: Points, low: float, high: float, fills: list[tuple[int, ...]]
) -> None:
    """Tapered strokes of `low` to `high` LR pixels across."""
    rng = canvas.rng
    widths = np.exp(rng.uniform(np.log(low), np.log(high), (len(lines), 1))) * canvas.scale
    t = np.linspace(0, 1, 14)
    widths = widths * taper(t, rng.uniform(0.05, 0.4), rng.uniform(0.3, 1))
    strokes(drawing, strip(bezier(lines, 14), widths, THIN), fills)


# --- pen work ---


def hatching(canvas: Canvas) -> Picture:
    """A drawing shaded with a pen: hatched areas, lines of speed or of focus, curls, or lashes; in two colours."""
    rng = canvas.rng
    form = choose(rng, {"shaded": 5, "speed": 1.5, "focus": 1.5, "curls": 1.5, "fields": 2})
    ink = PENS[form](canvas)
    paper, pen = (WHITE, BLACK) if rng.random() < 0.5 else draw_pair(rng, plain=0.2, contrast=0.35)
    if form in ("speed", "focus", "curls") and rng.random() < 0.5:
        areas = draw_areas(canvas.size, draw_scene(canvas))
        under = painted(areas, palette(rng, areas.roles) | {INK: pen}).astype(np.float32) / np.float32(255)
        return to_levels(mix(np.float32(0.5) + under * np.float32(0.5), BLACK, ink))
    return to_levels(mix(paper, pen, ink))


def hatch(canvas: Canvas, angle: float, gap: float, width: float, bent: float, wild: float) -> Points:
    """Strokes side by side all over the canvas, as polygons (n, 2 m, 2); gap and width in HR pixels."""
    rng, size = canvas.rng, canvas.size
    reach = size * 0.75
    rows = np.arange(-reach, reach, gap)
    rows = rows + rng.normal(0, gap * wild, len(rows))
    # Each row is several strokes, put down one after the other with little gaps.
    pieces = int(rng.integers(1, 5))
    length = 2 * reach / pieces
    starts = -reach + length * np.arange(pieces)[None, :] + rng.uniform(-0.5, 0.5, (len(rows), 1)) * length
    first = starts.ravel()
    y = rows.repeat(pieces)
    long = length * rng.uniform(0.75, 1.05, len(y))
    x = first[:, None] + long[:, None] * np.array((0, 0.33, 0.67, 1))
    sag = bent * size * np.array((0, 1, 1, 0)) + rng.normal(0, gap * wild * 0.5, (len(y), 4))
    local = np.stack((x, y[:, None] + sag), axis=2)
    cos, sin = np.cos(angle), np.sin(angle)
    lines = local @ np.array(((cos, sin), (-sin, cos))) + size / 2
    t = np.linspace(0, 1, 10)
    widths = width * rng.uniform(0.7, 1.2, (len(y), 1)) * taper(t, 0.15, rng.uniform(0.2, 0.9))
    return strip(bezier(lines, 10), widths, THIN)


def _hatched(canvas: Canvas, layers: int) -> Field:
    rng = canvas.rng
    gap = log_uniform(rng, 1.6, 6) * canvas.scale
    width = gap * rng.uniform(0.2, 0.55)
    angle, bent, wild = rng.uniform(0, np.pi), rng.normal(0, 0.05), rng.uniform(0.02, 0.2)
    polygons = [hatch(canvas, angle + k * rng.uniform(0.4, 1.6), gap, width, bent, wild) for k in range(layers)]
    return fill(canvas.size, [one for lines in polygons for one in lines])


def pen_drawing(canvas: Canvas) -> Field:
    """Ink (size, size) in [0, 1]: a drawing in lines, some of its areas hatched once or twice."""
    rng = canvas.rng
    areas = draw_areas(canvas.size, draw_scene(canvas))
    ink = cover(areas, {INK, "pupil"})
    roles = [role for role in areas.roles if role not in (INK, "pupil", "eye", "glint", "skin")]
    for layers in (1, 2)[: int(rng.integers(1, 3))]:
        chosen = {role for role in roles if rng.random() < (0.8 if "." in role else 0.3)} or set(roles[:1])
        ink = np.maximum(ink, _hatched(canvas, layers) * cover(areas, chosen))
    return ink


def _fields(canvas: Canvas) -> Field:
    """Hatching alone, where a soft field says: areas of one, two and three layers."""
    ground = ramp(canvas.rng, canvas.size)
    ink = np.zeros_like(ground)
    for k, edge in enumerate((0.25, 0.55, 0.8)[: int(canvas.rng.integers(1, 4))]):
        part = np.clip((ground - np.float32(edge)) * np.float32(60), 0, 1)
        ink = np.maximum(ink, _hatched(canvas, 1) * (part if k or canvas.rng.random() < 0.5 else 1))
    return ink


def _speed(canvas: Canvas) -> Field:
    """Parallel lines of motion that thin out at one end or at both, in clusters."""
    rng, size = canvas.rng, canvas.size
    count = int(rng.integers(30, 160))
    angle = rng.choice((0, np.pi / 2)) if rng.random() < 0.5 else rng.uniform(0, np.pi)
    middle = rng.uniform(-0.7, 0.7, int(rng.integers(2, 9)))
    y = (rng.choice(middle, count) + rng.normal(0, 0.08, count)) * size
    x = rng.uniform(-0.7, 0.2, (count, 1)) * size + np.linspace(0, 1, 6) * rng.uniform(0.3, 1.4, (count, 1)) * size
    local = np.stack((x, np.broadcast_to(y[:, None], x.shape)), axis=2)
    cos, sin = np.cos(angle), np.sin(angle)
    widths = (
        np.exp(rng.uniform(np.log(0.3), np.log(2.2), (count, 1))) * canvas.scale * taper(np.linspace(0, 1, 6), 0.1, 0.9)
    )
    ink = fill(size, list(strip(local @ np.array(((cos, sin), (-sin, cos))) + size / 2, widths, THIN)))
    return np.maximum(ink, cover(draw_areas(size, draw_scene(canvas)), {INK})) if rng.random() < 0.4 else ink


def _focus(canvas: Canvas) -> Field:
    """Wedges that point at one place from all around."""
    rng, size = canvas.rng, canvas.size
    count = int(rng.integers(60, 300))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count)) + rng.normal(0, 0.01, count)
    inner = size * rng.uniform(0.12, 0.45) * rng.uniform(0.8, 1.6, count)
    way = np.stack((np.cos(angle), np.sin(angle)), axis=1)[:, None]
    radii = np.stack((inner, np.full(count, size * 1.5)), axis=1)[..., None]
    widths = np.stack((np.zeros(count), size * np.exp(rng.uniform(np.log(0.004), np.log(0.035), count))), axis=1)
    centre = rng.uniform(0.3, 0.7, 2) * size
    ink = fill(size, list(strip(centre + way * radii, widths, THIN)))
    return 1 - ink if rng.random() < 0.3 else ink


def _curls(canvas: Canvas) -> Field:
    """Tufts of curved strokes from a root: lashes, fur, grass; and long loose threads."""
    rng, size = canvas.rng, canvas.size
    polygons: list[Points] = []
    t = np.linspace(0, 1, 12)
    for _ in range(int(rng.integers(2, 14))):
        count = int(rng.integers(4, 26))
        root = rng.uniform(0, 1, 2) * size
        side, length = rng.uniform(0, 2 * np.pi), size * log_uniform(rng, 0.06, 0.5)
        fan = side + np.linspace(-1, 1, count) * rng.uniform(0.1, 0.9) + rng.normal(0, 0.08, count)
        curl = rng.normal(0, 0.5) + rng.normal(0, 0.1, count)
        roots = root + np.linspace(-0.5, 0.5, count)[:, None] * np.array((-np.sin(side), np.cos(side))) * length * 0.8
        turns = np.stack([fan, fan, fan + curl, fan + 2 * curl], axis=1)
        steps = np.stack((np.cos(turns), np.sin(turns)), axis=2) * (length / 3) * np.array((0, 1, 1, 1))[:, None]
        lines = roots[:, None] + steps.cumsum(axis=1) * rng.uniform(0.6, 1.2, (count, 1, 1))
        widths = log_uniform(rng, 0.3, 2.5) * canvas.scale * rng.uniform(0.5, 1.2, (count, 1)) * taper(t, 0.05, 1)
        polygons.extend(strip(bezier(lines, 12), widths, THIN))
    return fill(size, polygons)


PENS: dict[str, Callable[[Canvas], Field]] = {
    "shaded": pen_drawing,
    "speed": _speed,
    "focus": _focus,
    "curls": _curls,
    "fields": _fields,
}
