"""manifest.csv: a line for each picture of a set, with its author, licence and sha256."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ...arch.files.atomic import replacing
from ...arch.files.reading import csv_lines, sides


@dataclass(frozen=True)
class Row:
    """One line of manifest.csv."""

    file: str
    split: str
    source: str
    author: str
    licence: str
    sha256: str
    width: int
    height: int


def read_manifest(path: Path) -> list[Row]:
    """The lines of a set's manifest; [] where it has none. Raises SengaError for a table of another kind."""
    return list(_rows(path)) if path.is_file() else []


def _rows(path: Path) -> Iterator[Row]:
    columns = [field.name for field in fields(Row)]
    for where, line in csv_lines(path, columns):
        texts = {name: line[name] for name in columns if name not in ("width", "height")}
        width, height = sides(where, line)
        yield Row(**texts, width=width, height=height)


def write_manifest(rows: Sequence[Row], path: Path, row_type: type[Row] = Row) -> str:
    """Write the rows sorted by file, the fields of `row_type` as columns.

    Returns the manifest's sha256, which names the set.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [field.name for field in fields(row_type)]
    writer.writerow(columns)
    writer.writerows([getattr(row, column) for column in columns] for row in sorted(rows, key=lambda row: row.file))
    content = text.getvalue().encode("utf-8")
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
