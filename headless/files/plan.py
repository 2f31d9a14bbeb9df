"""The plan of a command: which pictures it takes (files, folders, patterns), and which file each becomes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ...arch.reading import PICTURE_ENDINGS, walk
from ..errors import UsageError
from .formats import FORMATS, format_of

DEFAULT_FORMAT = "png"
# Taken from folders and patterns. A file that is named is tried whatever its ending.
PICTURES = PICTURE_ENDINGS
NAMED = 5  # clashes or files that are named; the rest are counted


@dataclass(frozen=True)
class Job:
    """One picture of a call: what is made from it, where, and by which settings."""

    source: Path
    target: Path
    format: str
    index: int = 0  # its place among the call's pictures in sorted order
    also: tuple[Path, ...] = ()  # files that are written with the target, such as a report
    settings: Mapping[str, Any] = field(default_factory=dict)  # all that changes the result: JSON, with "command"
    recorded: bool = True  # False for a file that -o names: it is written whatever is there, and not noted

    @property
    def results(self) -> tuple[Path, ...]:
        return (self.target, *self.also)


def make_plan(inputs: Sequence[str], output: str, chosen: str | None, *, recursive: bool = True) -> list[Job]:
    """The jobs, in the order given; `chosen` is the --format, None for the one that the output's name has.

    Raises UsageError with one line a fault: nothing found, two pictures for one file, a source that its own result
    would replace, a name that does not match the format.
    """
    out = Path(output)
    alone = len(inputs) == 1 and not _is_many(inputs[0])
    into_folder = out.is_dir() or output.endswith(("/", os.sep))
    meant = format_of(output)
    if alone and not into_folder:
        if meant is None:
            endings = ", ".join(known.extension for known in FORMATS.values())
            raise UsageError(f"-o {output}: not the ending of a picture; use {endings}, or end a folder's name in /")
        if chosen is not None and chosen != meant:
            raise UsageError(f"-o {output}: the name says {meant}, --format says {chosen}; change one of them")
        return checked([Job(Path(inputs[0]), out, meant, recorded=False)])
    if not into_folder and (out.is_file() or meant is not None):
        raise UsageError(f"-o {output}: with more than one picture this must be a folder")
    known = chosen or DEFAULT_FORMAT
    ending = FORMATS[known].extension
    found = [(source, base) for text in inputs for source, base in pictures(text, out, recursive=recursive)]
    jobs = {source: Job(source, out / source.relative_to(base).with_suffix(ending), known) for source, base in found}
    return checked(list(jobs.values()))


def _is_many(text: str) -> bool:
    return Path(text).is_dir() or _is_pattern(text)


def _is_pattern(text: str) -> bool:
    """Shells expand patterns that match; on Windows, and in quotes, they arrive here."""
    return _has_magic(text) and not Path(text).exists()


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path's parts match a pattern's, where `**` is any number of folders."""
    if not names or not pattern:
        return not names and not pattern
    if pattern[0] == "**":
        return _fits(names, pattern[1:]) or _fits(names[1:], pattern) or (len(pattern) == 1 and len(names) == 1)
    return fnmatch(names[0], pattern[0]) and _fits(names[1:], pattern[1:])


def _has_magic(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def pictures(text: str, out: Path | None, *, recursive: bool = True) -> Iterator[tuple[Path, Path]]:
    """Each picture of an argument, and the folder below which its sub-folders are kept.

    Pictures in `out`, where that is inside a folder that is searched, are results of earlier runs and skipped. Raises
    UsageError where no picture is found.
    """
    path = Path(text)
    if path.is_dir():
        base, candidates = path, walk(path, PICTURES, depth=None if recursive else 0)
    elif _is_pattern(text):
        parts = path.parts
        fixed = next(number for number, part in enumerate(parts) if _has_magic(part))
        base, pattern = Path(*parts[:fixed]), parts[fixed:]
        depth = None if "**" in pattern else len(pattern) - 1
        every = walk(base, PICTURES, depth=depth) if base.is_dir() else []
        candidates = [file for file in every if _fits(file.relative_to(base).parts, pattern)]
    else:
        yield path, path.parent
        return
    own = out.resolve() if out is not None else None
    inside = own is not None and own != base.resolve() and own.is_relative_to(base.resolve())
    taken = [file for file in candidates if not (inside and own is not None and file.resolve().is_relative_to(own))]
    if not taken:
        raise UsageError(f"{text}: no picture was found; expected names that end in {', '.join(PICTURES)}")
    yield from ((file, base) for file in taken)


def checked(jobs: list[Job]) -> list[Job]:
    """The jobs. Raises UsageError for a missing source, and where a result would replace a source or another result."""
    faults = [f"{job.source}: the file does not exist; name a picture file" for job in jobs if not there(job.source)]
    taken: dict[str, Path] = {}
    for job in jobs:
        if job.target.exists() and there(job.source) and job.target.samefile(job.source):
            faults.append(f"{job.source}: its own result would replace it; give another folder or name with -o")
        key = os.path.normcase(job.target)  # on Windows A.png and a.png are one file
        if key in taken:
            faults.append(
                f"{job.source}: its result would be {job.target}, as that of {taken[key]}; run them separately"
            )
        taken[key] = job.source
    if len(faults) > NAMED:
        faults[NAMED:] = [f"and {len(faults) - NAMED} more like these"]
    if faults:
        raise UsageError("\n".join(faults))
    return jobs


def there(path: Path) -> bool:
    """Whether there is something to read. A name that is too long, or is forbidden to us, fails when it is read."""
    try:
        return path.exists()
    except OSError:
        return True


def listed(paths: Sequence[Path]) -> str:
    """The first few of them, and how many more there are."""
    more = [f"and {len(paths) - NAMED} more"] if len(paths) > NAMED else []
    return ", ".join([*map(str, paths[:NAMED]), *more])
