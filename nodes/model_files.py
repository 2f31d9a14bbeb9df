"""The weights files in a folder of models: which can be opened, under which names, and what they are for."""

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ..arch import SengaError
from ..arch.errors import file_label
from ..arch.files.reading import has_text_name, walk, why_unreadable
from ..arch.weights import task_of

logger = logging.getLogger("senga")

DEEPEST = 5  # folders in folders that are searched for models


def listed(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """The files below a folder that can be opened, by their names relative to it, with `/` on every system."""
    paths = (path for path in _below(folder, endings) if not _why_unlisted(path))
    return {path.relative_to(folder).as_posix(): path for path in paths}


def with_folder(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """The same, but `model.onnx` directly in the folder is named with it, `wd-x/model.onnx`: other folders have one."""
    found = listed(folder.absolute(), endings)
    return {file_label(path) if name == path.name else name: path for name, path in found.items()}


def unlisted(folder: Path, endings: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """The others, each with the reason: dangling links, pipes, closed files, names that are not UTF-8."""
    for path in _below(folder, endings):
        if reason := _why_unlisted(path):
            yield path, reason


def with_slashes(name: str) -> str:
    r"""`ESRGAN\x.pth`, as ComfyUI on Windows lists and saves a file of a sub-folder, as `ESRGAN/x.pth`."""
    return name.replace("\\", "/")


def is_tagger(path: Path) -> bool:
    """Whether a file is to tag, by its index; False for one that cannot be read: choosing it gives the reason."""
    return task(path)[0] == "tag"


def stamp(path: Path) -> str:
    """Another text whenever a file is replaced, for IS_CHANGED."""
    stat = path.stat()
    return f"{stat.st_mtime_ns} {stat.st_size}"


def task(path: Path) -> tuple[str, str]:
    """("tag" or "upscale", ""), by a file's index; ("", reason) for one that cannot be read. Remembered by file."""
    try:
        stat = path.stat()
    except OSError as error:  # removed since it was listed
        return "", str(error.strerror)
    return _task_as_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _task_as_of(path: Path, changed: int, size: int) -> tuple[str, str]:
    try:
        return task_of(path), ""
    except SengaError as error:
        return "", str(error)
    except Exception as error:
        # A file of a stranger. Whatever it is, the node and the other files must not go away with it.
        logger.warning("%s: cannot be told to be a tagger or an upscaler", path, exc_info=True)
        return "", f"{path.name}: cannot be read ({type(error).__name__})"


def _below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return walk(folder, endings, depth=DEEPEST, odd=True) if folder.is_dir() else []


def _why_unlisted(path: Path) -> str:
    return why_unreadable(path) if has_text_name(path) else "its name is not UTF-8; rename it"
