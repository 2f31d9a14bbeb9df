"""The tags of a tagger's outputs."""

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import SengaError, brief, quoted
from .exclusive import Groups, counts_of_people
from .files.reading import read_json, read_text

CATEGORIES = ("general", "character", "rating")
# Danbooru's numbers, and 9 as in SmilingWolf's selected_tags.csv. Artists (1), copyrights (3) and meta tags (5)
# have no category of their own here: they count as general.
NUMBERS = {0: "general", 1: "general", 3: "general", 4: "character", 5: "general", 9: "rating"}
MOST_TAGS = 250_000  # in a list; the longest that is known has 70,527
RATINGS = ("general", "safe", "sensitive", "questionable", "explicit")


@dataclass(frozen=True)
class TagVocabulary:
    """Names and categories in the order of a head's outputs; checked on creation.

    Raises:
        SengaError: lengths differ, a category is unknown, a name occurs twice, or a threshold is not in [0, 1], a group
            names a tag that is not there.
    """

    names: tuple[str, ...]  # as on Danbooru, with underscores
    categories: tuple[str, ...]  # "general", "character" or "rating", one for each name
    counts: tuple[int, ...] = ()  # training pictures with the tag; empty: unknown
    thresholds: tuple[float, ...] = ()  # of each tag, fitted on the validation set; empty: not fitted
    untrained: tuple[str, ...] = ()  # categories whose outputs were not trained
    exclusive: Groups = ()  # groups of names of which a picture gets the likeliest; empty: `groups` derives them

    def __post_init__(self) -> None:
        for name in ("names", "categories", "counts", "thresholds", "untrained"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "exclusive", tuple(tuple(group) for group in self.exclusive))
        if not self.names:
            raise SengaError("the vocabulary has no tags; expected one or more")
        for name in ("categories", "counts", "thresholds"):
            values = getattr(self, name)
            if len(values) != len(self.names) and (values or name == "categories"):
                raise SengaError(
                    f"the vocabulary has {len(self.names)} tags but {len(values)} {name}; expected equal numbers"
                )
        if odd := [c for c in (*self.categories, *self.untrained) if c not in CATEGORIES]:
            raise SengaError(
                f"the vocabulary has the category {quoted(odd[0])}; expected one of {', '.join(CATEGORIES)}"
            )
        if odd := [n for n in self.names if not isinstance(n, str) or not n.strip()]:
            raise SengaError(f"the vocabulary has the tag {quoted(odd[0])}; expected a name")
        if len(set(self.names)) != len(self.names):
            seen: set[str] = set()
            twice = next(n for n in self.names if n in seen or seen.add(n))
            raise SengaError(f"the vocabulary has the tag {quoted(twice)} twice; expected each once")
        if odd := [t for t in self.thresholds if not (isinstance(t, int | float) and 0 <= t <= 1)]:  # also NaN
            raise SengaError(f"the vocabulary has the threshold {quoted(odd[0])}; expected 0 to 1")
        known = set(self.names)
        if odd := [n for group in self.exclusive for n in group if not isinstance(n, str) or n not in known]:
            raise SengaError(f"the vocabulary has a group with {quoted(odd[0])}, which is not one of its tags")

    def __len__(self) -> int:
        return len(self.names)

    # Kept, since they are asked for with every picture, and some vocabularies have 70,000 names.
    @cached_property
    def groups(self) -> Groups:
        """The tags that exclude each other: as the file says, else Danbooru's counts of people."""
        return self.exclusive or counts_of_people(self.names)

    @cached_property
    def trained(self) -> dict[str, list[str]]:
        """The names of each category that the network was trained on, in the order of its outputs."""
        found = {category: [self.names[i] for i in self.indices(category)] for category in CATEGORIES}
        return {c: names for c, names in found.items() if names and c not in self.untrained}

    def indices(self, category: str) -> list[int]:
        """The indices of a category's tags."""
        return [i for i, found in enumerate(self.categories) if found == category]


def read_vocabulary(path: Path) -> TagVocabulary:
    """Read the list of tags that comes with other people's taggers.

    `.csv`: SmilingWolf's `selected_tags.csv` (columns `name`, `category`, optionally `count`; category 0 is general, 4
    character, 9 rating; artists 1, copyrights 3 and meta tags 5 count as general). `.json`: names in order, pairs
    `[index, name]`, triples `[index, name, category]`, `{index: name}` or `{name: index}`; without categories, names
    of ratings are ratings and all others are general.

    Raises:
        SengaError: the file has another form, or an index is missing or occurs twice.
    """
    found = csv_rows(path) if path.suffix.lower() == ".csv" else read_json(path)
    try:
        return TagVocabulary(*(_from_csv(found) if path.suffix.lower() == ".csv" else _from_json(found)))
    except SengaError as error:
        raise SengaError(f"{brief(path.name)}: {error}") from error


def csv_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a list of tags by column name, cells that are missing as "". Raises SengaError, naming the file."""
    text = io.StringIO(read_text(path), newline="")
    try:
        rows = list(islice(csv.DictReader(text, restkey="", restval=""), MOST_TAGS + 1))
    except csv.Error as error:
        raise SengaError(f"{path}: cannot be read as a list of tags ({brief(error)}); copy it again") from error
    if len(rows) > MOST_TAGS:
        raise SengaError(f"{path}: has more than {MOST_TAGS} rows; expected a list of tags")
    return rows


Columns = tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]


def _from_csv(rows: list[dict[str, str]]) -> Columns:
    if not rows or not {"name", "category"} <= rows[0].keys():
        found = brief(", ".join(rows[0])) if rows else "nothing"
        raise SengaError(f"has the columns {found}; expected name and category, as in selected_tags.csv")
    categories = tuple(_category(row["category"]) for row in rows)
    counts = [_number(row.get("count", "")) for row in rows]
    known = tuple(count for count in counts if count is not None)
    return tuple(row["name"] for row in rows), categories, known if len(known) == len(rows) else ()


def _number(text: str) -> int | None:
    """A whole number in text, None for any other text and for what no count or index can be."""
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _from_json(found: Any) -> Columns:
    if isinstance(found, dict):
        numbers = [_number(key) for key in found]
        by_index = None not in numbers
        entries: list[tuple[Any, ...]] = [
            (number, value) if by_index else (value, key)
            for number, (key, value) in zip(numbers, found.items(), strict=True)
        ]
    elif isinstance(found, list) and all(isinstance(item, list) for item in found):
        entries = [tuple(item) for item in found]
    elif isinstance(found, list):
        entries = list(enumerate(found))
    else:
        entries = []
    if not entries or not all(
        len(e) in (2, 3) and type(e[0]) is int and isinstance(e[1], str) and e[1].strip() for e in entries
    ):
        raise SengaError('holds no tags; expected ["name", ...], [[index, "name"], ...] or {"index": "name"}')
    entries.sort(key=lambda entry: entry[0])
    if [entry[0] for entry in entries] != list(range(len(entries))):
        raise SengaError(f"has {len(entries)} tags; expected each index from 0 to {len(entries) - 1} once")
    names = tuple(entry[1] for entry in entries)
    if all(len(entry) == 3 for entry in entries):
        return names, tuple(_category(entry[2]) for entry in entries), ()
    # "general" is a rating only if there are others.
    rated = {name for name in names if name in RATINGS} - ({"general"} if not {*RATINGS[1:]} & {*names} else set())
    categories = ("rating" if n in rated or n.startswith(("rating:", "rating_")) else "general" for n in names)
    return names, tuple(categories), ()


def _category(value: object) -> str:
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text in CATEGORIES:
        return text
    number = _number(text)
    if number not in NUMBERS:
        known = ", ".join(f"{number} {name}" for number, name in NUMBERS.items())
        raise SengaError(f"has the category {quoted(value)}; known are {known}")
    return NUMBERS[number]
