"""The pictures of the quality benchmark, and the damage done to them before they are upscaled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from senga.arch import SengaError
from senga.training.degradation.codecs import jpeg
from senga.training.degradation.colour import from_levels, to_levels
from senga.training.sr.patches import PictureSet, validation_pairs

Picture = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class Source:
    """One picture of full size."""

    name: str
    group: str  # where it comes from: pictures of one source are similar
    picture: Picture


@dataclass(frozen=True)
class Pair:
    source: Source
    scale: int
    condition: str
    small: Picture  # what the contenders get

    @property
    def large(self) -> Picture:
        return self.source.picture


@dataclass(frozen=True)
class Pass:
    """One saving as JPEG with 4:2:0 chroma; the picture is `shift` pixels right of and below the grid of blocks."""

    quality: int
    shift: tuple[int, int] = (0, 0)


# name -> savings after the picture was made smaller
CONDITIONS: dict[str, tuple[Pass, ...]] = {
    "clean": (),
    "q95": (Pass(95),),
    "q75": (Pass(75),),
    "q50": (Pass(50),),
    "twice": (Pass(75), Pass(60, (3, 5))),
}


def load_pictures(folder: Path, limit: int = 0) -> list[Source]:
    """The crops that training validates on: of each picture of the split `val` the one with most content, on white.

    `limit` > 0 takes that many, spread evenly over the manifest's order.

    Raises:
        SengaError: the folder holds no such set.
    """
    rows = validation_pairs(PictureSet(folder, cache_gib=0.5), 1, limit)
    return [Source(row.file, row.source, np.ascontiguousarray(large)) for row, _, large in rows]


def damage(picture: Picture, passes: tuple[Pass, ...]) -> Picture:
    for p in passes:
        values = {"quality": p.quality, "subsampling": "4:2:0", "shift_x": p.shift[0], "shift_y": p.shift[1]}
        picture = to_levels(jpeg(from_levels(picture), values))
    return picture


def make_pair(source: Source, scale: int, condition: str) -> Pair:
    """The picture made smaller by Pillow's bicubic, then saved as the condition asks. Scale 1 only saves it.

    Raises:
        SengaError: a side of the picture is not a multiple of the scale.
    """
    height, width = source.picture.shape[:2]
    if height % scale or width % scale:
        raise SengaError(f"{source.name}: {width}x{height} pixels are not a multiple of {scale}")
    small = source.picture
    if scale > 1:
        small = np.asarray(Image.fromarray(small).resize((width // scale, height // scale), Image.Resampling.BICUBIC))
    return Pair(source, scale, condition, np.ascontiguousarray(damage(small, CONDITIONS[condition])))
