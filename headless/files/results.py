"""Results on disk: each whole or not at all, noted in its folder's journal, and never over another run's."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ...arch.files.atomic import publish, replace, replacing, temporary_in
from ..errors import SengaError
from .journal import Content, Journal, Record, State, state_of, written_content
from .plan import Job

Files = Mapping[Path, Callable[[Path], None]]  # what writes each, under a temporary name
Signature = tuple[int, int, int]


def signature(path: Path) -> Signature | None:
    """Changes whenever a file is replaced or written to; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def write_files(
    job: Job, source: Content | None, files: Files, journal: Journal, seen: Mapping[Path, Signature | None]
) -> None:
    """Write a job's files, each whole or not at all, and note what they were made from.

    A file that is not as it was `seen`, None for absent, is kept; one that `seen` lacks is replaced whatever it is.
    Raises SengaError where another run has written one of them since, and made something else; OSError from the disk.
    """
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    if not job.recorded or source is None:
        for path, write in files.items():
            with replacing(path) as temporary:
                fill(temporary, write)
        return
    with ExitStack() as stack:
        there = {path: stack.enter_context(temporary_in(path.parent)) for path in files}
        for path, write in files.items():
            fill(there[path], write)
        contents = {path: written_content(temporary) for path, temporary in there.items()}
        stack.enter_context(journal.writing(job.target.parent))
        if any(path in seen and signature(path) != seen[path] for path in files):
            journal.refresh(job.target.parent)
            if state_of(job, journal) is State.DONE:
                return  # by another run of the same call
            raise taken(job.target)
        for path, temporary in there.items():
            journal.add(path.parent, Record(path.name, contents[path], source, job.settings))
            put(temporary, path, new=path in seen and seen[path] is None)


def fill(temporary: Path, write: Callable[[Path], None]) -> None:
    """Write one file. Disks fill up here: tests disturb it."""
    write(temporary)


def written(files: Mapping[Path, bytes]) -> dict[Path, Callable[[Path], None]]:
    """What writes files, from their content."""
    return {path: partial(_write_bytes, data=data) for path, data in files.items()}


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def put(temporary: Path, path: Path, *, new: bool) -> None:
    """Give a finished file its name. Raises SengaError where it is to be `new` and something has the name."""
    if not new:
        replace(temporary, path)
        return
    try:
        publish(temporary, path)
    except FileExistsError as error:
        raise taken(path) from error


def taken(path: Path) -> SengaError:
    return SengaError(
        f"{path}: something else was written there during the run, and is kept; give each run a folder of its own"
    )
