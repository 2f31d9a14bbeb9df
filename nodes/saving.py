"""Files written by nodes and commands: named as in ComfyUI's SaveImage, each whole or not at all."""

import itertools
import json
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor

from ..arch import SengaError
from ..arch.files.atomic import publish, replacing, temporary_in

BATCH_NUMBER = "%batch_num%"
COUNTER = re.compile(r"_(\d{1,18})(?=_|$)")  # a name's end, ending and all, begins with the second underscore
KEPT_FOLDERS = 16


def truncated_levels(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, C) float in [0, 1] to 8 bits as in ComfyUI's SaveImage: truncated, not rounded."""
    return np.clip(255.0 * image.float().cpu().numpy(), 0, 255).astype(np.uint8)


def write_png(path: Path, levels: NDArray[np.uint8], *, text: Mapping[str, str] | None = None, level: int = 4) -> None:
    """Write (H, W, C) 8-bit levels, C 1 to 4, to `path`; `text` goes into its text chunks; `level` is zlib's, 0 to 9.

    The file appears whole or not at all. Raises SengaError for another number of channels, OSError from the disk.
    """
    try:
        write = png_writer(levels, text=text, level=level)
    except SengaError as error:
        raise SengaError(f"{path}: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write(temporary)


def png_writer(
    levels: NDArray[np.uint8], *, text: Mapping[str, str] | None = None, level: int = 4
) -> Callable[[Path], None]:
    """What writes such a picture into a file. Raises SengaError for another number of channels."""
    channels = levels.shape[2]
    if not 1 <= channels <= 4:
        raise SengaError(f"a picture of {channels} channels cannot be written as PNG; expected 1, 3 or 4")
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    picture = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if channels == 1 else levels))
    return lambda path: picture.save(path, format="PNG", pnginfo=chunks, compress_level=level)


def workflow_texts(prompt: Any, extra_pnginfo: Any) -> dict[str, str]:
    """What SaveImage writes into the text chunks of a PNG: the workflow, in two forms."""
    extra = extra_pnginfo if isinstance(extra_pnginfo, dict) else {}
    own = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return own | {key: json.dumps(value) for key, value in extra.items()}


def text_writer(text: str) -> Callable[[Path], None]:
    """What writes a text into a file, in UTF-8."""

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8", newline="\n")

    return write


class Numbered:
    """Names `prefix_00001_` and so on in a folder, each given to one process alone and with its files whole.

    Args:
        folder: that of all results.
        prefix: may contain sub-folders and %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%, and
            %batch_num%, which is the number given to `save`.

    Raises:
        SengaError: `prefix` leads out of `folder`.
    """

    def __init__(self, folder: Path, prefix: str, *, width: int, height: int) -> None:
        self._target, self._next = next_name(folder, prefix, width=width, height=height)
        self.subfolder = self._target.parent.relative_to(folder.resolve()).as_posix().removeprefix(".")

    def save(self, number: int, files: Mapping[str, Callable[[Path], None]], *, name: str | None = None) -> str:
        """Write files of one stem, `files` being what writes them by their endings; returns the stem.

        With a `name` that is the stem, numbered only where it is taken; of the prefix only the folder counts then.

        The first ending reserves the stem. The files are written under temporary names before, so a run that is killed
        leaves nothing unfinished, and at most a file whose companions are missing. Raises OSError from the disk.
        """
        folder = self._target.parent
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            written = {ending: stack.enter_context(temporary_in(folder)) for ending in files}
            for ending, temporary in written.items():
                files[ending](temporary)
            stems = self._numbered(number) if name is None else _named(folder, name)
            stem = next(
                stem
                for stem in stems
                if _publish_all({folder / f"{stem}{ending}": temporary for ending, temporary in written.items()})
            )
        _known.note(folder, stem)
        return stem

    def _numbered(self, number: int) -> Iterator[str]:
        while True:
            stem = f"{self._target.name.replace(BATCH_NUMBER, str(number))}_{self._next:05}_"
            self._next += 1
            yield stem


def _named(folder: Path, name: str) -> Iterator[str]:
    yield name
    for counter in itertools.count(_known.last(folder / name) + 1):
        yield f"{name}_{counter:05}_"


def _publish_all(files: Mapping[Path, Path]) -> bool:
    """Give finished files (name -> temporary) their names; False, with none of them given, where one is taken."""
    if any(path.exists() for path in files):
        return False
    given: list[Path] = []
    try:
        for path, temporary in files.items():
            publish(temporary, path)
            given.append(path)
    except FileExistsError:
        return False
    finally:
        for path in given if len(given) < len(files) else ():  # a full disk and Ctrl-C too
            path.replace(files[path])
    return True


def next_name(folder: Path, prefix: str, *, width: int, height: int) -> tuple[Path, int]:
    """The path (folder and stem) for `prefix`, and the first free counter there.

    `prefix` may contain sub-folders and %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%. Raises
    SengaError if it leads out of `folder`.
    """
    now = time.localtime()
    values = {
        "width": str(width),
        "height": str(height),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", value)
    root = folder.resolve()
    path = root / prefix
    if not prefix or path.name in ("", ".."):
        raise SengaError(f"filename_prefix '{prefix}' names no file; give a name such as 'picture' or 'folder/picture'")
    target = path.parent.resolve() / path.name
    if not target.parent.is_relative_to(root):
        raise SengaError(f"filename_prefix '{prefix}' leads out of the folder {folder}; give a name inside it")
    return target, _known.last(target) + 1


class _Counters:
    """The highest counter of each stem in the folders that were saved into last, so that not each save lists them.

    A folder is listed again when anything but our own saves has changed it.
    """

    def __init__(self) -> None:
        self._folders: OrderedDict[Path, tuple[int, dict[str, int]]] = OrderedDict()
        self._lock = threading.Lock()

    def last(self, target: Path) -> int:
        """The highest counter of `target_N`, `target_N_` and `target_N_anything`, or 0."""
        with self._lock:
            stems = self._stems(target.parent)
            stem = os.path.normcase(target.name)
            if BATCH_NUMBER not in stem:
                return stems.get(stem, 0)
            # ComfyUI looks for the literal %batch_num%, so it starts at 1 again and replaces the last run's pictures.
            # It is one number everywhere in a name, which also keeps the search short.
            first, *rest = map(re.escape, stem.split(BATCH_NUMBER))
            pattern = re.compile(rf"{first}(?P<n>\d+){'(?P=n)'.join(rest)}")
            return max((count for other, count in stems.items() if pattern.fullmatch(other)), default=0)

    def _stems(self, folder: Path) -> dict[str, int]:
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        before, stems = self._folders.pop(folder, (-1, {}))
        if changed != before:
            stems = {}
            for entry in folder.iterdir() if changed else ():
                _count(stems, entry.name)
        self._folders[folder] = changed, stems
        while len(self._folders) > KEPT_FOLDERS:
            self._folders.popitem(last=False)
        return stems

    def note(self, folder: Path, name: str) -> None:
        """A save of ours has added a name."""
        with self._lock:
            if folder in self._folders:
                stems = self._folders[folder][1]
                _count(stems, name)
                self._folders[folder] = folder.stat().st_mtime_ns, stems


def _count(stems: dict[str, int], name: str) -> None:
    """Add the counters of a name: `a_00007_.png` is the seventh of `a`; `a_1_2_` the first of `a`, second of `a_1`."""
    for found in COUNTER.finditer(name):
        stem = os.path.normcase(name[: found.start()])
        stems[stem] = max(stems.get(stem, 0), int(found[1]))


_known = _Counters()


def check_prefix(prefix: str) -> None:
    """Raises SengaError for a filename_prefix that is an absolute path or contains `..`, on any system."""
    parts = re.split(r"[/\\\\]", prefix)
    if ".." in parts or PurePosixPath(prefix).is_absolute() or PureWindowsPath(prefix).anchor:
        raise SengaError(
            f"filename_prefix '{prefix}' leads out of the output folder; give a name such as 'tags/picture'"
        )
