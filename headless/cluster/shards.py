"""Results as shards: the files of a unit in a tar, as WebDataset reads it, or the tags of a unit in a Parquet file."""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..files.plan import Job
from .extra import needed
from .units import MOST, Item

WEBDATASET, PARQUET = "webdataset", "parquet"
ENDINGS = {WEBDATASET: ".tar", PARQUET: ".parquet"}
PICTURES = {"": MOST, WEBDATASET: 512, PARQUET: 1024}  # of a unit: what a lost machine has to do again at most
ROW = "row"  # the format of a result that becomes a row: JSON with the columns below but the name
LISTS = ("general", "characters")
TEXTS = ("tags", "rating")


def write_shard(kind: str, path: Path, done: Sequence[tuple[Item, Job]], root: Path) -> None:
    """Write the results below `root` into one file: equal results make equal bytes. Raises OSError."""
    if kind == PARQUET:
        _write_rows(path, done)
        return
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for _, job in done:
            for file in job.results:
                member = tarfile.TarInfo(member_name(file.relative_to(root).as_posix()))
                member.size = file.stat().st_size
                with file.open("rb") as data:
                    tar.addfile(member, data)


def member_name(name: str) -> str:
    """As WebDataset reads it, what comes before the first dot is the key: the dots of a stem are written as %2E."""
    path = PurePosixPath(name)
    stem = path.stem.replace("%", "%25").replace(".", "%2E")
    return path.with_name(stem + path.suffix).as_posix()


def _write_rows(path: Path, done: Sequence[tuple[Item, Job]]) -> None:
    arrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    texts, lists = arrow.string(), arrow.list_(arrow.string())
    columns = {"name": texts, **dict.fromkeys(TEXTS, texts), **dict.fromkeys(LISTS, lists)}
    schema = arrow.schema({**columns, "scores": arrow.map_(texts, arrow.float64())})
    rows: list[dict[str, Any]] = []
    for item, job in done:
        row = json.loads(job.target.read_bytes())
        name = item.own.encode(errors="surrogateescape").decode(errors="backslashreplace")
        rows.append({**row, "name": name, "scores": list(row["scores"].items())})
    parquet.write_table(arrow.Table.from_pylist(rows, schema), path)
