"""SengaLoadImages: the pictures of a folder under ComfyUI's input folder, as lists, with their names."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import ImageOps
from torch import Tensor

from ..arch import SengaError, Stopped
from ..arch.errors import brief, quoted
from ..arch.files.reading import PICTURE_ENDINGS, walk
from ..training.run.pictures import clear, is_deep, open_picture, scaled
from . import host


class SengaLoadImages:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Loads the pictures of a folder in ComfyUI's input folder, sorted by name, each in its own size. The nodes that"
        " follow run once for each picture; the names go to a node that saves."
    )
    SEARCH_ALIASES: ClassVar = ["load folder", "image directory", "batch load", "load images from folder", "dataset"]
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("images", "masks", "names")
    OUTPUT_IS_LIST = (True, True, True)
    OUTPUT_TOOLTIPS = (
        "The pictures, a list; sizes may differ.",
        "Their transparency (1 is transparent), of the same size; zeros for an opaque picture.",
        "Their file names without the ending, for the names of a node that saves, or its filename_prefix.",
    )
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        count = {"default": 0, "min": 0, "max": 1_000_000}
        return {
            "required": {
                "folder": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "A folder inside ComfyUI's input folder, such as comics/part1. Empty: the input"
                        " folder itself. Its sub-folders are not searched.",
                    },
                ),
                "limit": (
                    "INT",
                    {**count, "tooltip": "Load at most this many pictures. 0: all; they share the memory."},
                ),
                "start": ("INT", {**count, "tooltip": "Skip this many pictures first, to go on with the next ones."}),
            }
        }

    @classmethod
    def root(cls) -> Path:
        return host.input_folder()

    @classmethod
    def VALIDATE_INPUTS(cls, folder: str | None = None) -> bool | str:
        """Before anything runs. None: linked, and checked by the run."""
        try:
            if folder is not None:
                folder_inside(cls.root(), folder)
        except SengaError as error:
            return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, folder: str, limit: int, start: int) -> str:
        """Load again if a picture was added, removed or replaced."""
        stats = [(path.name, path.stat()) for path in chosen(cls.root(), folder, limit, start)]
        text = "\n".join(f"{name} {stat.st_mtime_ns} {stat.st_size}" for name, stat in stats)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def read(self, path: Path) -> tuple[Tensor, Tensor]:
        return read_picture(path)

    def load(self, folder: str, limit: int, start: int) -> tuple[list[Tensor], list[Tensor], list[str]]:
        paths = chosen(self.root(), folder, limit, start)
        images: list[Tensor] = []
        masks: list[Tensor] = []
        report_progress = host.progress()
        for number, path in enumerate(paths):
            if host.should_stop():
                raise Stopped(f"stopped after {number} of {len(paths)} pictures")
            image, mask = self.read(path)
            images.append(image)
            masks.append(mask)
            if report_progress is not None:
                report_progress(number + 1, len(paths))
        return images, masks, names_of(paths)


def folder_inside(root: Path, folder: str) -> Path:
    """The folder of a name under `root`. Raises SengaError if it leads out of it, also by a link, or is not there."""
    try:
        path = (root / folder).resolve()
        inside = not Path(folder).anchor and path.is_relative_to(root.resolve())
        there = inside and path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, too long, NUL
        reason = brief(error)
        raise SengaError(f"folder {quoted(folder)} cannot be the name of a folder ({reason}); give another") from error
    if not inside:
        raise SengaError(f"folder {quoted(folder)} leads out of the input folder {root}; give a folder inside it")
    if not there:
        raise SengaError(
            f"folder {quoted(folder)} is not in the input folder {root}; create it there or choose another"
        )
    return path


def chosen(root: Path, folder: str, limit: int, start: int) -> list[Path]:
    """The pictures that are loaded. Raises SengaError where there are none, or a link leads out of `root`."""
    inside = folder_inside(root, folder)
    found = walk(inside, PICTURE_ENDINGS, depth=0)
    if outside := [path.name for path in found if not path.resolve().is_relative_to(root.resolve())]:
        raise SengaError(
            f"{outside[0]} in folder {quoted(folder)} is a link that leads out of the input folder; copy the file"
        )
    paths = found[start : start + limit if limit else None]
    if not paths:
        raise SengaError(
            f"folder {quoted(folder)} has {len(found)} pictures, of which start skips {start};"
            " expected at least one to load"
        )
    return paths


def names_of(paths: list[Path]) -> list[str]:
    """File names without the ending; with it where two pictures differ in the ending alone."""
    stems = Counter(path.stem.lower() for path in paths)
    return [path.name if stems[path.stem.lower()] > 1 else path.stem for path in paths]


def read_picture(path: Path) -> tuple[Tensor, Tensor]:
    """(1, H, W, 3) and (1, H, W): an upright picture, the first frame of an animation, and 1 - its alpha.

    Raises SengaError, naming the file, for what Pillow cannot read and for what is too large.
    """
    try:
        with open_picture(path) as opened:
            picture = ImageOps.exif_transpose(scaled(opened))
            if is_deep(picture):
                levels, holes = np.repeat(np.asarray(picture)[..., None], 3, 2), clear(picture)
            else:
                levels, holes = np.asarray(picture.convert("RGB"), np.float32) / 255, None
                if picture.has_transparency_data:
                    holes = 1 - np.asarray(picture.convert("RGBA").getchannel("A"), np.float32) / 255
    except SengaError as error:
        raise SengaError(f"{path.name}: {error}") from error
    except Exception as error:  # Pillow's readers raise whatever their parsing runs into
        reason = brief(error, 200)
        raise SengaError(f"{path.name}: not a picture that Pillow can read ({reason}); remove or replace it") from error
    mask = torch.zeros(levels.shape[:2]) if holes is None else torch.from_numpy(holes).float()
    return torch.from_numpy(levels)[None], mask[None]
