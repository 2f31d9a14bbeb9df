"""What is 1 or 2 pixels wide: stripes, checkerboards, grids and meshes.

The patterns are drawn in LR pixels and enlarged by repeating, so that a box or nearest reduction gives them back
exactly, and Pillow's bicubic with seven tenths of their contrast. They begin at the canvas's corner: a crop has to
begin at a multiple of the scale, and reducing the picture first destroys them.
"""

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Field, Picture, blob, choose, coordinates, enlarged, fill, log_uniform, mix, to_levels
from .colours import draw_colour, draw_pair
from .scenes import draw_scene

__all__ = ["MOTIFS", "motif", "patterns", "region"]

Mask = NDArray[np.bool_]  # (h, w), True where the second colour is


# --- motifs: the places (row, column) of one period that have the second colour ---


def _rows(*lines: str) -> Mask:
    return np.array([[character == "#" for character in line] for line in lines])


MOTIFS: dict[str, tuple[Mask, float]] = {
    "stripes 1": (_rows("#", "."), 4),
    "stripes 2": (_rows("#", "#", ".", "."), 3),
    "stripes 1 of 3": (_rows("#", ".", "."), 2),
    "stripes 1 of 4": (_rows("#", ".", ".", "."), 1),
    "stripes 2 of 3": (_rows("#", "#", "."), 1),
    "stripes 3": (_rows("#", "#", "#", ".", ".", "."), 1),
    "checkerboard 1": (_rows("#.", ".#"), 3),
    "checkerboard 2": (_rows("##..", "##..", "..##", "..##"), 3),
    "checkerboard 1 x 2": (_rows("##..", "..##"), 1),
    "diagonal 1 of 3": (_rows("#..", ".#.", "..#"), 1),
    "diagonal 2 of 4": (_rows("##..", ".##.", "..##", "#..#"), 1),
    "diagonal 1 of 4": (_rows("#...", ".#..", "..#.", "...#"), 1),
    "slope 1 in 2": (_rows("##....", "..##..", "....##"), 0.5),
    "grid 2": (_rows("##", "#."), 1.5),
    "grid 3": (_rows("###", "#..", "#.."), 1),
    "grid 4": (_rows("####", "#...", "#...", "#..."), 1),
    "grid 8": (np.pad(np.zeros((7, 7), bool), ((1, 0), (1, 0)), constant_values=True), 0.5),
    "dots 2": (_rows("#.", ".."), 1.5),
    "dots 3": (_rows("#..", "...", "..."), 1),
    "dots 4": (_rows("##..", "##..", "....", "...."), 0.7),
    "dots staggered": (_rows("#...", "....", "..#.", "...."), 1),
    "mesh": (_rows("#.#.", ".#.#", "#.#.", "...."), 0.5),
    "weave": (_rows("##..", "#..#", "..##", ".##."), 0.5),
    "basket": (_rows("###.", "...#", "###.", "...#"), 0.5),
    "herringbone": (_rows("#...", ".#.#", "..#.", ".#.#"), 0.5),
    "bricks": (_rows("########", "#.......", "#.......", "########", "....#...", "....#..."), 0.7),
    "dashes": (_rows("##.", "..."), 0.5),
    "dash and dot": (_rows("####.#.", "......."), 0.3),
}


def motif(name: str, size: int, phase: tuple[int, int] = (0, 0), turned: bool = False, bigger: int = 1) -> Mask:
    """(size, size) of a motif that begins at `phase` (row, column) of its period; `turned` swaps rows and columns."""
    tile = MOTIFS[name][0].repeat(bigger, axis=0).repeat(bigger, axis=1)
    tile = tile.T if turned else tile
    rows, columns = ((np.arange(size) + start) % length for start, length in zip(phase, tile.shape, strict=True))
    return tile[rows[:, None], columns[None, :]]


def patterns(canvas: Canvas) -> Picture:
    """One to four areas with straight or curved borders, each a motif in two colours, fine lines or a flat colour."""
    rng = canvas.rng
    picture = _texture(canvas, flat=False)
    count = int(choose(rng, {"0": 2, "1": 4, "2": 2, "3": 1}))
    for _ in range(count):
        above = _texture(canvas, flat=rng.random() < 0.25)
        share = region(canvas)
        if rng.random() < 0.4:  # a border of whole LR pixels, as in pixel art
            cells = share[canvas.scale // 2 :: canvas.scale, canvas.scale // 2 :: canvas.scale] > 0.5
            share = enlarged(np.pad(cells, (0, 1), mode="edge").astype(np.uint8), canvas).astype(np.float32)
        picture = mix(picture, above, share)
    return to_levels(picture)


def _texture(canvas: Canvas, flat: bool) -> NDArray[np.floating]:
    """(size, size, 3)."""
    rng = canvas.rng
    if flat:
        return np.broadcast_to(draw_colour(rng), (canvas.size, canvas.size, 3)).copy()
    low, high = draw_pair(rng, contrast=0.12 if rng.random() < 0.3 else 0.35)
    if rng.random() < 0.15:
        return mix(low, high, _fine_lines(canvas))
    name = choose(rng, {name: weight for name, (_, weight) in MOTIFS.items()})
    phase = (int(rng.integers(12)), int(rng.integers(12)))
    bigger = 2 if name in ("mesh", "weave", "basket") and rng.random() < 0.3 else 1
    cells = motif(name, canvas.cells, phase, bool(rng.random() < 0.5), bigger)
    colours = np.stack((low, high))
    return enlarged(colours[cells.astype(np.intp)], canvas)


def _fine_lines(canvas: Canvas) -> Field:
    """Smoothed lines at any angle, evenly spaced, rings, or spreading: never nearer than 2.2 LR pixels."""
    rng = canvas.rng
    form = choose(rng, {"even": 4, "rings": 1, "spreading": 1})
    along, across = coordinates(canvas.size, rng.uniform(0, np.pi))
    period = log_uniform(rng, 2.2, 7) * canvas.scale
    if form == "even":
        phase = along / np.float32(period)
    elif form == "rings":
        x, y = (at - np.float32(rng.uniform(at.min(), at.max())) for at in (along, across))
        phase = np.sqrt(x * x + y * y) / np.float32(period)
    else:
        phase = along * (1 + np.float32(rng.uniform(0, 1) / canvas.size) * along) / np.float32(period * 2.5)
    wave = phase + np.float32(rng.random())
    wave = np.abs(wave - np.rint(wave)) * np.float32(2)  # 0 to 1 and back
    return np.clip((wave - np.float32(rng.uniform(0.35, 0.65))) * np.float32(period / 2) + np.float32(0.5), 0, 1)


def region(canvas: Canvas) -> Field:
    """A smooth-edged mask: half of the canvas, a band, a box, a disc, a ring, a blob or stripes of areas."""
    rng, size = canvas.rng, canvas.size
    form = choose(rng, {"half": 2, "band": 1, "box": 2, "blob": 3, "ring": 1, "wave": 1, "figure": 1.5})
    centre = rng.uniform(0.2, 0.8, 2) * size
    if form == "box":
        low = np.floor(rng.uniform(0, 0.6, 2) * size)
        high = np.ceil(low + rng.uniform(0.15, 0.6, 2) * size)
        return fill(size, [np.array(((low[0], low[1]), (high[0], low[1]), high, (low[0], high[1])))])
    if form == "blob":
        return fill(size, [blob(rng, centre, size * rng.uniform(0.15, 0.45), rng.uniform(0, 0.6))])
    if form == "figure":
        layers = draw_scene(canvas, {"figure": 1, "things": 1})
        return fill(size, [layer.points for layer in layers[:: int(rng.integers(2, 6))]])
    along, across = coordinates(size, 0 if rng.random() < 0.3 else rng.uniform(0, 2 * np.pi))
    middle = np.float32(rng.uniform(along.min(), along.max()) * 0.6 + along.mean() * 0.4)
    if form == "wave":
        along = along + np.float32(size * rng.uniform(0.02, 0.15)) * np.sin(
            across * np.float32(rng.uniform(3, 20) / size)
        )
    distance = middle - along
    if form == "band":
        distance = np.float32(size * rng.uniform(0.03, 0.25)) - np.abs(distance)
    elif form == "ring":
        x, y = coordinates(size)
        radius = np.sqrt(np.square(x - np.float32(centre[0])) + np.square(y - np.float32(centre[1])))
        distance = np.float32(size * rng.uniform(0.03, 0.2)) - np.abs(radius - np.float32(size * rng.uniform(0.1, 0.5)))
    return np.clip(distance + np.float32(0.5), 0, 1)
