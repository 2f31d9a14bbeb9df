"""The plan of a command: which pictures it takes (files, folders, patterns), and which file each becomes."""

import os
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ...arch.files.reading import PICTURE_ENDINGS, walk, why_unreadable
from ...training.run.pictures import BROKEN, open_picture
from ..errors import SengaError, UsageError
from .formats import FORMATS, Format, format_of
from .video import CONTAINERS, VIDEO_ENDINGS, Container, container_of

DEFAULT_FORMAT = "png"
# Taken from folders and patterns. A file that is named is tried whatever its ending.
PICTURES = PICTURE_ENDINGS
DEFAULT_NAME = "{stem}{ext}"
NAMED = 5  # clashes or files that are named; the rest are counted


@dataclass(frozen=True)
class Job:
    """One picture of a call: what is made from it, where, and by which settings."""

    source: Path
    target: Path
    format: str
    name: str = ""  # the source's, below the folder that was given: "sub/a.png"
    index: int = 0  # of `senga degrade`: what its damage is drawn from, besides the seed
    also: tuple[Path, ...] = ()  # files that are written with the target, such as a report
    settings: Mapping[str, Any] = field(default_factory=dict)  # all that changes the result: JSON, with "command"
    recorded: bool = True  # False for a file that -o names: it is written whatever is there, and not noted

    @property
    def results(self) -> tuple[Path, ...]:
        return (self.target, *self.also)


def make_plan(
    inputs: Sequence[str],
    output: str,
    chosen: str | None,
    *,
    recursive: bool = True,
    name: str | None = None,
    fields: Mapping[str, str] | None = None,
    videos: bool = False,
) -> list[Job]:
    """The jobs, in the order given; `chosen` is the --format, None for the one that the output's name has.

    `name` is the --name of results in a folder, in which {stem}, {ext} and the `fields` are filled in. `videos` says
    whether they are taken too.

    Raises UsageError with one line a fault: nothing found, two pictures for one file, a source that its own result
    would replace, a name that does not match the format.
    """
    out = Path(output)
    alone = is_one(inputs)
    into_folder = out.is_dir() or output.endswith(("/", os.sep))
    meant = format_of(output) or (container_of(output) if videos else None)
    if alone and not into_folder:
        if not videos:
            refuse_video(inputs[0])
        what, kinds = _kind(Path(inputs[0]), videos)
        if meant is None or meant not in kinds:
            endings = ", ".join(known.extension for known in kinds.values())
            raise UsageError(f"-o {output}: not the ending of a {what}; use {endings}, or end a folder's name in /")
        if chosen is not None and chosen != meant:
            raise UsageError(f"-o {output}: the name says {meant}, --format says {chosen}; change one of them")
        if name is not None:
            raise UsageError(f"-o {output}: names the result, and so does --name; give a folder, or leave --name out")
        return checked([Job(Path(inputs[0]), out, meant, Path(inputs[0]).name, recorded=False)])
    if not into_folder and (out.is_file() or meant is not None):
        raise UsageError(f"-o {output}: with more than one picture this must be a folder")
    check_name(name, fields)
    found = {
        source: base for text in inputs for source, base in pictures(text, out, recursive=recursive, videos=videos)
    }
    if chosen in CONTAINERS and not any(container_of(source.name) for source in found):
        raise UsageError(f"--format {chosen}: is for videos, and there is none; choose from {', '.join(FORMATS)}")
    alike = Counter(stem_key(source) for source in found)
    jobs: list[Job] = []
    for source, base in found.items():
        own, lone = source.relative_to(base).as_posix(), alike[stem_key(source)] == 1
        jobs.append(planned(source, own, out, chosen, lone=lone, name=name, fields=fields, videos=videos))
    return checked(jobs)


def planned(
    source: Path,
    own: str,
    out: Path,
    chosen: str | None,
    *,
    lone: bool,
    name: str | None = None,
    fields: Mapping[str, str] | None = None,
    videos: bool = False,
) -> Job:
    """The job of one picture of a folder, below which it is called `own`; `lone` where none beside it has its stem."""
    stem = source.stem if lone else source.name  # of a.jpg beside a.png both results would be a.png
    _, kinds = _kind(source, videos)
    known = chosen if chosen is not None and chosen in kinds else _own_format(source)
    filled = (name or DEFAULT_NAME).format(stem=stem, ext=kinds[known].extension, **(fields or {}))
    return Job(source, out / Path(own).parent / filled, known, own)


def _kind(source: Path, videos: bool) -> tuple[str, Mapping[str, Format] | Mapping[str, Container]]:
    """What a file is by its name, and what its result may be."""
    return ("video", CONTAINERS) if videos and container_of(source.name) else ("picture", FORMATS)


def refuse_video(text: str) -> None:
    """Raises UsageError for the name of a video."""
    if container_of(text) is not None and not Path(text).is_dir():
        raise UsageError(f"{text}: is a video; this command takes pictures, `senga upscale` videos too")


def _own_format(source: Path) -> str:
    """That of a video or an animation; the default for a still, and for what cannot be read."""
    if (container := container_of(source.name)) is not None:
        return container
    own = format_of(source.name)
    if own is None or not FORMATS[own].animated or own == DEFAULT_FORMAT:
        return DEFAULT_FORMAT
    try:
        return own if _is_animation(source) else DEFAULT_FORMAT
    except (*BROKEN, SengaError):  # reading it says what is wrong with it
        return DEFAULT_FORMAT


def _is_animation(source: Path) -> bool:
    """By the file's head, since Pillow reads WebP and AVIF files whole; GIF does not say it there."""
    with source.open("rb") as file:
        head = file.read(64)
        if head[8:12] == b"WEBP":
            return head[12:16] == b"VP8X" and bool(head[20] & 2)
        if head[4:8] == b"ftyp":
            return b"avis" in head[8 : int.from_bytes(head[:4])]
        file.seek(0)
        with open_picture(file) as picture:
            return getattr(picture, "is_animated", False)


def stem_key(source: Path) -> tuple[str, bool]:
    """Equal for pictures whose results may have one name."""
    return os.path.normcase(source.with_suffix("")), container_of(source.name) is not None


def check_name(name: str | None, fields: Mapping[str, str] | None) -> None:
    """Raises UsageError for a --name that is not a pattern of {stem}, {ext} and the `fields`."""
    if name is not None and (fault := name_fault(name, fields or {})):
        raise UsageError(f"--name {name}: {fault}")


def name_fault(name: str, fields: Mapping[str, str]) -> str:
    """What is wrong with a --name, "" for nothing."""
    known = ["stem", "ext", *fields]
    shown = ", ".join(f"{{{field}}}" for field in known)
    try:
        parts = list(string.Formatter().parse(name))
    except ValueError as error:
        return f"is not a pattern ({error}); expected text with {shown}"
    found = [field for _, field, _, _ in parts if field is not None]
    if unknown := [field for field in found if field not in known]:
        return f"{{{unknown[0]}}} is unknown; choose from {shown}"
    if any(spec or conversion for _, _, spec, conversion in parts):
        return f"expected text with {shown} as they are, without `:` or `!` in them"
    if any(mark in text for text, _, _, _ in parts for mark in ("/", "\\")):
        return "is the name of a file, not of a folder; leave out the slashes"
    if "stem" not in found or not name.endswith("{ext}"):
        return "all results would have one name, or no ending; use {stem}, and {ext} at the end"
    return ""


def is_one(inputs: Sequence[str]) -> bool:
    """Whether one file is named, and no folder or pattern."""
    return len(inputs) == 1 and not Path(inputs[0]).is_dir() and not is_pattern(inputs[0])


def is_pattern(text: str) -> bool:
    """Shells expand patterns that match; on Windows, and in quotes, they arrive here."""
    return _has_magic(text) and not Path(text).exists()


def fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path's parts match a pattern's, where `**` is any number of folders."""
    if not names or not pattern:
        return not names and not pattern
    if pattern[0] == "**":
        return fits(names, pattern[1:]) or fits(names[1:], pattern) or (len(pattern) == 1 and len(names) == 1)
    return fnmatch(names[0], pattern[0]) and fits(names[1:], pattern[1:])


def split_pattern(parts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """A pattern's parts before the first that is one, and the rest."""
    fixed = next(number for number, part in enumerate(parts) if _has_magic(part))
    return parts[:fixed], parts[fixed:]


def pattern_depth(pattern: Sequence[str]) -> int | None:
    """How many folders deep it looks, None for any depth."""
    return None if "**" in pattern else len(pattern) - 1


def _has_magic(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def pictures(
    text: str, out: Path | None, *, recursive: bool = True, videos: bool = False
) -> Iterator[tuple[Path, Path]]:
    """Each picture of an argument, or video too, and the folder below which its sub-folders are kept.

    Pictures in `out`, where that is inside a folder that is searched, are results of earlier runs and skipped. Raises
    UsageError where no picture is found, and where a video is named and `videos` are not taken.
    """
    path = Path(text)
    endings = (*PICTURES, *VIDEO_ENDINGS) if videos else PICTURES
    if path.is_dir():
        base, candidates = path, walk(path, endings, depth=None if recursive else 0)
    elif is_pattern(text):
        fixed, pattern = split_pattern(path.parts)
        base = Path(*fixed)
        every = walk(base, endings, depth=pattern_depth(pattern)) if base.is_dir() else []
        candidates = [file for file in every if fits(file.relative_to(base).parts, pattern)]
    else:
        if not videos:
            refuse_video(text)
        yield path, path.parent
        return
    own = out.resolve() if out is not None else None
    inside = own is not None and own != base.resolve() and own.is_relative_to(base.resolve())
    taken = [file for file in candidates if not (inside and own is not None and file.resolve().is_relative_to(own))]
    if not taken:
        raise UsageError(f"{text}: no picture was found; expected names that end in {', '.join(endings)}")
    yield from ((file, base) for file in taken)


def checked(jobs: list[Job]) -> list[Job]:
    """The jobs. Raises UsageError for a missing source, and where a result would replace a source or another result."""
    faults = [f"{job.source}: {_absent(job.source)}" for job in jobs if not there(job.source)]
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


def _absent(path: Path) -> str:
    return why_unreadable(path) if path.is_symlink() else "the file does not exist; name a picture file"


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
