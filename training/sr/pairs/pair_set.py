"""Pictures that exist in both sizes: LR and HR by the same name, instead of LR made by a recipe."""

import copy
import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from ....arch import SengaError
from ....arch.errors import amount
from ...degradation.params import pick
from ..pictures.crops import FLAT, GLANCE, TRIES, Window, content, readable
from ..pictures.picture_files import WHITE, Picture, Row, UnreadableError, flatten
from ..pictures.picture_set import PictureSet
from ..settings import DataSettings, PairSettings
from .alignment import BORDER, FARTHEST, UNMOVED, Shift, best_shift, moved, usual_shift
from .pair_checks import look_at_pairs, warn_of_colours, warn_of_shift

logger = logging.getLogger("senga")


@dataclass(frozen=True)
class Twin:
    """An LR and an HR picture of one name."""

    lr: Row
    hr: Row

    @property
    def side(self) -> int:
        """LR pixels, the shorter side."""
        return self.lr.side

    def fits(self, scale: int) -> bool:
        """Whether HR is `scale` times LR, give or take what rounding a size makes."""
        sides = (self.lr.height, self.hr.height), (self.lr.width, self.hr.width)
        return all(abs(hr - lr * scale) < max(scale, 2) and hr >= scale for lr, hr in sides)


class PairSet:
    """Two sets of pictures, LR and HR, that belong together by their names without the ending.

    Args:
        setting: what names it in messages, such as "data.pairs".
        cache_gib: decoded pictures kept in memory, GiB, a fifth of it LR ones.
        val_share: of the pairs that are validated on, by a hash of the HR picture's name, where no manifest says it.

    Raises:
        SengaError: a folder is missing or empty, no names match, no pair has the scale, or `align` is on and the
            pictures are too far apart for it.
    """

    def __init__(self, pair: PairSettings, scale: int, cache_gib: float, val_share: float, setting: str) -> None:
        self.scale, self.weight, self.align = scale, pair.weight, pair.align
        self.border = BORDER if pair.align else 0  # LR pixels of every side that are not used
        self._usual = UNMOVED
        self._shifts: dict[str, Shift] = {}  # LR pixels, by HR file: measured when a pair is first used
        self._large: dict[int, list[Twin]] = {}
        self.where = f"{setting} {pair.lr} and {pair.hr}"
        try:
            self.lr = PictureSet(pair.lr, cache_gib * 0.2, val_share)
            self.hr = PictureSet(pair.hr, cache_gib * 0.8, val_share)
        except SengaError as error:
            raise SengaError(f"{setting}: {error}") from error
        self.train = self._matched(self.hr.train)
        self.val = self._matched(self.hr.val)
        self._check()
        about = f"{self.lr.sha256} {self.hr.sha256} {self.weight}{' aligned' * self.align}"
        self.sha256 = hashlib.sha256(about.encode()).hexdigest()

    def _matched(self, rows: Sequence[Row]) -> list[Twin]:
        known = _by_name([*self.lr.train, *self.lr.val])
        return [Twin(known[name], row) for name, row in _by_name(rows).items() if name in known]

    def _check(self) -> None:
        """Names and sizes of all, the shift and the colours of some."""
        found = [*self.train, *self.val]
        if not found:
            first = [min((row.file for row in (*one.train, *one.val)), default="") for one in (self.lr, self.hr)]
            raise SengaError(
                f"{self.where}: no picture of one has the name of one of the other (the first are {first[0]!r} and"
                f" {first[1]!r}); expected the same names, whatever their endings"
            )
        for one in (self.lr, self.hr):
            if alone := len(one.train) + len(one.val) - len(found):
                logger.warning(
                    "%s: %s of %s left out, without partner", self.where, amount(alone, "picture"), one.folder
                )
        wrong = [twin for twin in found if not twin.fits(self.scale)]
        if wrong:
            lr, hr = wrong[0].lr, wrong[0].hr
            sizes = f"{lr.file} has {lr.width}x{lr.height} pixels and {hr.file} {hr.width}x{hr.height}"
            expected = f"expected {self.scale} times the size, as the network's scale is {self.scale}"
            if len(wrong) == len(found):
                raise SengaError(f"{self.where}: {sizes}; {expected}")
            logger.warning("%s: %s left out: %s; %s", self.where, amount(len(wrong), "pair"), sizes, expected)
        self.train, self.val = (
            [twin for twin in part if twin.fits(self.scale) and self.side(twin) > 0] for part in (self.train, self.val)
        )
        self._look()

    def _look(self) -> None:
        """Warns of shifts and other colours, and with `align` measures how the pairs are shifted as a rule."""
        twins = [*self.train, *self.val]
        found = look_at_pairs(twins, self.read)
        warn_of_colours(found, self.where)
        if not self.align:
            warn_of_shift(found, self.scale, self.where, "set align = true for these pairs, or align the pictures")
            return
        self._usual = usual_shift(found.shifts)
        down, right = (self.scale * one for one in self._usual)
        if max(map(abs, self._usual)) > FARTHEST:
            raise SengaError(
                f"{self.where}: LR is {down:.2f} HR pixels lower and {right:.2f} further right than HR; align corrects"
                f" {FARTHEST * self.scale:g} at most: crop the pictures to the same part"
            )
        logger.info(
            "%s: %d of %d pairs looked at were shifted; HR is moved by %.2f pixels down and %.2f right (by the median)",
            *(self.where, found.moved(self.scale), len(found.shifts), down, right),
        )
        left = look_at_pairs(twins, self.pixels)
        warn_of_shift(left, self.scale, self.where, "align cannot correct these; look at them")

    def side(self, twin: Twin) -> int:
        """LR pixels of the shorter side that can be used."""
        return twin.side - 2 * self.border

    def read(self, twin: Twin, background: Picture = WHITE) -> tuple[Picture, Picture]:
        """(h, w, 3) LR and (scale * h, scale * w, 3) HR uint8 as they are in the files, clear parts over one colour.

        An HR picture whose size is no multiple of the scale (301 pixels reduced to 150) is resized to one by Lanczos:
        cut off instead, it would be a pixel beside its LR at the far end.

        Raises:
            UnreadableError: a file has gone bad or changed its size since it was looked at.
        """
        lr, hr = self.lr.pixels(twin.lr), self.hr.pixels(twin.hr)
        if lr.shape[:2] != (twin.lr.height, twin.lr.width) or hr.shape[:2] != (twin.hr.height, twin.hr.width):
            raise UnreadableError(f"{self.where}: {twin.hr.file} has changed its size; start again to look at it anew")
        lr, hr = flatten(lr, background), flatten(hr, background)
        size = lr.shape[1] * self.scale, lr.shape[0] * self.scale
        if hr.shape[1::-1] != size:
            hr = np.asarray(Image.fromarray(hr).resize(size, Image.Resampling.LANCZOS))
        return lr, hr

    def pixels(self, twin: Twin, background: Picture = WHITE) -> tuple[Picture, Picture]:
        """What `read` gives; with `align` without its border, HR moved. Raises as `read` does."""
        lr, hr = self.read(twin, background)
        rows, columns = (slice(self.border, length - self.border) for length in lr.shape[:2])
        return self.cut(twin, lr, hr, rows, columns)

    def cut(self, twin: Twin, lr: Picture, hr: Picture, rows: slice, columns: slice) -> tuple[Picture, Picture]:
        """A part, in LR pixels and within the border, of what `read` gave, and its HR, moved with `align`."""
        large = [slice(one.start * self.scale, one.stop * self.scale) for one in (rows, columns)]
        if not self.align:
            return lr[rows, columns], hr[large[0], large[1]]
        down, right = (self.scale * one for one in self._shift(twin))
        return lr[rows, columns], moved(hr, (down, right), large[0], large[1])

    def _shift(self, twin: Twin) -> Shift:
        """A function of the two files alone, so that every process finds the same."""
        if twin.hr.file not in self._shifts:
            self._shifts[twin.hr.file] = best_shift(*self.read(twin), self._usual)
        return self._shifts[twin.hr.file]

    def large(self, side: int) -> list[Twin]:
        """Those to train on with both sides of at least `side` LR pixels."""
        if side not in self._large:
            self._large[side] = [twin for twin in self.train if self.side(twin) >= side]
        return self._large[side]

    def parted(self, parts: int) -> "PairSet":
        """For one of several processes: an empty cache and a share of the memory."""
        part = copy.copy(self)
        part.lr, part.hr = self.lr.parted(parts), self.hr.parted(parts)
        return part


def _by_name(rows: Sequence[Row]) -> dict[str, Row]:
    """By the name without its ending; of two of the same the first."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(PurePosixPath(row.file).with_suffix("").as_posix(), row)
    return found


def uses_folder(data: DataSettings) -> bool:
    """Whether patches are cut from `data.folder`: all but those of pairs are."""
    return not data.pairs or data.pairs_share < 1


def open_pictures(data: DataSettings, scale: int) -> PictureSet:
    """The set of `data.folder`, with the pairs of `data.pairs` as its `pairs`; without a folder if all patches are from
    pairs.

    Raises:
        SengaError: as `PictureSet` and `PairSet`; or no pair is large enough for a patch.
    """
    alone = not uses_folder(data)
    share = 1 / (len(data.pairs) + (not alone))  # of the memory, for each
    pictures = PictureSet(None if alone else data.folder, data.cache_gib * share, data.val_share)
    if not data.pairs:
        return pictures
    pairs = [PairSet(pair, scale, data.cache_gib * share, data.val_share, "data.pairs") for pair in data.pairs]
    pictures.pairs = [pair for pair in pairs if pair.weight and pair.large(data.patch)]
    for pair in pairs:
        if not pair.large(data.patch):
            logger.warning("%s: no LR picture to train on has %d pixels a side; not used", pair.where, data.patch)
    if not pictures.pairs:
        raise SengaError(
            f"data.pairs: no LR picture to train on has the {data.patch} pixels a side of a patch; lower data.patch, or"
            " add pairs"
        )
    pictures.sha256 = hashlib.sha256(
        "\n".join([pictures.sha256, *(pair.sha256 for pair in pairs)]).encode()
    ).hexdigest()
    found = {twin.hr.licence for pair in pictures.pairs for twin in pair.train}
    pictures.licences = tuple(sorted({*pictures.licences, *found}))
    return pictures


def sample_pair(pairs: Sequence[PairSet], side: int, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """A random LR patch of `side` pixels with its HR patch, turned and mirrored alike.

    The set by its weight, then any of its pairs, then a place with content (TRIES are looked at).
    """

    def drawn() -> tuple[PairSet, Twin, Picture, Picture]:
        pair = pick(list(pairs), [one.weight for one in pairs], rng.random())
        twins = pair.large(side)
        twin = twins[rng.integers(len(twins))]
        background = WHITE if rng.random() < 0.5 else rng.integers(0, 256, 3, dtype=np.uint8)
        return pair, twin, *pair.read(twin, background)

    pair, twin, lr, hr = readable(drawn)
    _, top, left = max(_windows(lr, hr, side, pair, rng), key=lambda found: found[0])
    crops = pair.cut(twin, lr, hr, slice(top, top + side), slice(left, left + side))
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    turned = [np.rot90(crop[:, ::-1] if mirrored else crop, turns) for crop in crops]
    return np.ascontiguousarray(turned[0]), np.ascontiguousarray(turned[1])


def _windows(
    lr: Picture, hr: Picture, side: int, pair: PairSet, rng: np.random.Generator
) -> Iterator[tuple[float, int, int]]:
    """Content, top and left (LR pixels) of random places, up to the first that has enough."""
    for _ in range(TRIES):
        top, left = (int(rng.integers(length - side - 2 * pair.border + 1)) + pair.border for length in lr.shape[:2])
        large = Window(top * pair.scale, left * pair.scale, side * pair.scale, WHITE).cut(hr)
        seen = content(large[::GLANCE, ::GLANCE])
        yield seen, top, left
        if seen >= FLAT:
            return
