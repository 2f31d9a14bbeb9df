"""Object stores, through PyArrow's file systems: s3://, gs://, and whatever else fsspec has a package for."""

import codecs
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ...arch.files.atomic import replacing
from ..errors import SengaError, one_line
from .extra import needed

CHUNK = 1 << 20  # bytes copied at once
LONGEST_LINE = 8192  # bytes of a name in a list


@dataclass(frozen=True)
class Entry:
    """What a folder of a store holds."""

    name: str
    folder: bool
    size: int
    time: int  # nanoseconds


def is_url(text: str) -> bool:
    return "://" in text


def local_path(text: str) -> str:
    """The path of a file:// URL; other texts as they are."""
    return unquote(urlsplit(text).path) if text.startswith("file://") else text


@cache
def _system(start: str) -> Any:
    """The file system of "scheme://bucket". Raises SengaError for one that there is none for."""
    fs = needed("pyarrow.fs")
    arrow = needed("pyarrow")
    if start.startswith("s3://") and (address := os.environ.get("AWS_ENDPOINT_URL")):
        scheme, _, host = address.rpartition("://")
        return fs.S3FileSystem(endpoint_override=host.rstrip("/"), scheme=scheme or "https")
    try:
        return fs.FileSystem.from_uri(start)[0]
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        pass
    except OSError as error:
        raise SengaError(f"{start}: cannot be reached ({one_line(error)}); check the address") from error
    try:
        return fs.PyFileSystem(fs.FSSpecHandler(needed("fsspec").filesystem(start.partition("://")[0])))
    except (ValueError, ImportError) as error:
        raise SengaError(f"{start}: no file system is known for it ({one_line(error)})") from error


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    scheme, _, path = url.partition("://")
    path = path.rstrip("/")
    return _system(f"{scheme}://{path.partition('/')[0]}"), path


def entries(url: str) -> list[Entry]:
    """What a folder holds, sorted by name. Raises SengaError where there is no such folder."""
    system, path = _opened(url)
    selector = needed("pyarrow.fs").FileSelector(path, recursive=False)
    try:
        found = system.get_file_info(selector)
    except OSError as error:
        raise SengaError(f"{url}: cannot be listed ({one_line(error)}); name a folder or a file in it") from error
    return sorted((_entry(info) for info in found), key=lambda entry: entry.name)


def entry(url: str) -> Entry | None:
    """That of a file of a store, None where there is none."""
    system, path = _opened(url)
    info = system.get_file_info(path)
    return _entry(info) if info.type.name == "File" else None


def _entry(info: Any) -> Entry:
    return Entry(info.base_name, info.type.name == "Directory", info.size or 0, info.mtime_ns or 0)


def sizes(urls: Sequence[str]) -> list[int | None]:
    """Bytes of files of one store, or of one disk, None for those that are not there."""
    if not urls:
        return []
    if not is_url(urls[0]):
        return [Path(path).stat().st_size if Path(path).is_file() else None for path in urls]
    system = _opened(urls[0])[0]
    return [
        info.size if info.type.name == "File" else None for info in system.get_file_info([_opened(u)[1] for u in urls])
    ]


def opened(url: str) -> Any:
    """A file of a store or of the disk for reading anywhere in it, from several threads too. Raises OSError."""
    system, there = _opened(url) if is_url(url) else (needed("pyarrow.fs").LocalFileSystem(), url)
    return system.open_input_file(there)


def fetch(url: str, path: Path) -> None:
    """Copy a file here. Raises OSError."""
    system, there = _opened(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    with system.open_input_stream(there) as source, path.open("wb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)


def read(url: str) -> bytes | None:
    """A file's content, None where there is none; of a path, too."""
    if sizes([url])[0] is None:
        return None
    if not is_url(url):
        return Path(url).read_bytes()
    system, there = _opened(url)
    with system.open_input_stream(there) as source:
        return source.read()


def lines(url: str) -> Iterator[str]:
    """The lines of a text in UTF-8, as they arrive, without spaces around them; of a path, too.

    Bytes that are not UTF-8 stay what they are in names of files. Raises SengaError, OSError.
    """
    system, there = _opened(url) if is_url(url) else (None, url)
    rest = b""
    with Path(url).open("rb") if system is None else system.open_input_stream(there) as source:
        chunk = source.read(CHUNK).removeprefix(codecs.BOM_UTF8)
        while chunk or rest:
            *whole, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
            yield from (_line(line, url) for line in whole)
            chunk = source.read(CHUNK) if chunk else b""
            _line(rest, url)


def _line(line: bytes, url: str) -> str:
    if len(line) > LONGEST_LINE or b"\0" in line:
        found = "0 in it" if b"\0" in line else f"more than {LONGEST_LINE} bytes"
        raise SengaError(f"{url}: a line has {found}; expected the name of a picture in each, as UTF-8: is it a list?")
    return line.decode("utf-8", "surrogateescape").strip()


def store(data: bytes, url: str) -> None:
    """Write a file; it is there whole or not at all. A path, too. Raises OSError."""
    if not is_url(url):
        Path(url).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(url)) as temporary:
            temporary.write_bytes(data)
        return
    with _sink(url) as target:
        target.write(data)


def send(path: Path, url: str) -> None:
    """The same with the content of a file of this disk, however large. Raises OSError."""
    if not is_url(url):
        Path(url).parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(url)) as temporary:
            shutil.copyfile(path, temporary)
        return
    try:
        with path.open("rb") as source, _sink(url) as target:
            shutil.copyfileobj(source, target, CHUNK)
    except BaseException:
        remove(url)  # closing it has made a file of what was sent
        raise


def _sink(url: str) -> Any:
    system, there = _opened(url)
    if system.type_name != "s3":  # object stores have no folders
        system.create_dir(there.rpartition("/")[0], recursive=True)
    return system.open_output_stream(there)


def remove(url: str) -> None:
    """A file, or a path, that need not be there. Raises OSError."""
    if not is_url(url):
        Path(url).unlink(missing_ok=True)
    elif entry(url) is not None:
        system, there = _opened(url)
        system.delete_file(there)
