"""Fixed pictures to validate on: patterns of known content, text, and drawings with screentones or pen strokes.

The drawings come from a stream of random numbers that no training seed reaches.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .canvas import Canvas, Field, Picture, enlarged, to_levels
from .dithering import bayer, diffused, levels, tiled
from .fonts import find_font, load_font
from .kinds import kind_of, random_numbers
from .patterns import motif
from .strokes import pen_drawing
from .tones import page
from .words import line_of

__all__ = ["SIDE", "STREAM", "validation_patterns"]

SIDE = 192  # HR pixels
STREAM = 1
SEED = 0

PAIRS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "black_white": ((0, 0, 0), (255, 255, 255)),
    "red_cyan": ((208, 32, 48), (64, 208, 224)),
    "navy_yellow": ((24, 32, 96), (248, 224, 88)),
    "greys": ((88, 88, 88), (168, 168, 168)),
    "pink_green": ((240, 160, 184), (72, 136, 88)),
}
# name: motif, whether it is turned, colours
MOTIFS: dict[str, tuple[str, bool, str]] = {
    "stripes_1_level": ("stripes 1", False, "black_white"),
    "stripes_1_upright": ("stripes 1", True, "black_white"),
    "stripes_1_level_red_cyan": ("stripes 1", False, "red_cyan"),
    "stripes_1_upright_navy_yellow": ("stripes 1", True, "navy_yellow"),
    "stripes_1_level_greys": ("stripes 1", False, "greys"),
    "stripes_1_upright_pink_green": ("stripes 1", True, "pink_green"),
    "stripes_2_level": ("stripes 2", False, "black_white"),
    "stripes_2_upright": ("stripes 2", True, "black_white"),
    "stripes_2_level_navy_yellow": ("stripes 2", False, "navy_yellow"),
    "stripes_2_upright_red_cyan": ("stripes 2", True, "red_cyan"),
    "stripes_1_of_3_upright": ("stripes 1 of 3", True, "black_white"),
    "checkerboard_1": ("checkerboard 1", False, "black_white"),
    "checkerboard_1_red_cyan": ("checkerboard 1", False, "red_cyan"),
    "checkerboard_2": ("checkerboard 2", False, "black_white"),
    "checkerboard_2_pink_green": ("checkerboard 2", False, "pink_green"),
    "diagonal_2_of_4": ("diagonal 2 of 4", False, "navy_yellow"),
    "dots_staggered": ("dots staggered", False, "black_white"),
    "grid_4": ("grid 4", False, "greys"),
}
# name: side of Bayer's matrix (0: error diffusion), colours
DITHERS: dict[str, tuple[int, str]] = {
    "dither_2": (1, "black_white"),
    "dither_4": (2, "black_white"),
    "dither_4_red_cyan": (2, "red_cyan"),
    "dither_diffused": (0, "black_white"),
    "dither_diffused_navy_yellow": (0, "navy_yellow"),
}
TEXT_FONT = "DejaVuSans.ttf"  # of fonts-dejavu-core
TEXTS: dict[str, tuple[float, str]] = {  # size of the font in LR pixels, colours
    "text_7": (7, "black_white"),
    "text_9": (9, "black_white"),
    "text_12": (12, "navy_yellow"),
    "text_18": (18, "red_cyan"),
}
# name: the kind whose random numbers are taken, how ink is drawn, how many
DRAWINGS: dict[str, tuple[str, Callable[[Canvas], Field], int]] = {
    "tones": ("screentone", page, 8),
    "pen": ("hatching", pen_drawing, 4),
}


def validation_patterns(scale: int = 2, fonts: Path | None = None) -> list[tuple[str, Picture]]:
    """(domain/name, HR picture (SIDE, SIDE, 3) uint8), always the same ones in the same order.

    The domain is "patterns" (what is 1 or 2 LR pixels wide, dither, text) or "lines" (drawings in black and white with
    screentones, and some in pen strokes). Patterns should be reduced by box or nearest, so that they reach the LR
    picture; drawings by Pillow's bicubic.

    Raises:
        SengaError: the font DejaVu Sans is not found, or the scale is out of range.
    """
    canvas = Canvas(random_numbers(SEED, 0, kind_of("screentone"), STREAM), SIDE, scale, fonts)
    found = [(f"patterns/{name}", picture) for name, picture in (*_motifs(canvas), *_dithers(canvas), *_texts(canvas))]
    for name, (kind, drawing, count) in DRAWINGS.items():
        for index in range(count):
            rng = random_numbers(SEED, index, kind_of(kind), STREAM)
            found.append((f"lines/{name}_{index}", to_levels(1 - drawing(Canvas(rng, SIDE, scale)))))
    return found


def _colours(pair: str) -> NDArray[np.uint8]:
    return np.array(PAIRS[pair], dtype=np.uint8)


def _motifs(canvas: Canvas) -> Iterator[tuple[str, Picture]]:
    for name, (which, turned, pair) in MOTIFS.items():
        cells = motif(which, canvas.cells, turned=turned).astype(np.intp)
        yield name, enlarged(_colours(pair)[cells], canvas)


def _dithers(canvas: Canvas) -> Iterator[tuple[str, Picture]]:
    """A gradient from corner to corner."""
    at = np.linspace(0, 1, canvas.cells, dtype=np.float32)
    grey = (at[:, None] + at[None, :]) / 2
    for name, (order, pair) in DITHERS.items():
        which = levels(grey, tiled(bayer(order), canvas.cells), 2) if order else diffused(grey, 2)
        yield name, enlarged(_colours(pair)[which], canvas)


def _texts(canvas: Canvas) -> Iterator[tuple[str, Picture]]:
    path = find_font(TEXT_FONT, canvas.fonts)
    for number, (name, (size, pair)) in enumerate(TEXTS.items()):
        rng = random_numbers(SEED, number, kind_of("text"), STREAM)
        ink, paper = PAIRS[pair]
        sheet = Image.new("RGB", (SIDE, SIDE), paper)
        drawing = ImageDraw.Draw(sheet)
        letter = round(size * canvas.scale)
        for y in np.arange(letter // 2, SIDE, letter * 1.4):
            line = line_of(rng, "latin", max(3, int(1.9 * SIDE / letter)))
            drawing.text((letter // 2, float(y)), line, fill=ink, font=load_font(path, letter))
        yield name, np.asarray(sheet)
