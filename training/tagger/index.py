"""What a tagger learns from: its vocabulary, and which picture bears which tag, as arrays of numbers.

DuckDB counts the tags (on the disk, beyond its memory); what is kept for the training is a few bytes a tag.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ...arch import SengaError
from .danbooru import read_danbooru
from .database import open_database, rating_names
from .settings import DataSettings
from .sources import fill, moved, read_captions, read_table
from .vocabulary import Tally, choose_vocabulary

logger = logging.getLogger("senga")

SPLITS = ("train", "val", "test", "unseen")  # unseen: drawing styles that are never trained on
CHUNK = 100_000  # pictures whose tags are turned into numbers at a time

TAGGED = """
select post, tag_id from labels join vocabulary using (tag, category)
where post between $first and $last order by post, tag_id
"""
# A picture's tags in doubt; of a source that knows some tags alone, all others that the picture does not have.
UNKNOWN = """
select post, tag_id from (select post, unnest(unknown) as tag from posts where post between $first and $last)
join vocabulary using (tag)
union
(select post, tag_id from posts cross join vocabulary
 where post between $first and $last and len(known) > 0 and not list_contains(known, tag)
 except
 select post, tag_id from labels join vocabulary using (tag, category) where post between $first and $last)
order by post, tag_id
"""

Array = NDArray[Any]


@dataclass(frozen=True)
class TagIndex:
    """Pictures by number; their tags as numbers into the vocabulary, laid end to end."""

    names: tuple[str, ...]
    categories: tuple[str, ...]
    files: Array  # (N,) str
    splits: Array  # (N,) number into SPLITS
    styles: Array  # (N,) str
    sources: Array  # (N,) str
    licences: tuple[str, ...]  # of the training pictures
    tags: Array  # tags of picture i are tags[starts[i]:starts[i + 1]]
    starts: Array
    unknown: Array  # the same, for tags whose label is unknown
    unknown_starts: Array

    def __len__(self) -> int:
        return len(self.files)

    def where(self, split: str) -> Array:
        """Numbers of a split's pictures."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def truth(self, i: int) -> tuple[Array, Array]:
        """(labels, known), both (T,) bool, of picture i."""
        labels, known = np.zeros(len(self.names), bool), np.ones(len(self.names), bool)
        labels[self.tags[self.starts[i] : self.starts[i + 1]]] = True
        known[self.unknown[self.unknown_starts[i] : self.unknown_starts[i + 1]]] = False
        return labels, known

    def counts(self, split: str = "train") -> tuple[Array, Array]:
        """(pictures of the split that have each tag, pictures whose label for it is known), both (T,)."""
        inside = self.splits == SPLITS.index(split)
        bearing, silent = (
            np.bincount(values[np.repeat(inside, np.diff(starts))], minlength=len(self.names))
            for values, starts in ((self.tags, self.starts), (self.unknown, self.unknown_starts))
        )
        return bearing, int(inside.sum()) - silent

    def sha256(self) -> str:
        """Of all that is learnt: files, splits, vocabulary and tags."""
        digest = hashlib.sha256(json.dumps([self.names, self.categories]).encode())
        digest.update("\n".join(self.files).encode())
        for array in (self.splits, self.tags, self.starts, self.unknown, self.unknown_starts):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return digest.hexdigest()


def build_index(settings: DataSettings, scratch: Path, summed: Callable[[Tally], Tally] | None = None) -> TagIndex:
    """Read, count, choose and number.

    Args:
        scratch: a folder for the database; it is made, and removed at the end.
        summed: the counts of these pictures -> those of all, where other machines have other parts.

    Raises:
        SengaError: the source cannot be read, or no tag or no training picture is left.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    database = open_database(scratch / "tags.duckdb", settings.memory_gib)
    try:
        read_source(database, settings, scratch)
        choose_vocabulary(database, settings, summed)
        return number(database, settings)
    finally:
        database.close()
        shutil.rmtree(scratch)


def read_source(database: duckdb.DuckDBPyConnection, settings: DataSettings, scratch: Path) -> None:
    folder = Path(settings.folder)
    if not folder.is_dir():
        raise SengaError(f"{folder}: there is no such folder; set data.folder")
    if settings.source == "danbooru":
        read_danbooru(database, settings)
    else:
        if settings.source == "captions":
            rows = read_captions(folder, settings.ratings, settings.encoding)
        else:
            rows = read_table(folder / settings.table, settings.ratings)
        fill(database, rows, folder, scratch / "rows.csv")
        database.execute("delete from posts where share('fraction:' || file) >= $1", [settings.fraction])
    for other in map(Path, settings.more):
        rows = moved(read_table(other / settings.table, settings.ratings), folder, other)
        fill(database, rows, folder, scratch / "rows.csv")
    untold = database.execute("select count(*) from posts where len(mixed) > 0").fetchall()[0][0]
    if untold and settings.source == "danbooru" and not settings.categories:
        raise SengaError(
            f"{folder}: {untold} posts have a tag_string alone, which does not distinguish artists from tags; set"
            " data.categories to the dump's tags.json"
        )


def number(database: duckdb.DuckDBPyConnection, settings: DataSettings) -> TagIndex:
    """The arrays. Ratings come last in the vocabulary; a picture without one is unknown for all of them."""
    vocabulary = database.execute("select tag, category from vocabulary order by tag_id").fetchall()
    ratings = rating_names(settings.ratings)
    texts = ("file", "split", "style", "source", "licence", "rating")
    chosen = ", ".join(f"coalesce({name}, '') as {name}" for name in texts)
    columns = database.execute(f"select post, {chosen} from pictures order by post").fetchnumpy()
    posts = columns["post"].astype(np.int64)
    splits = columns["split"].astype(str)
    strange = sorted(set(splits) - set(SPLITS))
    if strange:
        raise SengaError(f"{settings.folder}: has a split '{strange[0]}'; expected {', '.join(SPLITS)}")
    counts = {split: int((splits == split).sum()) for split in SPLITS}
    if not vocabulary or not counts["train"] or not counts["val"]:
        raise SengaError(
            f"{settings.folder}: gives {counts['train']} training pictures, {counts['val']} for validation and"
            f" {len(vocabulary)} tags; all three are needed. A tag counts from data.min_count = {settings.min_count}"
            f" training pictures on, and data.val = {settings.val:g} of the pictures are for validation: change these"
            " in a small set; and look at data.source"
        )
    # The rating goes behind a picture's other tags.
    first = len(vocabulary)
    rated = np.array([ratings.index(word) if word in ratings else -1 for word in columns["rating"]])
    bearing, silent = np.flatnonzero(rated >= 0), np.flatnonzero(rated < 0)
    tags, starts = ragged(database, TAGGED, posts, bearing, first + rated[bearing])
    unrated = first + np.tile(np.arange(len(ratings)), len(silent))
    unknown, unknown_starts = ragged(database, UNKNOWN, posts, np.repeat(silent, len(ratings)), unrated)
    train = splits == "train"
    return TagIndex(
        (*(tag for tag, _ in vocabulary), *ratings),
        (*(category for _, category in vocabulary), *["rating"] * len(ratings)),
        columns["file"].astype(str),
        np.select([splits == split for split in SPLITS], range(len(SPLITS)), 0).astype(np.uint8),
        columns["style"].astype(str),
        columns["source"].astype(str),
        tuple(sorted(set(columns["licence"].astype(str)[train]) - {""})),
        tags,
        starts,
        unknown,
        unknown_starts,
    )


def ragged(
    database: duckdb.DuckDBPyConnection, query: str, posts: Array, more_owners: Array, more_values: Array
) -> tuple[Array, Array]:
    """(tag numbers of all pictures end to end, where each picture's begin), the further ones behind its own.

    `more_owners` rise. Pictures are taken in chunks, so that little but the result is ever held.
    """
    values, counts = [], []
    for begin in range(0, len(posts), CHUNK):
        part = posts[begin : begin + CHUNK]
        found = database.execute(query, {"first": int(part[0]), "last": int(part[-1])}).fetchnumpy()
        more = slice(*np.searchsorted(more_owners, [begin, begin + len(part)]))
        owner = np.concatenate([np.searchsorted(part, found["post"]), more_owners[more] - begin])
        value = np.concatenate([found["tag_id"], more_values[more]]).astype(np.int32)
        values.append(value[np.argsort(owner, kind="stable")])
        counts.append(np.bincount(owner, minlength=len(part)))
    return np.concatenate(values), np.concatenate([[0], np.cumsum(np.concatenate(counts))])
