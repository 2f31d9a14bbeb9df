"""The kinds of procedural pictures: a row each, and the one call that draws them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....arch import SengaError
from .canvas import Canvas, Picture
from .dithering import dither
from .lettering import text
from .paint import brush, leaves
from .patterns import patterns
from .pixel_art import pixel_art
from .shading import focus, shading
from .strokes import hair, hatching
from .tones import halftone, screentone

__all__ = ["KINDS", "Kind", "draw", "kind_names", "kind_of", "random_numbers"]

SMALLEST = 32  # HR pixels


@dataclass(frozen=True)
class Kind:
    """A kind of picture and what a trainer has to know of it.

    Attributes:
        name: for `draw`, settings and reports.
        number: goes into the random numbers; it stays when rows are added, moved or removed.
        paint: draws on a canvas.
        share: default weight among the kinds; all of them add up to 1.
        exact: the picture is HR as it is: shrinking it first, or a crop that does not begin at a multiple of the scale,
            spoils patterns of 1 or 2 LR pixels.
        filters: how the LR picture may be made, each as likely as the others, by the names of the step "resize" of
            recipes. Box and nearest give 1-pixel patterns back exactly; Pillow's bicubic keeps seven tenths of their
            contrast.
        what: a few words for reports.
    """

    name: str
    number: int
    paint: Callable[[Canvas], Picture]
    share: float
    exact: bool
    filters: tuple[str, ...]
    what: str


DOTS = ("box", "bicubic")
PIXELS = ("box", "nearest", "bicubic")
SMOOTH = ("bicubic",)

KINDS: tuple[Kind, ...] = (
    Kind("screentone", 1, screentone, 0.16, True, DOTS, "manga drawings with screentones"),
    Kind("halftone", 2, halftone, 0.07, True, DOTS, "coloured printing in dots"),
    Kind("dither", 3, dither, 0.07, True, PIXELS, "gradients and scenes in few colours"),
    Kind("patterns", 4, patterns, 0.10, True, PIXELS, "stripes, checkerboards, grids, meshes of 1 to 3 pixels"),
    Kind("pixel_art", 5, pixel_art, 0.06, True, PIXELS, "sprites, tiles and portraits of large pixels"),
    Kind("text", 6, text, 0.12, True, DOTS, "text of all sizes in several scripts"),
    Kind("hair", 7, hair, 0.10, False, SMOOTH, "locks of hair"),
    Kind("hatching", 8, hatching, 0.08, False, SMOOTH, "pen strokes, speed lines, lashes"),
    Kind("shading", 9, shading, 0.08, False, SMOOTH, "cel shading, airbrush, gradients"),
    Kind("focus", 10, focus, 0.04, False, SMOOTH, "depth of field, glow, discs of light"),
    Kind("leaves", 11, leaves, 0.06, False, SMOOTH, "dead leaves with textures"),
    Kind("brush", 12, brush, 0.06, False, SMOOTH, "strokes of a bristle brush"),
)


def kind_names() -> tuple[str, ...]:
    return tuple(kind.name for kind in KINDS)


def kind_of(name: str) -> Kind:
    """Raises SengaError where there is no such kind."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise SengaError(f"procedural kind '{name}' is unknown; this version has {', '.join(kind_names())}")


def draw(kind: str, seed: int, index: int, size: int, scale: int = 2, fonts: Path | None = None) -> Picture:
    """The `index`-th picture of a kind, (size, size, 3) uint8: nothing but the arguments (and the font files) matters.

    Args:
        kind: a name of KINDS.
        seed, index: 0 or more; any pair of them is a picture of its own.
        size: HR pixels a side, 32 at least.
        scale: HR pixels that become one LR pixel, 1 to 8: patterns, lines and letters are sized in LR pixels.
        fonts: where the fonts for "text" are, the system's folder if None.

    Raises:
        SengaError: the kind is unknown, a number is out of range, or no font is found.
    """
    chosen = kind_of(kind)
    if size < SMALLEST or not 1 <= scale <= 8 or seed < 0 or index < 0:
        raise SengaError(
            f"procedural picture of size {size}, scale {scale}, seed {seed}, index {index}: expected a size of"
            f" {SMALLEST} pixels or more, a scale of 1 to 8, a seed and an index of 0 or more; change that"
        )
    picture = chosen.paint(Canvas(random_numbers(seed, index, chosen), size, scale, fonts))
    return np.require(picture, requirements=("C", "W"))  # Pillow's are read-only, and cut ones have gaps


def random_numbers(seed: int, index: int, kind: Kind, stream: int = 0) -> np.random.Generator:
    """The random numbers of one picture: stream 0 is for training, others never repeat it whatever the seed."""
    sequence = np.random.SeedSequence([seed, index, kind.number], spawn_key=(stream,) if stream else ())
    return np.random.Generator(np.random.PCG64(sequence))
