"""Lists of tags and of thresholds in the forms that other programs publish."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from ..errors import SengaError
from ..files.reading import read_json, read_text
from ..tags import Options
from ..vocabulary import TagVocabulary, csv_rows, read_vocabulary

COLUMNS = ("best_threshold", "best_thresholds")  # of a CSV: each tag's own threshold


def read_tags(path: Path) -> TagVocabulary:
    """A list of tags in any of the published forms: CSV, JSON, camie-tagger's metadata, JoyTag's lines.

    Raises:
        SengaError: the file has none of these forms.
    """
    if path.suffix.lower() == ".txt":
        names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
        return _named(path, names, ("general",) * len(names))
    if path.suffix.lower() == ".csv":
        vocabulary = read_vocabulary(path)
        rows = csv_rows(path)
        column = next((name for name in COLUMNS if name in rows[0]), None)
        if column is None:
            return vocabulary
        return with_thresholds(vocabulary, {row["name"]: row[column] for row in rows})
    if (mapping := camie_tables(path)) is not None:
        names = tuple(str(mapping["idx_to_tag"].get(str(i), "")) for i in range(len(mapping["idx_to_tag"])))
        kinds = mapping["tag_to_category"]
        known = {"character": "character", "rating": "rating"}
        return _named(path, names, tuple(known.get(str(kinds.get(name, "")).lower(), "general") for name in names))
    return read_vocabulary(path)


def _named(path: Path, names: tuple[str, ...], categories: tuple[str, ...]) -> TagVocabulary:
    try:
        return TagVocabulary(names, categories)
    except SengaError as error:
        raise SengaError(f"{path.name}: {error}") from error


def camie_tables(path: Path) -> dict[str, Any] | None:
    """camie-tagger's two tables, or None for another file."""
    raw = read_json(path) if path.suffix.lower() == ".json" else None
    if not isinstance(raw, dict):
        return None
    info = raw.get("dataset_info")
    mapping = info.get("tag_mapping") if isinstance(info, dict) else raw
    if not isinstance(mapping, dict):
        return None
    tables = [mapping.get(name) for name in ("idx_to_tag", "tag_to_category")]
    return mapping if all(isinstance(table, dict) and table for table in tables) else None


def read_thresholds(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".json":
        found = read_json(path)
    else:
        rows = csv_rows(path)
        column = next((name for name in (*COLUMNS, "threshold") if rows and name in rows[0]), None)
        if column is None or "name" not in rows[0]:
            raise SengaError(f"{path.name}: expected the columns name and best_threshold")
        found = {row["name"]: row[column] for row in rows}
    if not isinstance(found, dict):
        raise SengaError(f'{path.name}: holds a {type(found).__name__}; expected {{"tag": 0.35, ...}}')
    return found


def with_thresholds(vocabulary: TagVocabulary, found: dict[str, Any]) -> TagVocabulary:
    """The vocabulary with each tag's own threshold; tags without one have their category's usual."""
    usual = {"character": Options().character_threshold}
    values = []
    for name, category in zip(vocabulary.names, vocabulary.categories, strict=True):
        try:
            value = float(found.get(name, math.nan))
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        values.append(value if 0 <= value <= 1 else usual.get(category, Options().general_threshold))
    return dataclasses.replace(vocabulary, thresholds=tuple(values))
