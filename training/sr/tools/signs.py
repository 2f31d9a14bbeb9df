"""What a picture shows of its past: JPEG, enlargement, sameness with another one, and how much is in it."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures.picture_files import WHITE, Picture, flatten

Luma = NDArray[np.float32]  # (H, W), levels of 255
Hash = int  # of 64 bits

MEASURED = 1024  # pixels a side, of the middle, that are measured: more would take as long as decoding
HASHED, KEPT = 32, 8  # pixels a side that a hash is made of; waves a side that it keeps
BLOCK = 8  # pixels a side of JPEG's blocks
LIMIT = 12.0  # levels; a larger step between neighbours is a line, not the edge of a block
# Enlargements that are tried, and the loss below which one is likely: between those of drawings at their own size and
# those of the same drawings enlarged, both measured.
FACTORS = ((4.0, 0.14), (3.0, 0.115), (2.0, 0.055), (1.5, 0.022))
SQUARE, VISIBLE = 16, 10  # pixels a side; levels between darkest and brightest from which a square has content
# The luma table of JPEG's Annex K (ITU-T T.81), which libjpeg scales by its quality, in the order of the file.
ANNEX_K = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51),
    *(61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77),
    *(113, 121, 112, 100, 120, 92, 101, 103, 99),
)


def luma_of(picture: Picture) -> Luma:
    """The middle of a picture over white, MEASURED pixels a side at most."""
    top, left = (max(0, (side - MEASURED) // 2) for side in picture.shape[:2])
    part = flatten(picture[top : top + MEASURED, left : left + MEASURED], WHITE)
    return np.asarray(Image.fromarray(part).convert("L"), dtype=np.float32)


def hash_of(picture: Picture) -> Hash:
    """A perceptual hash: the signs of the picture's low waves, as pHash has them (Zauner 2010).

    Equal up to a few bits for the same drawing at another size, quality or brightness.
    """
    small = Image.fromarray(flatten(picture, WHITE)).convert("L").resize((HASHED, HASHED), Image.Resampling.BOX)
    places = np.arange(HASHED)
    waves = np.cos(np.pi * (2 * places[None, :] + 1) * np.arange(KEPT + 1)[:, None] / (2 * HASHED))  # (9, 32)
    low = (waves @ np.asarray(small, dtype=np.float64) @ waves.T)[1:, 1:]  # without the waves along one axis alone
    return sum(1 << int(i) for i in np.flatnonzero(low > np.median(low)))


def quality_of(table: "list[int]") -> int:
    """libjpeg's quality, 1 to 100, whose luma table is nearest to that of a file."""
    scale = 100 * sum(table) / sum(ANNEX_K)
    return round(min(100.0, max(1.0, (200 - scale) / 2 if scale <= 100 else 5000 / scale)))


def blockiness(luma: Luma) -> float:
    """How much more often single small steps are at the edges of a grid of 8 x 8 blocks than elsewhere.

    The grid may begin anywhere, as after a crop; resizing hides it. Measured on drawings: at most 1.15 without JPEG,
    about 1.3 after quality 95, 1.6 after 90, 2.2 after 75, 4.5 after 50. The smaller of both directions, since stripes
    have one alone; 0 for a picture too small to tell.
    """
    return min(_grid(luma), _grid(luma.T)) if min(luma.shape) >= 4 * BLOCK else 0.0


def _grid(luma: Luma) -> float:
    steps = np.abs(np.diff(luma, axis=1))
    here = steps[:, 1:-1]
    single = (here >= 0.5) & (here <= LIMIT) & (here > steps[:, :-2] + steps[:, 2:])  # on both sides it is flat
    counts = single.sum(axis=0)
    phases = counts[: len(counts) // BLOCK * BLOCK].reshape(-1, BLOCK).sum(axis=0)
    edge = int(phases.argmax())
    # WebP has blocks of 4, too. Of a picture that was enlarged twice every other place has steps: no block's edge.
    inside = np.delete(phases, [edge, (edge + BLOCK // 2) % BLOCK])
    few = luma.size * 2e-4 / BLOCK  # steps without meaning, of a picture that has hardly any
    return float((phases[edge] + few) / (inside.max() + few))


def pixel_size(luma: Luma) -> int:
    """How many pixels a side each pixel was repeated to, as nearest neighbour enlarges; 1 where it was not."""
    sizes = []
    for plane in (luma, luma.T):
        changes = np.flatnonzero((np.diff(plane, axis=1) != 0).any(axis=0)) + 1
        sizes.append(math.gcd(*(int(step) for step in np.diff(changes))) if len(changes) > 2 else 1)
    return min(sizes)


def enlargement(luma: Luma) -> float:
    """The largest of FACTORS by which the picture can be reduced and enlarged again with hardly a loss; 1 for none.

    The loss is the mean square error in parts of the mean square step between neighbours, so that it does not matter
    how much is in the picture. A picture out of focus looks enlarged, too: both have no detail at their size.
    """
    steps = sum(float(np.square(np.diff(luma, axis=axis)).mean()) for axis in (0, 1)) if min(luma.shape) > 1 else 0.0
    if not steps:
        return 1.0
    return next((factor for factor, most in FACTORS if loss_of(luma, factor) / steps < most), 1.0)


def loss_of(luma: Luma, factor: float) -> float:
    """Mean square error of reducing by the factor (bicubic) and enlarging again (Lanczos)."""
    whole = Image.fromarray(luma)
    small = whole.resize(
        (max(1, round(whole.width / factor)), max(1, round(whole.height / factor))), Image.Resampling.BICUBIC
    )
    return float(np.square(np.asarray(small.resize(whole.size, Image.Resampling.LANCZOS)) - luma).mean())


def content_of(luma: Luma) -> float:
    """The share of squares of 16 x 16 pixels in which something is to be seen."""
    rows, columns = (max(1, side // SQUARE) for side in luma.shape)
    part = luma[: rows * SQUARE, : columns * SQUARE]
    squares = part.reshape(rows, -1, columns, part.shape[1] // columns)
    return float((squares.max(axis=(1, 3)) - squares.min(axis=(1, 3)) >= VISIBLE).mean())
