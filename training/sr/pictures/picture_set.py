"""A set of pictures: what is in it, what was rejected, and decoded pictures kept within a byte budget."""

import copy
import csv
import hashlib
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ....arch import SengaError
from ...run.pictures import BROKEN
from .picture_files import (
    MANIFEST,
    SURVEY,
    Member,
    Picture,
    Row,
    UnreadableError,
    decode,
    find_shards,
    list_folder,
    place,
    read_manifest,
)
from .survey import Facts, survey_folder, survey_shard

if TYPE_CHECKING:  # pair_set.py imports PictureSet from here
    from ..pairs.pair_set import PairSet

logger = logging.getLogger("senga")

Entry = TypeVar("Entry")

VALIDATION_CROP = 192  # HR pixels; a multiple of every scale
UNKNOWN = "unknown"  # licence of pictures without one
SOURCE = "pictures"  # and their source
FEW = 6  # pictures to validate on; below it smaller ones than VALIDATION_CROP are used too, at their own size
SMALLEST = 48  # HR pixels a side of those; SSIM and SSIMULACRA2 need some


@dataclass(frozen=True)
class Rejected:
    file: str
    reason: str


class PictureSet:
    """Pictures in a folder with a manifest.csv, in a plain folder, or in shards; decoded on demand, from any thread.

    Every picture is looked at when the set is opened first (see `survey`); what cannot be used is in `rejected` and in
    neither `train` nor `val`. Without a manifest a picture's name decides its split, and licences are "unknown".

    Args:
        folder: a folder; the tar shards of a WebDataset as `shards-{000..012}.tar`, `shards/*.tar` or one file; or None
            for an empty set.
        cache_gib: decoded pictures kept in memory, GiB.
        val_share: of the pictures without a split that are validated on, 0 to 1; one at least.

    Raises:
        SengaError: nothing there, a manifest with a fault, or one without training or validation pictures.
    """

    def __init__(self, folder: Path | str | None, cache_gib: float, val_share: float = 0.02) -> None:
        self.folder = Path(folder or "")
        self.pairs: list[PairSet] = []  # see pairs/pair_set.py
        self.rejected: list[Rejected] = []
        self._members: dict[str, Member] = {}
        self._sources: dict[int, dict[str, list[Row]]] = {}
        self._budget = int(cache_gib * 2**30)
        self._empty_cache()
        rows, digest = self._open(str(folder), val_share) if folder is not None else ([], "")
        rows.sort(key=lambda row: row.file)  # the stream does not depend on the order of lines or shards
        self.train = [row for row in rows if row.split == "train"]
        self.val = [row for row in rows if row.split == "val"]
        lost = "".join(f"\n{one.file}" for one in self.rejected)
        self.sha256 = hashlib.sha256((digest + lost).encode()).hexdigest() if lost else digest
        self.licences = tuple(sorted({row.licence for row in self.train}))

    def _open(self, pattern: str, val_share: float) -> tuple[list[Row], str]:
        """The usable rows, and the hash that names the set."""
        manifest = self.folder / MANIFEST
        if pattern.endswith(".tar"):
            return self._without_manifest(_once(map(survey_shard, find_shards(pattern))), val_share)
        if manifest.is_file():
            return self._with_manifest(manifest)
        members = list_folder(self.folder) if self.folder.is_dir() else []
        if not members:
            found = "no manifest and no pictures are in it" if self.folder.is_dir() else "there is no such folder"
            raise SengaError(
                f"{self.folder}: {found}; name a folder of pictures, or build the set with"
                f" senga data build-art --out {self.folder}"
            )
        return self._without_manifest(survey_folder(members, self.folder / SURVEY), val_share)

    def _with_manifest(self, manifest: Path) -> tuple[list[Row], str]:
        listed = [row for row in read_manifest(manifest) if row.split in ("train", "val")]
        splits = Counter(row.split for row in listed)
        if not splits["train"] or not splits["val"]:
            raise SengaError(
                f"{manifest}: has {splits['train']} train and {splits['val']} val pictures; both are needed"
            )
        found = survey_folder([Member(row.file, self.folder / row.file) for row in listed], self.folder / SURVEY)
        rows = []
        for row, facts in zip(listed, found, strict=True):
            other = row.sha256 and facts.sha256 and row.sha256 != facts.sha256
            fault = facts.fault or ("is not the file that the manifest names (its sha256 differs)" if other else "")
            if self._take(facts, fault):
                size = facts.width, facts.height
                found_out = facts.sha256, facts.difficulty, *size
                rows.append(Row(row.file, row.split, row.source, row.licence, min(size), *found_out))
        return rows, hashlib.sha256(manifest.read_bytes()).hexdigest()

    def _without_manifest(self, found: Sequence[Facts], val_share: float) -> tuple[list[Row], str]:
        usable = [facts for facts in found if self._take(facts, facts.fault)]
        unsplit = sorted((f.member.file for f in usable if not f.member.split), key=place)
        val = {file for i, file in enumerate(unsplit) if place(file) < val_share or i == 0}
        rows = []
        for facts in usable:
            member = facts.member
            split = member.split or ("val" if member.file in val else "train")
            size = facts.width, facts.height
            licence, source = member.licence or UNKNOWN, member.source or SOURCE
            rows.append(Row(member.file, split, source, licence, min(size), facts.sha256, facts.difficulty, *size))
        listing = "".join(sorted(f"{row.file} {row.sha256} {row.split}\n" for row in rows))
        return rows, hashlib.sha256(listing.encode()).hexdigest()

    def _take(self, facts: Facts, fault: str) -> bool:
        if fault:
            self.rejected.append(Rejected(facts.member.file, fault))
        else:
            self._members[facts.member.file] = facts.member
        return not fault

    def sources(self, side: int) -> dict[str, list[Row]]:
        """Training pictures by source, those with both sides of at least `side` pixels. SengaError if there is none."""
        if side in self._sources:
            return self._sources[side]
        by_source: dict[str, list[Row]] = {}
        for row in self.train:
            if row.side >= side:
                by_source.setdefault(row.source, []).append(row)
        if not by_source:
            largest = max((row.side for row in self.train), default=0)
            raise SengaError(
                f"{self.folder}: no training picture has the {side} pixels a side that a patch needs (the largest has"
                f" {largest}); lower data.patch or add larger pictures"
            )
        self._sources[side] = by_source
        return by_source

    # --- pixels ---

    def read(self, row: Row) -> bytes:
        """The picture's file as it is. Raises OSError."""
        return self._members[row.file].read()

    def pixels(self, row: Row) -> Picture:
        """(H, W, 3) uint8, or (H, W, 4) where some of it is clear. Raises UnreadableError for a file gone bad since."""
        with self._lock:
            if row.file in self._cache:
                self._cache.move_to_end(row.file)
                return self._cache[row.file]
        member = self._members[row.file]
        try:
            picture = decode(member.read())
        except BROKEN as error:
            raise UnreadableError(f"{member.path}: {row.file} cannot be read any more ({error}); replace it") from error
        if min(picture.shape[:2]) < row.side:
            raise UnreadableError(f"{member.path}: {row.file} has become smaller; start again to look at it anew")
        with self._lock:
            if row.file not in self._cache and picture.nbytes <= self._budget:
                self._cache[row.file] = picture
                self._bytes += picture.nbytes
                while self._bytes > self._budget:
                    self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return picture

    def parted(self, parts: int) -> "PictureSet":
        """The same set with an empty cache and a share of the budget, for one of several processes."""
        part = copy.copy(self)
        part.pairs = [pair.parted(parts) for pair in self.pairs]
        part._budget = self._budget // parts
        part._empty_cache()
        return part

    def _empty_cache(self) -> None:
        self._cache: OrderedDict[str, Picture] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_cache", "_bytes", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._empty_cache()


def _once(found: "map[list[Facts]]") -> list[Facts]:
    """All shards' facts. A name that an earlier shard has already is distinguished by its shard's name."""
    by_name: dict[str, Facts] = {}
    for facts in (one for shard in found for one in shard):
        member = facts.member
        if member.file in by_name:
            member = replace(member, file=f"{member.path.name}/{member.file}")
        by_name[member.file] = replace(facts, member=member)
    return list(by_name.values())


def evenly(entries: Sequence[Entry], count: int) -> list[Entry]:
    """`count` of the entries, or all of fewer, spread evenly."""
    taken = min(count, len(entries))
    return [entries[i * len(entries) // taken] for i in range(taken)]


def validation_rows(pictures: PictureSet) -> list[Row]:
    """The pictures that are validated on: those large enough for a crop; where these are few, smaller ones too."""
    large = [row for row in pictures.val if row.side >= VALIDATION_CROP]
    return large if len(large) >= FEW else [row for row in pictures.val if row.side >= SMALLEST]


def check_set(pictures: PictureSet, side: int, folder: Path | None = None) -> list[Rejected]:
    """What is not used of a set: broken files, and pictures smaller than a training crop of `side` HR pixels.

    They are logged by reason and written to FOLDER/rejected.csv.

    Raises:
        SengaError: no picture is left to train or to validate on.
    """
    used = validation_rows(pictures)
    val_side = VALIDATION_CROP if len(used) >= FEW and min(row.side for row in used) >= VALIDATION_CROP else SMALLEST
    small = [
        Rejected(row.file, f"is too small ({row.side} pixels; {needed} are needed)")
        for rows, needed in ((pictures.train, side), (pictures.val, val_side))
        for row in rows
        if row.side < needed
    ]
    rejected = sorted([*pictures.rejected, *small], key=lambda one: one.file)
    for reason, count in Counter(one.reason.partition(" (")[0] for one in rejected).most_common():
        first = next(one for one in rejected if one.reason.startswith(reason))
        logger.warning("%s: %d not used: %s %s", pictures.folder, count, first.file, first.reason)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "rejected.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file", "reason"), *((one.file, one.reason) for one in rejected)])
    train = sum(row.side >= side for row in pictures.train)
    val = len(used)
    if not train or not val:
        first = f" (the first: {rejected[0].file} {rejected[0].reason})" if rejected else ""
        raise SengaError(
            f"{pictures.folder}: {train} pictures are left to train on and {val} to validate on, {len(rejected)} were"
            f" rejected{first}; add pictures, or lower data.patch"
        )
    return rejected
