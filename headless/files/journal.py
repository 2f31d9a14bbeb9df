"""What was made from what: a line for each result, in a small file of the results' folder.

A line holds the content of the result and of its source (sha256) and the settings: command, model, options. A result is
recognised after its folder was moved or copied; a result that was edited is not, and belongs to the user from then on.
Lines are appended, each before its result takes its place: after an interruption there may be a line without its
result, which does no harm, but no result without its line. Several runs may write into one folder: each takes the
folder's lock to look what is there, add a line and put the result in its place. Lines that repeat earlier ones, and old
ones of a name, are removed when a run begins and they have become many.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...arch.files.atomic import TEMPORARY, replacing
from ...arch.files.locking import locked
from ..errors import SengaError
from ..log import logger
from .plan import Job

NAME = ".senga_journal"
LOCK = ".senga_lock"
FRESH = 2_000_000_000  # nanoseconds; some drives round the times of files to two seconds
FORMAT = 1
KEPT = 8  # lines of one name that a compacted journal keeps: results of other settings may have equal bytes
ABANDONED = 86400.0  # seconds without a change, after which nobody writes a temporary file any more
SURPLUS = 200  # lines; a shorter journal is left as it is


class State(Enum):
    """What is there in place of a job's results."""

    ABSENT = "absent"
    DONE = "done"  # the same command made it from the same source with the same settings
    OUTDATED = "outdated"  # the same command made it, from another source or with other settings
    FOREIGN = "foreign"  # something else made it, or it was changed since


@dataclass(frozen=True)
class Content:
    """A file's content. Where size and time are those of the record, the file counts as untouched and is not read."""

    sha256: str
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True)
class Record:
    """One line of a journal."""

    file: str  # the result's name in the journal's folder
    result: Content
    source: Content
    settings: Mapping[str, Any]  # JSON, with the key "command"

    def to_line(self) -> bytes:
        """JSON on one line, in ASCII."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode("ascii")

    def key(self) -> tuple[str, str, str, str]:
        """What makes another line about the same file say the same."""
        return self.file, self.result.sha256, self.source.sha256, _as_text(self.settings)

    @classmethod
    def from_line(cls, line: bytes) -> "Record | None":
        """None for a line that was cut off, damaged or written by a later version."""
        try:
            data = json.loads(line)
            if data.pop("format") != FORMAT:
                return None
            return cls(**{**data, "result": Content(**data["result"]), "source": Content(**data["source"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass
class _Folder:
    """What has been read of one folder's journal."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    file: int = 0  # the inode, which changes when the journal is compacted
    read: int = 0  # bytes
    lines: int = 0

    def update(self, path: Path) -> None:
        """Read what has been added."""
        if not path.is_file():
            return
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_ino != self.file or stat.st_size < self.read:
                self.records, self.file, self.read, self.lines = {}, stat.st_ino, 0, 0
            file.seek(self.read)
            added = file.read()
        self.read += len(added)
        for line in added.splitlines():
            self.lines += bool(line)
            if (record := Record.from_line(line)) is not None:
                self.records.setdefault(record.file, []).append(record)

    def kept(self) -> list[Record]:
        """The last lines of each name, without those that later ones repeat."""
        found: list[Record] = []
        for records in self.records.values():
            last = {record.key(): record for record in reversed(records)}
            found += [*last.values()][:KEPT][::-1]
        return found


class Journal:
    """The journals of all folders that a run writes into, each read once. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, _Folder] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def records(self, result: Path) -> list[Record]:
        """All that is noted about this file, oldest first."""
        with self._lock:
            if result.parent not in self._known:
                _sweep(result.parent)
                self._known[result.parent] = folder = _Folder()
                folder.update(result.parent / NAME)
                if folder.lines > SURPLUS and folder.lines > 2 * len(folder.kept()):
                    _compact(result.parent)
            return self._known[result.parent].records.get(result.name, [])

    def refresh(self, folder: Path) -> None:
        """Read what other runs have added."""
        with self._lock:
            self._known.setdefault(folder, _Folder()).update(folder / NAME)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """Hold the folder's lock, so that no other run changes journal or results. Raises HeldError, OSError."""
        with self._turn, locked(folder / LOCK):  # our own threads need not poll
            yield

    def add(self, folder: Path, record: Record) -> None:
        """Append one line, in one write, inside `writing`. Raises OSError."""
        # The line feed goes first: it ends a line that an earlier run could not finish.
        line = b"\n" + record.to_line()
        with self._lock:
            file = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                os.write(file, line)
            finally:
                os.close(file)


def _sweep(folder: Path) -> None:
    """Remove what killed runs left half written; what is young may be another run's."""
    for left in folder.glob(TEMPORARY) if folder.is_dir() else ():
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def _compact(folder: Path) -> None:
    """Write a journal anew with the lines that are of use. A folder that cannot be written keeps its own."""
    try:
        with locked(folder / LOCK), replacing(folder / NAME) as temporary:
            now = _Folder()
            now.update(folder / NAME)  # once more: another run may have added lines, or done this
            temporary.write_bytes(b"".join(b"\n" + record.to_line() for record in now.kept()))
    except (OSError, SengaError) as error:
        logger.debug("%s: not compacted (%s)", folder / NAME, error)


def state_of(job: Job, journal: Journal) -> State:
    """What has to be done about a job: nothing for DONE, and FOREIGN results belong to the user."""
    found = [_state(result, job.source, job.settings, journal.records(result)) for result in job.results]
    if State.FOREIGN in found:
        return State.FOREIGN
    return found[0] if len(set(found)) == 1 else State.OUTDATED


def _state(result: Path, source: Path, settings: Mapping[str, Any], records: Iterable[Record]) -> State:
    if not result.exists() or _is_empty(result):
        return State.ABSENT
    ours = [r for r in records if r.settings.get("command") == settings["command"] and holds(result, r.result)]
    if not ours:
        return State.FOREIGN
    same = [r for r in ours if _as_text(r.settings) == _as_text(settings)]
    return State.DONE if any(holds(source, r.source) for r in same) else State.OUTDATED


def _is_empty(path: Path) -> bool:
    """No result is, but on drives without hard links a process that is killed while it takes a name leaves it empty."""
    return path.is_file() and path.stat().st_size == 0


def _as_text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def holds(path: Path, content: Content) -> bool:
    """Whether a file has this content. It is read only where its size fits and its time does not."""
    try:
        stat = path.stat()
        if stat.st_size != content.size:
            return False
        return stat.st_mtime_ns == content.mtime_ns or sha256_of(path) == content.sha256
    except OSError:
        return False


def content_of(path: Path) -> Content:
    """Its time is 0, and will be no proof, where the file is so new that a change could leave it. Raises OSError."""
    stat = path.stat()
    return Content(sha256_of(path), stat.st_size, 0 if _fresh(stat) else stat.st_mtime_ns)


def _fresh(stat: os.stat_result) -> bool:
    return time.time_ns() - stat.st_mtime_ns <= FRESH


def written_content(path: Path) -> Content:
    """The same of a file that was just written, and gets another name. Raises OSError."""
    stat = path.stat()
    return Content(_hashed(path), stat.st_size, stat.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal; read once while its time and size stay. Raises OSError."""
    stat = path.stat()
    return _hashed(path) if _fresh(stat) else _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    return _hashed(path)


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
