"""The crops that a run is validated on, by domain: what users see, not what the training set has most of.

A domain is a kind of picture: anime, painted, lines, patterns, vector, avatars. Scores are means of the domains' means,
so that four hundred clips of vector art do not drown six sprites.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np

from ....arch import SengaError
from ...datasets.procedural import validation_patterns
from ...degradation import Recipe, degrade_pair
from ...run.pictures import BROKEN
from ..pairs.pair_set import PairSet
from ..pictures.crops import content
from ..pictures.picture_files import WHITE, Member, Picture, decode, flatten, list_folder
from ..pictures.picture_set import FEW, SMALLEST, VALIDATION_CROP, PictureSet, evenly, validation_rows
from ..recipes import read_recipe, reduced_by
from ..settings import ValSettings

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
OWN, PAIRS = "own", "pairs"  # the domains of val.folder, and of val.pairs and the pairs that data.pairs holds out
VAL_CACHE = 0.25  # GiB of decoded pictures of val.pairs
LEAST = 3.0  # content under which a further crop of a picture is not worth a score


Place = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Crop:
    """An HR crop, (VALIDATION_CROP, VALIDATION_CROP, 3) uint8 over white (smaller if its picture is), and where it is
    from."""

    name: str
    domain: str
    picture: Picture
    lr: Picture | None = None  # of a pair; the LR pictures of others are made


@dataclass(frozen=True)
class Pair:
    """A crop and the LR picture made of it."""

    crop: Crop
    lr: Picture

    @property
    def hr(self) -> Picture:
        return self.crop.picture


def fullest(picture: Picture, count: int, scale: int = 1) -> list[Picture]:
    """Up to `count` squares of VALIDATION_CROP pixels that do not overlap, those with most content first.

    A side that is shorter is taken whole, up to a multiple of the scale.
    """
    return [np.ascontiguousarray(picture[place]) for place in fullest_places(picture, count, scale)]


def fullest_places(picture: Picture, count: int, scale: int = 1) -> list[Place]:
    """Where `fullest` cuts: rows and columns, whose beginnings and lengths are multiples of the scale."""
    side = VALIDATION_CROP
    high, wide = (min(side, length // scale * scale) for length in picture.shape[:2])
    starts = [
        range(0, length - taken + 1, side // 2) for length, taken in zip(picture.shape, (high, wide), strict=False)
    ]
    places = [(slice(y, y + high), slice(x, x + wide)) for y in starts[0] for x in starts[1]]
    taken: list[Place] = []
    for rows, columns in sorted(places, key=lambda place: -content(picture[place])):
        apart = (abs(rows.start - v.start) >= side or abs(columns.start - u.start) >= side for v, u in taken)
        if len(taken) < count and all(apart):
            taken.append((rows, columns))
    return taken[:1] + [place for place in taken[1:] if content(picture[place]) >= LEAST]


Pictures = list[tuple[str, Callable[[], Picture]]]  # names, and how each is read: one at a time is in memory


def cut_domain(domain: str, pictures: Pictures, scale: int = 1) -> list[Crop]:
    """CROPS crops of a domain, as even a number from each picture as can be; one of each where there are more."""
    each = max(1, -(-CROPS // max(1, len(pictures))))
    crops = [
        Crop(f"{name}#{i}" if i else name, domain, crop)
        for name, read in pictures
        for i, crop in enumerate(fullest(flatten(read(), WHITE), each, scale))
    ]
    warn_of_few(domain, crops)
    return crops


def warn_of_few(domain: str, crops: Sequence[Crop]) -> None:
    if 0 < len(crops) < FEW:
        way_out = "add pictures, raise data.val_share in a new run, or name val.folder"
        logger.warning("domain %s: %d validation crops say little; %s", domain, len(crops), way_out)


def cut_pairs(pairs: Sequence[PairSet], own: Sequence[PairSet], scale: int) -> list[Crop]:
    """The domain PAIRS: crops of the pairs held out of training, and of all pairs of `own` (`val.pairs`)."""
    chosen = [(pair, twin) for pair in pairs for twin in pair.val]
    chosen += [(pair, twin) for pair in own for twin in (*pair.train, *pair.val)]
    each = max(1, -(-CROPS // max(1, len(chosen))))
    crops = []
    for pair, twin in chosen:
        if pair.side(twin) * scale < SMALLEST:
            continue
        lr, hr = pair.pixels(twin)
        for i, (rows, columns) in enumerate(fullest_places(hr, each, scale)):
            small = tuple(slice(one.start // scale, one.stop // scale) for one in (rows, columns))
            name = f"{twin.hr.file}#{i}" if i else twin.hr.file
            crops.append(Crop(name, PAIRS, np.ascontiguousarray(hr[rows, columns]), np.ascontiguousarray(lr[small])))
    warn_of_few(PAIRS, crops)
    return crops


def _decoded(member: Member) -> Picture:
    return decode(member.read())


def pictures_of_folder(setting: str, folder: Path) -> Pictures:
    """Every picture below a folder that is large enough for a crop; if these are few, smaller ones too, from SMALLEST
    pixels a side.

    Raises:
        SengaError: there is none.
    """
    found: Pictures = []
    small: Pictures = []
    for member in list_folder(folder):
        try:
            side = min(decode(member.read()).shape[:2])
        except BROKEN as error:
            logger.warning("%s: %s cannot be read (%s)", setting, member.path, error)
            continue
        if side >= SMALLEST:
            (found if side >= VALIDATION_CROP else small).append((member.file, partial(_decoded, member)))
    if len(found) < FEW:
        found += small
    if not found:
        raise SengaError(
            f"{setting}: {folder} has no picture of {SMALLEST} pixels a side or more; name a folder with such pictures,"
            " or remove the line"
        )
    return found


@dataclass(frozen=True)
class Own:
    """A user's own validation pictures: the HR ones of `val.folder`, and the pairs of `val.pairs`."""

    pictures: Pictures
    pairs: Sequence[PairSet]


NO_OWN = Own([], [])


def open_own(val: ValSettings, scale: int) -> Own:
    """Look at every picture of `val.folder` and `val.pairs`. Raises SengaError where one of them has none to use."""
    pictures = pictures_of_folder("val.folder", Path(val.folder)) if val.folder else []
    return Own(pictures, [PairSet(pair, scale, VAL_CACHE, 0.0, "val.pairs") for pair in val.pairs])


def validation_crops(pictures: PictureSet, val: ValSettings, scale: int, own: Own = NO_OWN) -> list[Crop]:
    """All crops: of the set's validation pictures by domain, of the folders of `val.sets`, of a user's own pictures
    and pairs, of the pairs that `data.pairs` holds out, and the drawn ones.

    Raises:
        SengaError: no validation picture is large enough, a folder has none, or a font for the drawn ones is missing.
    """
    by_domain: dict[str, Pictures] = {}
    for row in validation_rows(pictures):
        domain = DOMAINS.get(row.source, row.source)
        by_domain.setdefault(domain, []).append((row.file, partial(pictures.pixels, row)))
    for domain, folder in val.sets.items():
        by_domain.setdefault(domain, []).extend(pictures_of_folder(f"val.sets.{domain}", Path(folder)))
    if own.pictures:
        by_domain.setdefault(OWN, []).extend(own.pictures)
    crops = [crop for domain, found in by_domain.items() for crop in cut_domain(domain, found, scale)]
    crops += cut_pairs(pictures.pairs, own.pairs, scale)
    if val.procedural:
        drawn = validation_patterns(scale)
        crops += [Crop(name, name.partition("/")[0], picture) for name, picture in drawn]
    if not crops:
        where = ", ".join(pair.where for pair in pictures.pairs) or pictures.folder
        raise SengaError(
            f"{where}: no validation picture has {SMALLEST} pixels a side; add larger ones, or use val.folder"
        )
    return crops


def some(crops: Sequence[Crop], count: int) -> list[Crop]:
    """About `count` of the crops, as many from each domain as can be, spread evenly within it; 0: all."""
    domains = list(dict.fromkeys(crop.domain for crop in crops))
    each = -(-count // len(domains)) if count else len(crops)
    chosen = []
    for domain in domains:
        chosen += evenly([crop for crop in crops if crop.domain == domain], each)
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
        if crop.lr is not None:
            pairs.append(Pair(crop, crop.lr))
            continue
        recipe = reduced_by(plain, FILTERS[crop.domain]) if crop.domain in FILTERS else plain
        lr, hr = made_pair(crop.picture, recipe)
        pairs.append(Pair(replace(crop, picture=hr), lr))
    return pairs


def made_pair(hr: Picture, recipe: Recipe) -> tuple[Picture, Picture]:
    """The LR picture of an HR one, and HR with what the recipe's `lq_hq` does, every time the same: the draws are
    seeded by the pixels."""
    seed = int.from_bytes(hashlib.sha256(hr.tobytes()).digest()[:8], "big")
    lr, hr, _ = degrade_pair(hr, recipe, seed=seed)
    return lr, hr


def by_domain(values: Sequence[float], pairs: Sequence[Pair]) -> dict[str, float]:
    """Domain -> mean of its crops' values."""
    found: dict[str, list[float]] = {}
    for value, pair in zip(values, pairs, strict=True):
        found.setdefault(pair.crop.domain, []).append(value)
    return {domain: fmean(own) for domain, own in found.items()}


def mean_of_domains(values: Sequence[float], pairs: Sequence[Pair]) -> float:
    """The mean of the domains' means: every domain counts alike, however many crops it has."""
    return fmean(by_domain(values, pairs).values())


def digest_of(pairs: Sequence[Pair]) -> str:
    """12 hexadecimal digits of the pixels of LR and HR: scores are comparable where these are the same."""
    digest = hashlib.sha256()
    for picture in (one for pair in pairs for one in (pair.lr, pair.hr)):
        digest.update(repr(picture.shape).encode() + picture.tobytes())
    return digest.hexdigest()[:12]


def count_text(crops: Sequence[Crop]) -> str:
    """How many crops of which domain, for logs and headers: "24 anime, 144 vector"."""
    counts: Mapping[str, int] = {
        domain: sum(crop.domain == domain for crop in crops) for domain in dict.fromkeys(c.domain for c in crops)
    }
    return ", ".join(f"{count} {domain}" for domain, count in counts.items())
