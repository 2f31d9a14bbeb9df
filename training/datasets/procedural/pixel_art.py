"""Pixel art: sprites, tiles and portraits in few colours, each of their pixels 1 to 4 LR pixels a side."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Picture, choose, enlarged, noise, ramp, to_levels
from .colours import draw_colour, hsv, luma, palette
from .dithering import bayer, tiled
from .patterns import MOTIFS, motif
from .scenes import INK, draw_areas, draw_scene, painted

__all__ = ["pixel_art"]

Sheet = NDArray[np.floating]  # (side, side, 3) in [0, 1], a value a pixel of the art


def pixel_art(canvas: Canvas) -> Picture:
    """Sprites on a ground, a map of tiles, or a small portrait, enlarged by an integer."""
    rng = canvas.rng
    each = int(choose(rng, {"1": 4, "2": 3, "3": 1.5, "4": 1}))
    side = -(-canvas.cells // each)
    small = Canvas(rng, side, 1)
    form = choose(rng, {"sprites": 3, "tiles": 2, "portrait": 3})
    return enlarged(to_levels(FORMS[form](small)), canvas, each)


def _shades(rng: np.random.Generator, count: int) -> Sheet:
    """Colours from dark to light whose hue goes from blue towards yellow, as pixel artists do it: (count, 3)."""
    hue, saturation = rng.random(), rng.uniform(0.3, 0.95)
    low, high, shift = rng.uniform(0.15, 0.4), rng.uniform(0.75, 1), rng.normal(0, 0.06)
    steps = np.linspace(0, 1, count)
    return np.stack([hsv(hue + shift * t, saturation * (1 - 0.5 * t), low + (high - low) * t) for t in steps])


def _sprites(small: Canvas) -> Sheet:
    rng, side = small.rng, small.size
    sheet = _ground(small)
    width = int(rng.integers(8, 25))
    cell = width + int(rng.integers(2, 7))
    kinds = [_sprite(rng, width) for _ in range(int(rng.integers(1, 6)))]
    free = rng.random() < 0.5
    for top in range(int(rng.integers(0, cell)) - cell, side, cell):
        for left in range(int(rng.integers(0, cell)) - cell, side, cell):
            if rng.random() < 0.25:
                continue
            colours, solid = kinds[rng.integers(len(kinds))]
            shift = rng.integers(-3, 4, 2) if free else (0, 0)
            _paste(sheet, colours, solid, top + int(shift[0]), left + int(shift[1]))
    return sheet


def _paste(sheet: Sheet, colours: Sheet, solid: NDArray[np.bool_], top: int, left: int) -> None:
    high, wide = solid.shape
    rows = slice(max(top, 0), max(min(top + high, len(sheet)), 0))
    columns = slice(max(left, 0), max(min(left + wide, len(sheet)), 0))
    part = sheet[rows, columns]
    own = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    if part.size:
        part[solid[own]] = colours[own][solid[own]]


def _sprite(rng: np.random.Generator, width: int) -> tuple[Sheet, NDArray[np.bool_]]:
    """Something symmetric with an outline, shaded from above left, with eyes: (width, width, 3) and where it is."""
    half = (width + 1) // 2
    y, x = np.mgrid[0:width, 0:half].astype(np.float32)
    x = (half - 0.5 - x) / half
    y = (y + 0.5) / width * 2 - 1
    body = noise(rng, width, rng.uniform(2, 6))[:, :half] * np.float32(0.35)
    # A head and a body, or one lump: two ellipses that chance frays.
    head, waist = rng.uniform(-0.6, -0.1), rng.uniform(0.2, 0.7)
    parts = (1 - (x / rng.uniform(0.4, 1)) ** 2 - ((y - at) / high) ** 2 for at, high in ((head, 0.4), (waist, 0.5)))
    lump = np.maximum(*parts)
    solid = (lump + body > 0.1).astype(bool)
    solid[[0, -1]] = False
    solid[:, 0] = False
    solid[width // 3 : 2 * width // 3, -1] = True
    material = noise(rng, width, rng.uniform(2, 8))[:, :half]
    solid = np.concatenate((solid, solid[:, ::-1]), axis=1)[:, :width]
    material = np.concatenate((material, material[:, ::-1]), axis=1)[:, :width]
    grown = solid.copy()
    grown[1:] |= solid[:-1]
    grown[:-1] |= solid[1:]
    grown[:, 1:] |= solid[:, :-1]
    grown[:, :-1] |= solid[:, 1:]
    count = int(rng.integers(3, 6))
    ramps = [_shades(rng, count) for _ in range(3)]
    which = np.digitize(material, (-0.3, 0.6))
    # Light from above on the left: nearer to a shadowed edge is darker.
    light = np.cumsum(solid, axis=0) * 0.7 + np.cumsum(solid, axis=1) * 0.5
    shade = np.clip(count - 1 - light / width * count * 1.3 + noise(rng, width, 3) * 0.4, 0, count - 1).astype(int)
    colours = np.stack(ramps)[which, shade]
    outline = np.float32(rng.choice((0, 0, 1))) if rng.random() < 0.6 else ramps[0][0] * np.float32(0.4)
    colours[grown & ~solid] = outline
    eye, apart = int((head * 0.5 + 0.5) * width), max(1, int(width * rng.uniform(0.08, 0.2)))
    for column in (width // 2 - apart, (width - 1) // 2 + apart):
        colours[eye : eye + max(1, width // 8), column] = 0 if luma(ramps[1][-1]) > 0.4 else 1
    return colours.astype(np.float32), grown


def _ground(small: Canvas) -> Sheet:
    """One colour, a motif in two near ones, or steps from one to another with ordered dither between them."""
    rng, side = small.rng, small.size
    base = draw_colour(rng)
    form = choose(rng, {"flat": 4, "motif": 2, "steps": 3})
    if form == "flat":
        return np.broadcast_to(base, (side, side, 3)).copy()
    other = np.clip(base + rng.normal(0, 0.25, 3), 0, 1).astype(np.float32)
    if form == "motif":
        cells = motif(choose(rng, {name: weight for name, (_, weight) in MOTIFS.items()}), side)
        return np.where(cells[..., None], other, base)
    count = int(rng.integers(2, 6))
    level = ramp(rng, side) * np.float32(count)
    level = np.floor(level + tiled(bayer(int(rng.integers(1, 3))), side) - np.float32(0.5)).clip(0, count)
    level /= np.float32(count)
    return base + (other - base) * level[..., None]


def _tiles(small: Canvas) -> Sheet:
    """A map of 8 or 16 pixel tiles: grass, bricks, water, planks; where they meet is up to slow noise."""
    rng, side = small.rng, small.size
    width = int(rng.choice((8, 8, 16)))
    kinds = np.stack([_tile(rng, width) for _ in range(int(rng.integers(2, 6)))])
    count = -(-side // width)
    ground = noise(rng, count, rng.uniform(2, 5))
    which = np.digitize(ground, np.sort(rng.normal(0, 0.7, len(kinds) - 1)))
    rows = kinds[which].transpose(0, 2, 1, 3, 4).reshape(count * width, count * width, 3)
    sheet = rows[:side, :side].copy()
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 5))):
            colours, solid = _sprite(rng, width)
            top, left = (rng.integers(0, count, 2) * width).tolist()
            _paste(sheet, colours, solid, top, left)
    return sheet


def _tile(rng: np.random.Generator, width: int) -> Sheet:
    shades = _shades(rng, 4)
    form = choose(rng, {"speckle": 3, "bricks": 2, "planks": 1, "waves": 1, "bevel": 1.5, "motif": 1.5})
    y, x = np.mgrid[0:width, 0:width]
    if form == "speckle":
        level = 1 + (rng.random((width, width)) < 0.15) - (rng.random((width, width)) < 0.12)
    elif form == "bricks":
        row = y // 4
        level = np.where((y % 4 == 3) | ((x + 4 * (row % 2)) % 8 == 7), 0, np.where(y % 4 == 0, 3, 2))
    elif form == "planks":
        level = np.where(y % 4 == 3, 0, 2 + (rng.random((width, width)) < 0.1) - (rng.random((width, width)) < 0.1))
    elif form == "waves":
        level = np.where((y + np.array((0, 1, 1, 0))[x % 4]) % int(rng.choice((4, 8))) == 0, 3, 1)
    elif form == "bevel":
        level = np.where((x == 0) | (y == 0), 3, np.where((x == width - 1) | (y == width - 1), 0, 2))
    else:
        level = motif(choose(rng, {name: weight for name, (_, weight) in MOTIFS.items()}), width) + 1
    return shades[np.clip(level, 0, 3)]


def _portrait(small: Canvas) -> Sheet:
    """A scene without smoothed edges, in flat colours; areas that lie in light are dithered."""
    rng, side = small.rng, small.size
    areas = draw_areas(side, draw_scene(small), 1)
    colours = palette(rng, areas.roles)
    sheet = painted(areas, colours, 1) / np.float32(255)
    if rng.random() < 0.5:
        ids = np.asarray(areas.ids)
        inked = ids == areas.roles.index(INK)
        lit = (ramp(rng, side) > tiled(bayer(1), side)) & ~inked
        sheet[lit] = np.clip(sheet[lit] * np.float32(rng.uniform(0.7, 1.3)) + np.float32(0.04), 0, 1)
    return sheet


FORMS: dict[str, Callable[[Canvas], Sheet]] = {"sprites": _sprites, "tiles": _tiles, "portrait": _portrait}
