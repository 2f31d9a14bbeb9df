"""Which file each picture of a command becomes: files, folders with their sub-folders, and patterns."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .formats import FORMATS, format_of

DEFAULT_FORMAT = "png"
# What is taken from a folder or a pattern. A file that is named is tried whatever its name.
PICTURES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif"),
    *(".bmp", ".tif", ".tiff", ".tga", ".ppm", ".pgm", ".pbm", ".jp2"),
)
NAMED = 5  # so many clashes or files are named, the rest counted


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
    """What is to be done, in the order given; `chosen` is the format asked for, None for the one of the output's name.

    Raises UsageError with one line for each fault: nothing found, two pictures for one file, a source that would be
    replaced by its own result, a name that does not fit the format.
    """
    out = Path(output)
    alone = len(inputs) == 1 and not _is_many(inputs[0])
    into_folder = out.is_dir() or output.endswith(("/", os.sep))
    meant = format_of(output)
    if alone and not into_folder:
        if meant is None:
            endings = ", ".join(known.extension for known in FORMATS.values())
            raise UsageError(f"-o {output}: no picture format has this ending; end it in {endings}, or a folder's in /")
        if chosen is not None and chosen != meant:
            raise UsageError(f"-o {output}: the name says {meant}, --format says {chosen}; change one of them")
        return checked([Job(Path(inputs[0]), out, meant, recorded=False)])
    if not into_folder and (out.is_file() or meant is not None):
        raise UsageError(f"-o {output}: with more than one picture this has to be a folder")
    known = chosen or DEFAULT_FORMAT
    ending = FORMATS[known].extension
    found = [(source, base) for text in inputs for source, base in pictures(text, out, recursive=recursive)]
    jobs = {source: Job(source, out / source.relative_to(base).with_suffix(ending), known) for source, base in found}
    return checked(list(jobs.values()))


def _is_many(text: str) -> bool:
    return Path(text).is_dir() or _is_pattern(text)


def _is_pattern(text: str) -> bool:
    """A shell fills in patterns itself where they fit; on Windows, and in quotes, they come here."""
    return _has_magic(text) and not Path(text).exists()


def _has_magic(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def pictures(text: str, out: Path | None, *, recursive: bool = True) -> Iterator[tuple[Path, Path]]:
    """Each picture that an argument means, and the folder below which its sub-folders are kept.

    What lies in `out`, below a folder that is searched, is a result of an earlier run and no picture to do. Raises
    UsageError where there is none.
    """
    path = Path(text)
    if path.is_dir():
        base, candidates = path, sorted(path.rglob("*") if recursive else path.iterdir())
    elif _is_pattern(text):
        parts = path.parts
        fixed = next(number for number, part in enumerate(parts) if _has_magic(part))
        base = Path(*parts[:fixed])
        candidates = sorted(base.glob(str(Path(*parts[fixed:]))))
    else:
        yield path, path.parent
        return
    own = out.resolve() if out is not None else None
    inside = own is not None and own != base.resolve() and own.is_relative_to(base.resolve())
    taken = [
        file
        for file in candidates
        if file.suffix.lower() in PICTURES
        and not (inside and own is not None and file.resolve().is_relative_to(own))
        and file.is_file()
    ]
    if not taken:
        raise UsageError(f"{text}: no picture was found there; names end in {', '.join(PICTURES)}")
    yield from ((file, base) for file in taken)


def checked(jobs: list[Job]) -> list[Job]:
    """The jobs. Raises UsageError where one would replace its own source or another's result."""
    faults: list[str] = []
    taken: dict[str, Path] = {}
    for job in jobs:
        if job.target.exists() and job.source.exists() and job.target.samefile(job.source):
            faults.append(f"{job.source}: it would be replaced by its own result; give another folder or name with -o")
        key = os.path.normcase(job.target)  # Windows knows no difference between A.png and a.png
        if key in taken:
            faults.append(
                f"{job.source}: it would be written to {job.target}, and so would {taken[key]}; run them apart"
            )
        taken[key] = job.source
    if len(faults) > NAMED:
        faults[NAMED:] = [f"and {len(faults) - NAMED} more like these"]
    if faults:
        raise UsageError("\n".join(faults))
    return jobs


def listed(paths: Sequence[Path]) -> str:
    """The first few of them, and how many more there are."""
    more = [f"and {len(paths) - NAMED} more"] if len(paths) > NAMED else []
    return ", ".join([*map(str, paths[:NAMED]), *more])
