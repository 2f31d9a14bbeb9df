"""Units whose pictures or results are not files of a shared disk: fetched and written here, then sent, and noted there.

Stores have no locks and no appending, and shards are written once, so what is done is noted in a small file for each
unit, under `.senga_units/` of the output: the settings, each picture's size and time, and the sizes of its results. An
older note goes before results are sent, and the new one comes after them: what a lost worker has sent without a note is
sent again.
"""

import hashlib
import json
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ...arch.files.reading import parse_json
from ..errors import SengaError, one_line
from ..files.plan import Job
from . import places
from .shards import ENDINGS, write_shard
from .units import Item

NOTES = ".senga_units"
CONNECTIONS = 8  # files on their way at once
Times = list[Any]  # of a picture: bytes, time, and what became of it


@dataclass
class Note:
    """What is noted of a unit. Pictures by their names, with size, time, and results with their sizes, or the fault."""

    settings: str = ""
    pictures: dict[str, Times] = field(default_factory=dict)
    failed: dict[str, Times] = field(default_factory=dict)  # for a shard: it need not be written again for them
    shard: int = 0  # its bytes

    def of(self, item: Item) -> dict[str, int]:
        """The results of a picture that is as it was then."""
        size, time, results = self.pictures.get(item.own, (None, None, {}))
        return results if (size, time) == (item.size, item.time) else {}

    def fault(self, item: Item) -> str:
        """Why a picture that is as it was then could not be used."""
        size, time, fault = self.failed.get(item.own, (None, None, ""))
        return fault if (size, time) == (item.size, item.time) else ""


@dataclass(frozen=True)
class Staged:
    """A unit's folder on this machine."""

    folder: Path
    out: str  # where results belong: a URL, or a folder
    kind: str  # of the shard that they are put into, "" for none
    key: str
    note: Note

    @property
    def results(self) -> Path:
        """Where results are written."""
        return self.folder / "out" if self.kind or places.is_url(self.out) else Path(self.out)

    @property
    def shard(self) -> str:
        """The name of the unit's shard."""
        return f"senga_{self.key}{ENDINGS[self.kind]}" if self.kind else ""

    @property
    def _note(self) -> str:
        return f"{self.out}/{NOTES}/{self.key}.json"

    def fetch(self, items: Sequence[Item]) -> list[Path | str]:
        """The pictures as files here; for one that cannot be fetched, why."""
        shard = cache(places.opened)

        def one(numbered: tuple[int, Item]) -> Path | str:
            number, item = numbered
            if item.fault:
                return item.fault
            if not item.shard and not places.is_url(item.source):
                return Path(item.source)
            path = self.folder / "in" / str(number) / item.own  # a shard may have two of one name
            try:
                if not item.shard:
                    places.fetch(item.source, path)
                    return path
                data = shard(item.shard).read_at(item.size, item.offset)
                if len(data) < item.size:
                    return f"{item.source}: the shard ends in it, after {len(data)} of {item.size} bytes; copy it again"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                return path
            except (OSError, SengaError) as error:
                return f"{item.source}: cannot be fetched ({one_line(error)}); check that it can be read"

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(pool.map(one, enumerate(items)))

    def left(self, items: Sequence[Item]) -> list[Item]:
        """Those without a note, or whose results are not there: of a shard all or none."""
        if self.kind:
            known = all(self.note.of(item) or self.note.fault(item) for item in items)
            same = known and len(items) == len(self.note.pictures) + len(self.note.failed)
            size = places.sizes([f"{self.out}/{self.shard}"])[0] or 0
            return [] if same and size == self.note.shard else list(items)
        names = [f"{self.out}/{name}" for item in items for name in self.note.of(item)]
        there = dict(zip(names, places.sizes(names), strict=True))

        def done(item: Item) -> bool:
            results = self.note.of(item)
            return bool(results) and all(there[f"{self.out}/{name}"] == size for name, size in results.items())

        return [item for item in items if not done(item)]

    def send(self, done: Sequence[tuple[Item, Job]], failed: Sequence[tuple[Item, str]]) -> None:
        """Send the results and note them; of a shard, also what `failed`, with why. Raises OSError."""
        places.remove(self._note)
        if self.kind:
            self.note.pictures, self.note.failed, self.note.shard = {}, {}, 0
            place = f"{self.out}/{self.shard}"
            if done:
                path = self.folder / self.shard
                write_shard(self.kind, path, done, self.results)
                self.note.shard = path.stat().st_size
                places.send(path, place)
            else:
                places.remove(place)
        elif places.is_url(self.out):
            files = [path for _, job in done for path in job.results]
            urls = [f"{self.out}/{path.relative_to(self.results).as_posix()}" for path in files]
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(places.send, files, urls))
        for item, job in done:
            results = {path.relative_to(self.results).as_posix(): path.stat().st_size for path in job.results}
            self.note.pictures[item.own] = [item.size, item.time, results]
        for item, why in failed if self.kind else ():
            self.note.failed[item.own] = [item.size, item.time, why]
        places.store(json.dumps(asdict(self.note)).encode(), self._note)


@contextmanager
def staged(unit: Sequence[Item], out: str, kind: str, settings: str, *, force: bool) -> Generator[Staged, None, None]:
    """A folder for a unit until the block ends. Raises OSError, SengaError."""
    out = out.rstrip("/")
    # Two folders of a call may begin with the same name: their files would replace each other, shards must not.
    first = unit[0].source if kind else unit[0].own
    key = hashlib.sha256(first.encode(errors="surrogateescape")).hexdigest()[:24]
    note = Note(settings) if force else _noted(places.read(f"{out}/{NOTES}/{key}.json") or b"{}", settings)
    with tempfile.TemporaryDirectory(prefix="senga_") as folder:
        yield Staged(Path(folder), out, kind, key, note)


def with_times(unit: Sequence[Item]) -> list[Item]:
    """The unit with sizes and times from the store, where a list names pictures there."""

    def known(item: Item) -> Item:
        if item.shard or item.fault or item.time or not places.is_url(item.source):
            return item
        entry = places.entry(item.source)
        return item if entry is None else replace(item, size=entry.size, time=entry.time)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(known, unit))


def _noted(text: bytes, settings: str) -> Note:
    """What a note says was made with these settings. Of one that is damaged nothing counts: it is made again."""
    try:
        note = parse_json(text)
    except SengaError:
        return Note(settings)
    if not isinstance(note, dict) or note.get("settings") != settings:
        return Note(settings)
    pictures, failed, shard = note.get("pictures"), note.get("failed"), note.get("shard")
    return Note(
        settings,
        {name: made for name, made in pictures.items() if _is_made(made)} if isinstance(pictures, dict) else {},
        {name: made for name, made in failed.items() if _is_fault(made)} if isinstance(failed, dict) else {},
        shard if isinstance(shard, int) else 0,
    )


def _is_made(made: Any) -> bool:
    """[size, time, {name of a result: its size}]"""
    if not isinstance(made, list) or len(made) != 3 or not isinstance(made[2], dict):
        return False
    return all(isinstance(number, int) for number in (*made[:2], *made[2].values()))


def _is_fault(made: Any) -> bool:
    """[size, time, why]"""
    return isinstance(made, list) and [type(part) for part in made] == [int, int, str]
