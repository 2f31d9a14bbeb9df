"""The pictures of the quality benchmark, and the damage done to them before they are upscaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from senga.arch import SengaError
from senga.training.degradation.codecs import jpeg
from senga.training.degradation.colour import from_levels, to_levels
from senga.training.sr.picture_set import PictureSet
from senga.training.sr.settings import ValSettings
from senga.training.sr.validation_crops import FILTERS, some, validation_crops

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


def load_pictures(
    folder: Path, limit: int = 0, sets: Mapping[str, str] | None = None, drawn: bool = False
) -> list[Source]:
    """The crops that training validates on, on white; a source's group is its domain.

    Args:
        limit: above 0 takes about that many, as many from each domain as can be.
        sets: domain -> folder of pictures that are only measured on.
        drawn: the procedural domains "patterns" and "lines", too.

    Raises:
        SengaError: the folder holds no such set.
    """
    val = ValSettings(sets=dict(sets or {}), procedural=drawn)
    crops = some(validation_crops(PictureSet(folder, cache_gib=0.5), val, 2), limit)
    return [Source(crop.name, crop.domain, crop.picture) for crop in crops]


def damage(picture: Picture, passes: tuple[Pass, ...]) -> Picture:
    for p in passes:
        values = {"quality": p.quality, "subsampling": "4:2:0", "shift_x": p.shift[0], "shift_y": p.shift[1]}
        picture = to_levels(jpeg(from_levels(picture), values))
    return picture


def make_pair(source: Source, scale: int, condition: str) -> Pair:
    """The picture made smaller by Pillow's bicubic (patterns: box), then saved as the condition asks. Scale 1 only
    saves it.

    Raises:
        SengaError: a side of the picture is not a multiple of the scale.
    """
    height, width = source.picture.shape[:2]
    if height % scale or width % scale:
        raise SengaError(f"{source.name}: {width}x{height} pixels are not a multiple of {scale}")
    small = source.picture
    kernel = Image.Resampling[FILTERS.get(source.group, "bicubic").upper()]
    if scale > 1:
        small = np.asarray(Image.fromarray(small).resize((width // scale, height // scale), kernel))
    return Pair(source, scale, condition, np.ascontiguousarray(damage(small, CONDITIONS[condition])))
