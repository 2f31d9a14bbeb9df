"""How files of others are read: which picture formats there are for us, which files of a folder count, and text."""

import codecs
import errno
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import SengaError

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
HEAD = 4096  # bytes at the beginning of a text that are searched for NUL


def walk(folder: Path, endings: Collection[str], *, depth: int | None = None) -> list[Path]:
    """The files below a folder with one of these endings (in lower case), sorted; `depth` 0 is the folder itself alone.

    Linked folders are entered, except where a link leads back to a folder around it. Names that begin with a dot are
    left out (`._x.png` of macOS, `.ipynb_checkpoints`, `.git`). A folder that cannot be listed is named in a warning.
    Raises OSError where the process has too many files open.
    """
    found: list[Path] = []
    rest: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
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
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = where / entry.name
            if _is(entry, folder=True):
                if depth is None or len(around) < depth:
                    rest.append((path, around | {own}))
            elif path.suffix.lower() in endings and _is(entry, folder=False):
                found.append(path)
    return sorted(found)


def _is(entry: "os.DirEntry[str]", *, folder: bool) -> bool:
    try:
        return entry.is_dir() if folder else entry.is_file()
    except OSError:  # a link to itself
        return False


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

    Raises SengaError, naming the file and the byte, for what is neither; OSError.
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


def _not_text(path: Path, encoding: str, error: UnicodeDecodeError) -> SengaError:
    try:  # once more in one piece, since a reader counts bytes from the beginning of its own block
        path.read_bytes().decode(encoding.removesuffix("-sig"))
    except UnicodeDecodeError as found:
        error = found
    name = encoding.removesuffix("-sig").upper()
    return SengaError(f"{path}: byte {error.start} is not {name} text ({error.reason}); save the file as UTF-8")


def read_text(path: Path) -> str:
    r"""The whole of such a file, every line end as \n. Raises as `open_text` does."""
    with open_text(path) as file:
        return file.read().replace("\r\n", "\n").replace("\r", "\n")
