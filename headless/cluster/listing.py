"""The pictures of a call as a stream: folders, patterns, lists, shards, stores. One folder is held at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path, PurePosixPath

from ...arch.files.reading import below, walk_folders
from ..errors import SengaError, UsageError, brief, one_line
from ..files.plan import fits, is_pattern, pattern_depth, split_pattern, stem_key
from . import places
from .members import ENDING, is_shard, with_members
from .units import Item

LIST = "@"  # before the name of a list of files
WINDOW = 100_000  # lines of a list that are held


def listed(inputs: Sequence[str], out: str | None, endings: Sequence[str], *, recursive: bool) -> Iterator[Item]:
    """Each picture of the arguments. Results in `out`, where that is inside a folder that is searched, are left out.

    Shards are looked into where they are named, by themselves, in a list or by a pattern; in folders they are not.
    Raises SengaError where an argument is not there.
    """
    for text in map(places.local_path, inputs):
        searched = (ENDING,) if is_shard(text) else endings
        if text.startswith(LIST):
            found = _of_list(text[1:])
        elif places.is_url(text):
            found = _of_store(text, out, searched, recursive)
        else:
            found = _of_disk(text, out, searched, recursive)
        yield from with_members(found, endings)


def check_inputs(inputs: Sequence[str]) -> None:
    """Raises UsageError for what is not there."""
    for text in map(places.local_path, inputs):
        path = text.removeprefix(LIST)
        if not places.is_url(path) and not _exists(path) and not (path == text and is_pattern(text)):
            raise UsageError(f"{brief(path, 200)}: there is no such file or folder; check the name")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that is too long
        return False


def _of_disk(text: str, out: str | None, endings: Sequence[str], recursive: bool) -> Iterator[Item]:
    path = Path(text)
    if path.is_file():
        yield _item(path, path.name, lone=True)
        return
    base, pattern, depth = path, None, None if recursive else 0
    if is_pattern(text):
        fixed, pattern = split_pattern(path.parts)
        base, depth = Path(*fixed), pattern_depth(pattern)
    own = None if out is None or places.is_url(out) else Path(out).resolve()
    if own is not None and (own == base.resolve() or not own.is_relative_to(base.resolve())):
        own = None
    for files in walk_folders(base, endings, depth=depth):
        if own is not None and files and files[0].parent.resolve().is_relative_to(own):
            continue
        taken = [file for file in files if pattern is None or fits(file.relative_to(base).parts, pattern)]
        alike = Counter(stem_key(file) for file in taken)
        for file in taken:
            yield _item(file, file.relative_to(base).as_posix(), lone=alike[stem_key(file)] == 1)


def _item(path: Path, own: str, *, lone: bool) -> Item:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # reading it says what is wrong
        return Item(str(path), own, lone)
    return Item(str(path), own, lone, stat.st_size, stat.st_mtime_ns)


def _of_store(url: str, out: str | None, endings: Sequence[str], recursive: bool) -> Iterator[Item]:
    url = url.rstrip("/")
    if (alone := places.entry(url)) is not None:
        yield Item(url, alone.name, size=alone.size, time=alone.time)
        return
    scheme, _, path = url.partition("://")
    base, pattern, depth = url, None, None if recursive else 0
    if any(mark in path for mark in "*?["):
        fixed, pattern = split_pattern(path.split("/"))
        base, depth = f"{scheme}://{'/'.join(fixed)}", pattern_depth(pattern)
    rest = [("", 0)]
    while rest:
        inner, deep = rest.pop()
        where = f"{base}/{inner}".rstrip("/")
        if out is not None and where != base and f"{where}/".startswith(f"{out.rstrip('/')}/"):
            continue
        found = [entry for entry in places.entries(where) if not entry.name.startswith(".")]
        if depth is None or deep < depth:
            rest += [(f"{inner}{entry.name}/", deep + 1) for entry in reversed(found) if entry.folder]
        files = [e for e in found if not e.folder and PurePosixPath(e.name).suffix.lower() in endings]
        taken = [e for e in files if pattern is None or fits([*inner.split("/")[:-1], e.name], pattern)]
        alike = Counter(stem_key(Path(entry.name)) for entry in taken)
        for e in taken:
            yield Item(f"{where}/{e.name}", inner + e.name, alike[stem_key(Path(e.name))] == 1, e.size, e.time)


def _of_list(name: str) -> Iterator[Item]:
    """A picture a line. Those of one folder that follow each other are known to lie beside each other."""
    lines = iter(_lines(name))
    while window := list(islice(lines, WINDOW)):
        for _, group in groupby(window, key=lambda line: line.rpartition("/")[0]):
            beside = list(group)
            alike = Counter(stem_key(Path(line)) for line in beside)
            for line in beside:
                lone = alike[stem_key(Path(line))] == 1
                if places.is_url(line):
                    known = places.entry(line) if is_shard(line) else None  # a picture's machine asks for it
                    size, time = (known.size, known.time) if known is not None else (0, 0)
                    yield Item(line, below(line.partition("://")[2]), lone, size, time)
                else:
                    yield _item(Path(line), below(line), lone=lone)


def _lines(name: str) -> Iterator[str]:
    try:
        yield from filter(None, places.lines(name))
    except OSError as error:
        raise SengaError(
            f"{name}: the list cannot be read ({error.strerror or one_line(error)}); name a text file"
        ) from error
