"""The pictures of the quality benchmark, and the damage done to them before they are upscaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from senga.arch import SengaError
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import ValSettings
from senga.training.sr.validation.validation_crops import Crop, make_pairs, some, validation_crops

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


CONDITIONS = ("clean", "q95", "q75", "q50", "twice")  # of make_pairs: what was done after the picture was made smaller


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


def make_pair(source: Source, scale: int, condition: str) -> Pair:
    """The picture, made smaller and damaged as training's validation does it. Scale 1 only damages it.

    Raises:
        SengaError: a side of the picture is not a multiple of the scale.
    """
    height, width = source.picture.shape[:2]
    if height % scale or width % scale:
        raise SengaError(f"{source.name}: {width}x{height} pixels are not a multiple of {scale}")
    (pair,) = make_pairs([Crop(source.name, source.group, source.picture)], scale, condition)
    return Pair(source, scale, condition, np.ascontiguousarray(pair.lr))
