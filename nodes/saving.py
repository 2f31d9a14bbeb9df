"""Files written by nodes and commands: named as in ComfyUI's SaveImage, each whole or not at all."""

import re
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor

from ..arch import SengaError
from ..arch.atomic import replacing


def truncated_levels(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, C) float in [0, 1] to 8 bits as in ComfyUI's SaveImage: truncated, not rounded."""
    return np.clip(255.0 * image.float().cpu().numpy(), 0, 255).astype(np.uint8)


def write_png(path: Path, levels: NDArray[np.uint8], *, text: Mapping[str, str] | None = None, level: int = 4) -> None:
    """Write (H, W, C) 8-bit levels, C 1 to 4, to `path`; `text` goes into its text chunks; `level` is zlib's, 0 to 9.

    The file appears whole or not at all. Raises SengaError for another number of channels, OSError from the disk.
    """
    channels = levels.shape[2]
    if not 1 <= channels <= 4:
        raise SengaError(f"{path}: a picture of {channels} channels cannot be written as PNG; expected 1, 3 or 4")
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    picture = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if channels == 1 else levels))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=chunks, compress_level=level)


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
    # ComfyUI looks for the literal %batch_num%, so it starts at 1 again and replaces the last run's pictures.
    stem = re.escape(target.name).replace("%batch_num%", r"\d+")
    same_name = re.IGNORECASE if Path("a") == Path("A") else 0  # Windows
    taken = re.compile(rf"{stem}_(\d+)(?:_.*)?", same_name)
    found = (taken.fullmatch(entry.name) for entry in target.parent.iterdir()) if target.parent.is_dir() else ()
    return target, max((int(match[1]) for match in found if match), default=0) + 1


def check_prefix(prefix: str) -> None:
    """Raises SengaError for a filename_prefix that is an absolute path or contains `..`, on any system."""
    parts = re.split(r"[/\\\\]", prefix)
    if ".." in parts or PurePosixPath(prefix).is_absolute() or PureWindowsPath(prefix).anchor:
        raise SengaError(
            f"filename_prefix '{prefix}' leads out of the output folder; give a name such as 'tags/picture'"
        )


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises OSError from the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
