"""The crops that a run is validated on, by domain: what users see, not what the training set has most of.

A domain is a kind of picture: anime, painted, lines, patterns, vector, avatars. Scores are means of the domains' means,
so that four hundred clips of vector art do not drown six sprites.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np

from ...arch import SengaError
from ..datasets.procedural import validation_patterns
from ..degradation import degrade
from ..run.pictures import BROKEN
from .patches import content
from .picture_files import WHITE, Member, Picture, decode, flatten, list_folder
from .picture_set import VALIDATION_CROP, PictureSet
from .recipes import read_recipe, reduced_by
from .settings import ValSettings

logger = logging.getLogger("senga")

# Source in a manifest -> domain. A source that is not here is a domain of its own.
DOMAINS = {
    "openclipart": "vector",
    "dicebear": "avatars",
    "renpy_demo": "anime",
    "art_pack": "painted",
    "wesnoth": "painted",
}
# Bicubic takes a third of the contrast of 1-pixel patterns: the question is what a net makes of those that arrive.
FILTERS = {"patterns": "box"}
CROPS = 24  # crops of a domain that its pictures are cut into, if they are large enough
FEW = 6  # crops of a domain under which its mean says little
LEAST = 3.0  # content under which a further crop of a picture is not worth a score


@dataclass(frozen=True)
class Crop:
    """An HR crop, (VALIDATION_CROP, VALIDATION_CROP, 3) uint8 over white, and where it is from."""

    name: str
    domain: str
    picture: Picture


@dataclass(frozen=True)
class Pair:
    """A crop and the LR picture made of it."""

    crop: Crop
    lr: Picture

    @property
    def hr(self) -> Picture:
        return self.crop.picture


def fullest(picture: Picture, count: int) -> list[Picture]:
    """Up to `count` squares of VALIDATION_CROP pixels that do not overlap, those with most content first."""
    height, width = picture.shape[:2]
    side = VALIDATION_CROP
    places = [(y, x) for y in range(0, height - side + 1, side // 2) for x in range(0, width - side + 1, side // 2)]
    ranked = sorted(places, key=lambda at: -content(picture[at[0] : at[0] + side, at[1] : at[1] + side]))
    taken: list[tuple[int, int]] = []
    for y, x in ranked:
        if len(taken) < count and all(abs(y - v) >= side or abs(x - u) >= side for v, u in taken):
            taken.append((y, x))
    crops = [np.ascontiguousarray(picture[y : y + side, x : x + side]) for y, x in taken]
    return crops[:1] + [crop for crop in crops[1:] if content(crop) >= LEAST]


Pictures = list[tuple[str, Callable[[], Picture]]]  # names, and how each is read: one at a time is in memory


def cut_domain(domain: str, pictures: Pictures) -> list[Crop]:
    """CROPS crops of a domain, as even a number from each picture as can be; one of each where there are more."""
    each = max(1, -(-CROPS // max(1, len(pictures))))
    crops = [
        Crop(f"{name}#{i}" if i else name, domain, crop)
        for name, read in pictures
        for i, crop in enumerate(fullest(flatten(read(), WHITE), each))
    ]
    if 0 < len(crops) < FEW:
        logger.warning("domain %s: %d validation crops say little; add pictures", domain, len(crops))
    return crops


def _decoded(member: Member) -> Picture:
    return decode(member.read())


def pictures_of_folder(domain: str, folder: Path) -> Pictures:
    """Every picture below a folder that is large enough for a crop. Raises SengaError where there is none."""
    found: Pictures = []
    for member in list_folder(folder):
        try:
            side = min(decode(member.read()).shape[:2])
        except BROKEN as error:
            logger.warning("val.sets.%s: %s cannot be read (%s)", domain, member.path, error)
            continue
        if side >= VALIDATION_CROP:
            found.append((member.file, partial(_decoded, member)))
    if not found:
        raise SengaError(
            f"val.sets.{domain}: {folder} has no picture of {VALIDATION_CROP} pixels a side or more; name a folder with"
            " such pictures, or remove the line"
        )
    return found


def validation_crops(pictures: PictureSet, val: ValSettings, scale: int) -> list[Crop]:
    """All crops: of the set's validation pictures by domain, of the folders of `val.sets`, and the drawn ones.

    Raises:
        SengaError: no validation picture is large enough, a folder has none, or a font for the drawn ones is missing.
    """
    by_domain: dict[str, Pictures] = {}
    for row in pictures.val:
        if row.side >= VALIDATION_CROP:
            by_domain.setdefault(DOMAINS.get(row.source, row.source), []).append(
                (row.file, partial(pictures.pixels, row))
            )
    for domain, folder in val.sets.items():
        by_domain.setdefault(domain, []).extend(pictures_of_folder(domain, Path(folder)))
    crops = [crop for domain, found in by_domain.items() for crop in cut_domain(domain, found)]
    if val.procedural:
        drawn = validation_patterns(scale)
        crops += [Crop(name, name.partition("/")[0], picture) for name, picture in drawn]
    if not crops:
        raise SengaError(
            f"{pictures.folder}: no validation picture has {VALIDATION_CROP} pixels a side; add larger ones"
        )
    return crops


def some(crops: Sequence[Crop], count: int) -> list[Crop]:
    """About `count` of the crops, as many from each domain as can be, spread evenly within it; 0: all."""
    domains = list(dict.fromkeys(crop.domain for crop in crops))
    each = -(-count // len(domains)) if count else len(crops)
    chosen = []
    for domain in domains:
        own = [crop for crop in crops if crop.domain == domain]
        taken = min(each, len(own))
        chosen += [own[i * len(own) // taken] for i in range(taken)]
    return chosen


def make_pairs(crops: Sequence[Crop], scale: int, degradation: str) -> list[Pair]:
    """The crops with their LR pictures, every time the same.

    Args:
        degradation: "clean" (Pillow's bicubic alone), "q95", "q75", "q50" (one JPEG, 4:2:0, after it), "twice" (75,
            then 60 off the grid), a preset, or a recipe's JSON file. Its draws are seeded by the crop's pixels. Domains
            of FILTERS are reduced by their own filter.

    Raises:
        SengaError: the degradation is unknown.
    """
    plain = read_recipe(degradation, "run.conditions").with_scale(scale)
    pairs = []
    for crop in crops:
        recipe = reduced_by(plain, FILTERS[crop.domain]) if crop.domain in FILTERS else plain
        seed = int.from_bytes(hashlib.sha256(crop.picture.tobytes()).digest()[:8], "big")
        pairs.append(Pair(crop, degrade(crop.picture, recipe, seed=seed)[0]))
    return pairs


def by_domain(values: Sequence[float], pairs: Sequence[Pair]) -> dict[str, float]:
    """Domain -> mean of its crops' values."""
    found: dict[str, list[float]] = {}
    for value, pair in zip(values, pairs, strict=True):
        found.setdefault(pair.crop.domain, []).append(value)
    return {domain: fmean(own) for domain, own in found.items()}


def mean_of_domains(values: Sequence[float], pairs: Sequence[Pair]) -> float:
    """The mean of the domains' means: every domain counts alike, however many crops it has."""
    return fmean(by_domain(values, pairs).values())


def count_text(crops: Sequence[Crop]) -> str:
    """How many crops of which domain, for logs and headers: "24 anime, 144 vector"."""
    counts: Mapping[str, int] = {
        domain: sum(crop.domain == domain for crop in crops) for domain in dict.fromkeys(c.domain for c in crops)
    }
    return ", ".join(f"{count} {domain}" for domain, count in counts.items())
