"""Units whose pictures or results are in an object store: fetched and written here, then sent, and noted there.

Stores have no locks and no appending, so what is done is noted in a small file for each unit, under `.senga_units/` of
the output: the settings, each picture's size and time, and the sizes of its results. It is written before the results
are sent; what a lost worker has not sent is therefore missing, and is made again.
"""

import hashlib
import json
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...arch.reading import parse_json
from ..errors import SengaError, one_line
from ..files.plan import Job
from . import places
from .units import Item

NOTES = ".senga_units"
CONNECTIONS = 8  # files on their way at once


@dataclass(frozen=True)
class Staged:
    """A unit's folder on this machine."""

    folder: Path
    out: str  # where results belong: a URL, or a folder
    note: str
    noted: dict[str, Any]  # by the names of pictures: size, time, results with their sizes

    @property
    def results(self) -> Path:
        """Where results are written."""
        return self.folder / "out" if places.is_url(self.out) else Path(self.out)

    def fetch(self, items: Sequence[Item]) -> list[Path | str]:
        """The pictures as files here; for one that cannot be fetched, why."""

        def one(item: Item) -> Path | str:
            if not places.is_url(item.source):
                return Path(item.source)
            path = self.folder / "in" / item.own
            try:
                places.fetch(item.source, path)
                return path
            except (OSError, SengaError) as error:
                return f"{item.source}: cannot be fetched ({one_line(error)}); check that it can be read"

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(pool.map(one, items))

    def left(self, items: Sequence[Item]) -> list[Item]:
        """Those without a note, or whose results are not there."""
        names = [f"{self.out}/{name}" for item in items for name in self._noted(item)]
        there = dict(zip(names, places.sizes(names), strict=True))

        def done(item: Item) -> bool:
            results = self._noted(item)
            return bool(results) and all(there[f"{self.out}/{name}"] == size for name, size in results.items())

        return [item for item in items if not done(item)]

    def _noted(self, item: Item) -> dict[str, int]:
        size, time, results = self.noted.get(item.own, (None, None, {}))
        return results if (size, time) == (item.size, item.time) else {}

    def send(self, done: Sequence[tuple[Item, Job]], settings: str) -> None:
        """Note the results and send them. Raises OSError."""
        for item, job in done:
            results = {path.relative_to(self.results).as_posix(): path.stat().st_size for path in job.results}
            self.noted[item.own] = [item.size, item.time, results]
        places.store(json.dumps({"settings": settings, "pictures": self.noted}).encode(), self.note)
        if places.is_url(self.out):
            files = [path for _, job in done for path in job.results]
            urls = [f"{self.out}/{path.relative_to(self.results).as_posix()}" for path in files]
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(lambda pair: places.store(pair[0].read_bytes(), pair[1]), zip(files, urls, strict=True)))


@contextmanager
def staged(unit: Sequence[Item], out: str, settings: str, *, force: bool) -> Generator[Staged, None, None]:
    """A folder for a unit until the block ends. Raises OSError, SengaError."""
    out = out.rstrip("/")
    key = hashlib.sha256(unit[0].own.encode(errors="surrogateescape")).hexdigest()[:24]
    note = f"{out}/{NOTES}/{key}.json"
    noted = {} if force else _noted(places.read(note) or b"{}", settings)
    with tempfile.TemporaryDirectory(prefix="senga_") as folder:
        yield Staged(Path(folder), out, note, noted)


def _noted(text: bytes, settings: str) -> dict[str, Any]:
    """What a note says was made with these settings. Of one that is damaged nothing counts: it is made again."""
    try:
        note = parse_json(text)
    except SengaError:
        return {}
    pictures = note.get("pictures") if isinstance(note, dict) and note.get("settings") == settings else None
    return {name: made for name, made in pictures.items() if _is_made(made)} if isinstance(pictures, dict) else {}


def _is_made(made: Any) -> bool:
    """[size, time, {name of a result: its size}]"""
    if not isinstance(made, list) or len(made) != 3 or not isinstance(made[2], dict):
        return False
    return all(isinstance(number, int) for number in (*made[:2], *made[2].values()))
