"""The tags that a tagger's outputs stand for."""

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import SengaError

CATEGORIES = ("general", "character", "rating")
# Danbooru's numbers, and 9 as SmilingWolf's selected_tags.csv has it. Artists (1), copyrights (3) and meta (5) have
# no category of their own here: they are tags of the picture like others.
NUMBERS = {0: "general", 1: "general", 3: "general", 4: "character", 5: "general", 9: "rating"}
RATINGS = ("general", "safe", "sensitive", "questionable", "explicit")


@dataclass(frozen=True)
class TagVocabulary:
    """Names and categories in the order of a head's outputs; checked at birth.

    Raises:
        SengaError: lengths differ, a category is unknown, a name stands twice, a threshold is not in [0, 1].
    """

    names: tuple[str, ...]  # as Danbooru writes them, with underscores
    categories: tuple[str, ...]  # "general", "character" or "rating", one for each name
    counts: tuple[int, ...] = ()  # pictures with the tag in the training set; empty: not known
    thresholds: tuple[float, ...] = ()  # each tag's own, fitted on validation; empty: none were fitted
    untrained: tuple[str, ...] = ()  # categories whose outputs were never taught

    def __post_init__(self) -> None:
        for name in ("names", "categories", "counts", "thresholds", "untrained"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.names:
            raise SengaError("the vocabulary has no tags; wanted one or more")
        for name in ("categories", "counts", "thresholds"):
            values = getattr(self, name)
            if len(values) != len(self.names) and (values or name == "categories"):
                raise SengaError(f"the vocabulary has {len(self.names)} tags but {len(values)} {name}; wanted as many")
        if odd := [c for c in (*self.categories, *self.untrained) if c not in CATEGORIES]:
            raise SengaError(f"the vocabulary has the category {odd[0]!r}; it is one of {', '.join(CATEGORIES)}")
        if odd := [n for n in self.names if not isinstance(n, str) or not n.strip()]:
            raise SengaError(f"the vocabulary has the tag {odd[0]!r}; wanted a name")
        if len(set(self.names)) != len(self.names):
            seen: set[str] = set()
            twice = next(n for n in self.names if n in seen or seen.add(n))
            raise SengaError(f"the vocabulary has the tag {twice!r} twice; wanted each once")
        if odd := [t for t in self.thresholds if not (math.isfinite(t) and 0 <= t <= 1)]:
            raise SengaError(f"the vocabulary has the threshold {odd[0]}; wanted 0 to 1")

    def __len__(self) -> int:
        return len(self.names)

    def indices(self, category: str) -> list[int]:
        """The places of a category's tags."""
        return [i for i, found in enumerate(self.categories) if found == category]


def read_vocabulary(path: Path) -> TagVocabulary:
    """A vocabulary from the file that comes with other people's taggers.

    `.csv`: SmilingWolf's `selected_tags.csv` (columns `name`, `category`, and `count` if any; the number is 0 general,
    4 character, 9 rating; artists 1, copyrights 3 and meta tags 5 count as general). `.json`: names in order, pairs
    `[index, name]`, triples `[index, name, category]`, `{index: name}` or `{name: index}`; without categories, names
    that are ratings are ratings and all others are general.

    Raises:
        SengaError: the file's form is none of these, or an index is missing or stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names, categories, counts = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json(json.loads(text))
        return TagVocabulary(names, categories, counts)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise SengaError(f"{path.name}: is no list of tags that can be read ({error})") from error
    except SengaError as error:
        raise SengaError(f"{path.name}: {error}") from error


Columns = tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]


def _from_csv(text: str) -> Columns:
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows or not {"name", "category"} <= rows[0].keys():
        found = ", ".join(rows[0]) if rows else "nothing"
        raise SengaError(f"has the columns {found}; wanted name and category, as selected_tags.csv has them")
    categories = tuple(_category(row["category"]) for row in rows)
    counts = [row.get("count") or "" for row in rows]
    known = tuple(int(c) for c in counts) if all(c.isdecimal() for c in counts) else ()
    return tuple(row["name"] for row in rows), categories, known


def _from_json(found: Any) -> Columns:
    if isinstance(found, dict):
        by_index = all(str(key).isdecimal() for key in found)
        entries: list[tuple[Any, ...]] = [(int(k), v) if by_index else (v, k) for k, v in found.items()]
    elif isinstance(found, list) and all(isinstance(item, list) for item in found):
        entries = [tuple(item) for item in found]
    elif isinstance(found, list):
        entries = list(enumerate(found))
    else:
        entries = []
    if not entries or not all(
        len(e) in (2, 3) and type(e[0]) is int and isinstance(e[1], str) and e[1].strip() for e in entries
    ):
        raise SengaError('holds no tags; wanted ["name", ...], [[index, "name"], ...] or {"index": "name"}')
    entries.sort(key=lambda entry: entry[0])
    if [entry[0] for entry in entries] != list(range(len(entries))):
        raise SengaError(f"has {len(entries)} tags whose indices are not 0 to {len(entries) - 1}, each once")
    names = tuple(entry[1] for entry in entries)
    if all(len(entry) == 3 for entry in entries):
        return names, tuple(_category(entry[2]) for entry in entries), ()
    # "general" alone may be anything; beside another rating it is one.
    rated = {name for name in names if name in RATINGS} - ({"general"} if not {*RATINGS[1:]} & {*names} else set())
    categories = ("rating" if n in rated or n.startswith(("rating:", "rating_")) else "general" for n in names)
    return names, tuple(categories), ()


def _category(value: object) -> str:
    text = str(value).strip().lower()
    if text in CATEGORIES:
        return text
    if not text.isdecimal() or int(text) not in NUMBERS:
        known = ", ".join(f"{number} {name}" for number, name in NUMBERS.items())
        raise SengaError(f"has the category {value!r}; known are {known}")
    return NUMBERS[int(text)]
