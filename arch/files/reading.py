"""How files of others are read: which picture formats there are for us, which files of a folder count, text, JSON."""

import codecs
import csv
import errno
import json
import logging
import os
import stat as modes
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, TextIO

from ..errors import SengaError, brief, quoted

logger = logging.getLogger("senga")

# Pillow's name -> endings by which a folder's pictures are found. Pillow opens these alone: of its other readers one
# starts Ghostscript (EPS), and most nobody uses.
PICTURE_FORMATS: dict[str, tuple[str, ...]] = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),  # MPO too, which is a JPEG followed by others
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "TGA": (".tga",),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "JPEG2000": (".jp2",),
    "ICO": (),
    "PSD": (),
    "QOI": (),
}
READABLE = tuple(PICTURE_FORMATS)  # for `formats=` of Pillow's open
PICTURE_ENDINGS = tuple(ending for endings in PICTURE_FORMATS.values() for ending in endings)

# UTF-32 first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
KINDS = (
    (modes.S_ISDIR, "folder"),
    (modes.S_ISFIFO, "pipe"),
    (modes.S_ISSOCK, "socket"),
    (modes.S_ISCHR, "device"),
    (modes.S_ISBLK, "device"),
)
MOST_WAYS = 16  # links by which one folder is entered; folders of links to each other have a way for each order
MOST_TEXT = 16 * 2**20  # bytes of a file that is held as a whole; JSON becomes up to 24 times as large in memory
MOST_PARTS = 1_000_000  # lists and objects of JSON, each of which takes 70 bytes and more
HEAD = 4096  # bytes at the beginning of a text that are searched for NUL


def walk(folder: Path, endings: Collection[str], *, depth: int | None = None, odd: bool = False) -> list[Path]:
    """The files below a folder with one of these endings (in lower case), sorted; `depth` 0 is the folder itself alone.

    With `odd`, also what has such an ending and is not a file: dangling links, pipes, devices (see `why_unreadable`).

    Linked folders are entered, except where a link leads back to a folder around it, or where MOST_WAYS have led there
    before. Names that begin with a dot are left out (`._x.png` of macOS, `.ipynb_checkpoints`, `.git`). A folder that
    cannot be listed is named in a warning.
    Raises OSError where the process has too many files open.
    """
    return sorted(path for files in walk_folders(folder, endings, depth=depth, odd=odd) for path in files)


def walk_folders(
    folder: Path, endings: Collection[str], *, depth: int | None = None, odd: bool = False
) -> Iterator[list[Path]]:
    """The same folder after folder, each's own files sorted: the names of one folder are held, not those of all."""
    rest: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    ways: Counter[tuple[int, int]] = Counter()
    while rest:
        where, around = rest.pop()
        try:
            stat = where.stat()
            entries = list(os.scandir(where))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise  # that is not the folder's fault: the next one would be left out too
            logger.warning("%s: left out, cannot be listed (%s)", where, error.strerror)
            continue
        own = (stat.st_dev, stat.st_ino)
        if own in around:
            continue
        ways[own] += 1
        if ways[own] > MOST_WAYS:
            if ways[own] == MOST_WAYS + 1:
                logger.warning("%s: left out, more than %d links lead to the same folder", where, MOST_WAYS)
            continue
        found: list[Path] = []
        below: list[Path] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = where / entry.name
            if _is(entry, folder=True):
                if depth is None or len(around) < depth:
                    below.append(path)
            elif path.suffix.lower() in endings and (odd or _is(entry, folder=False)):
                found.append(path)
        rest += [(path, around | {own}) for path in sorted(below, reverse=True)]
        yield sorted(found)


def _is(entry: "os.DirEntry[str]", *, folder: bool) -> bool:
    try:
        return entry.is_dir() if folder else entry.is_file()
    except OSError:  # a link to itself
        return False


def is_file(path: Path) -> bool:
    """Whether there is a regular file; False where the system cannot say (a name that is too long, a closed folder)."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def beside(path: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files in the folder of `path`; "{stem}" is the name of `path` without its ending."""
    candidates = (path.with_name(name.format(stem=path.stem)) for name in names)
    return next((candidate for candidate in candidates if is_file(candidate)), None)


def why_unreadable(path: Path) -> str:
    """Why a path cannot be opened as a file, for a message; "" where it can. Opens nothing: a pipe would wait."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return f"is a link to {brief(path.readlink())}, which does not exist; restore that file or remove the link"
        return "there is no such file; check the name and the folder"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"cannot be opened ({brief(reason)}); check the name, the folder and where links lead"
    if not modes.S_ISREG(mode):
        return f"is a {_kind(mode, 'special file')}; expected a file"
    return "" if os.access(path, os.R_OK) else "cannot be read (Permission denied); change its permissions"


def _kind(mode: int, other: str) -> str:
    return next((name for test, name in KINDS if test(mode)), other)


def why_unlisted(folder: Path) -> str:
    """Why a path cannot be listed as a folder, for a message; "" where it can."""
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        return "the folder does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be opened ({brief(getattr(error, 'strerror', None) or error)}); check the name"
    if not modes.S_ISDIR(mode):
        return f"is a {_kind(mode, 'file')}; expected a folder"
    return (
        "" if os.access(folder, os.R_OK | os.X_OK) else "cannot be listed (Permission denied); change its permissions"
    )


def below(name: str) -> str:
    """A name from elsewhere (of a tar's member, in a manifest or a list) as a path that stays inside a folder.

    Roots, drives, `.` and `..` are left out; "" if nothing else is in it.
    """
    parts = PurePath(name).parts
    return "/".join(part for part in parts if part != ".." and not PurePath(part).anchor)


def has_text_name(path: Path | str) -> bool:
    """Whether a name can be written into a text file: on Linux names are bytes, and not all of them are UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark; line ends as they are (for `csv`).

    Raises SengaError, naming the file and the byte, for what is neither, and for what the block cannot read as CSV;
    OSError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    encoding = next((name for mark, name in MARKS if head.startswith(mark)), "utf-8")
    if encoding in ("utf-8", "utf-8-sig") and (zero := head.find(0)) >= 0:
        raise SengaError(f"{path}: byte {zero} is 0, so this is not UTF-8 text; save the file as UTF-8")
    try:
        with path.open(encoding=encoding, newline="") as text:
            yield text
    except UnicodeDecodeError as error:
        raise _not_text(path, encoding, error) from error
    except csv.Error as error:  # a cell of over 131,072 characters: often a quotation mark that is never closed
        found = f"is not a table that can be read ({brief(error)})"
        raise SengaError(f"{path}: {found}; look at its quotation marks, or save it as CSV again") from error


def csv_lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, cells by column) of each line of a table with a head line; `where` names file and line for a message.

    Cells that a short line lacks are "", those that it has too many are dropped.
    Raises SengaError for a table without one of `columns`, and as `open_text`; OSError.
    """
    with open_text(path) as file:
        table = csv.DictReader(file, restval="")
        names = table.fieldnames or []
        if missing := [name for name in columns if name not in names]:
            found = brief(", ".join(names)) or "nothing"
            raise SengaError(
                f"{path}: has no column {missing[0]!r} (it has {found}); expected {','.join(columns)}, as CSV"
            )
        for line in table:
            yield f"{path}, line {table.line_num}", {name: line[name] for name in names}


def sides(where: str, line: Mapping[str, str]) -> tuple[int, int]:
    """Width and height of a picture, from a line of `csv_lines`. Raises SengaError for what is not a whole number."""
    try:
        return int(line["width"]), int(line["height"])
    except ValueError as error:
        found = f"{quoted(line['width'])} x {quoted(line['height'])}"
        raise SengaError(f"{where}: the size is {found}; expected whole pixels") from error


def _not_text(path: Path, encoding: str, error: UnicodeDecodeError) -> SengaError:
    try:  # once more in one piece, since a reader counts bytes from the beginning of its own block
        path.read_bytes().decode(encoding.removesuffix("-sig"))
    except UnicodeDecodeError as found:
        error = found
    name = encoding.removesuffix("-sig").upper()
    return SengaError(f"{path}: byte {error.start} is not {name} text ({error.reason}); save the file as UTF-8")


def read_text(path: Path, encoding: str = "") -> str:
    r"""The whole of such a file, or of one in `encoding`, every line end as \n.

    Raises as `open_text` does; SengaError for one over 16 MiB.
    """
    if (size := path.stat().st_size) > MOST_TEXT:
        raise SengaError(f"{path}: has {size} bytes; expected text of at most {MOST_TEXT}: is it the right file?")
    try:
        with path.open(encoding=encoding, newline="") if encoding else open_text(path) as file:
            return file.read().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeError as error:
        raise SengaError(f"{path}: is not {encoding} text ({brief(error)}); save it as that, or as UTF-8") from error


def check_parts(text: str | bytes) -> None:
    """Raises ValueError for JSON that would become far more memory than it is long: `[[],[],[],...`."""
    marks = "[{" if isinstance(text, str) else (b"[", b"{")
    if sum(text.count(mark) for mark in marks) > MOST_PARTS:  # pyright: ignore[reportArgumentType]
        raise ValueError(f"more than {MOST_PARTS:,} lists and objects")


def parse_json(text: str | bytes) -> Any:
    """JSON from elsewhere. Raises SengaError, a phrase without the name of its source, for whatever cannot be read."""
    try:
        check_parts(text)
        return json.loads(text)
    except RecursionError as error:
        raise SengaError("is not JSON that can be read (nested too deeply)") from error
    except ValueError as error:  # also bytes that are not UTF-8, and numbers of over 4,300 digits
        raise SengaError(f"is not JSON that can be read ({brief(error, 120)})") from error


def read_json(path: Path) -> Any:
    """The JSON in a file. Raises SengaError, naming the file, and OSError."""
    text = read_text(path)
    try:
        return parse_json(text)
    except SengaError as error:
        raise SengaError(f"{path.name}: {error}; copy it again") from error
