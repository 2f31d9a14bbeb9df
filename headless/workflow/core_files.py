"""Stand-ins for the nodes of ComfyUI that read and write picture files: same ids, inputs, outputs and file names.

They are better than ComfyUI with some files: 16-bit grey keeps its levels instead of turning white, a truncated file is
refused instead of being filled with grey, and frames with and without alpha can be mixed.
"""

import mimetypes
import random
import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...nodes.saving import Numbered, png_writer, workflow_texts
from ...training.run.pictures import MAX_PIXELS
from ..errors import SengaError, one_line, quoted
from ..files.pictures import Frame, Take, read_frames, truncated_levels
from .values import suggest

NO_ALPHA = (64, 64)  # the size of LoadImage's mask for a frame without alpha, whatever the frame's own size
WHERE = {"input": "--input-dir", "output": "--output-dir", "temp": "previews of this run"}
MARKS = {"input": "", "output": " [output]", "temp": " [temp]"}
CHANNELS = ["alpha", "red", "green", "blue"]


@dataclass(frozen=True)
class Folders:
    input: Path = Path("input")
    output: Path = Path("output")
    temp: Path = Path("temp")  # PreviewImage's pictures; gone when the run ends
    max_pixels: int = MAX_PIXELS  # of a picture that is read, all frames together
    allow_outside: bool = False  # whether pictures may be read from elsewhere


def path_inside(folder: Path, name: str, *, allow_outside: bool = False) -> Path:
    """The file of a name in a folder.

    Raises SengaError for one that leads out of it (`../x`, an absolute path, a link), unless `allow_outside`, and for
    what no path may contain.
    """
    path = folder / name
    try:
        # The text first: on Windows, resolving the name of another machine would connect to it.
        inside = not Path(name).anchor and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, too long, NUL
        raise SengaError(f"{quoted(name)} cannot be the name of a file ({one_line(error)}); give another") from error
    if not inside and not allow_outside:
        raise SengaError(
            f"{quoted(name)} leads out of the folder {folder}; give a file inside it, or allow it with --allow-outside"
        )
    return path


class _InputFile:
    """Base of LoadImage and LoadImageMask: the choice of a file in the input folder."""

    folders: ClassVar[Folders] = Folders()

    @classmethod
    def _meant(cls, name: str) -> tuple[str, str]:
        """The kind of folder that a name means by ` [input]`, ` [output]` or ` [temp]` at its end, and the rest."""
        marked = re.fullmatch(r"(.*)\[(input|output|temp)\]", name, re.DOTALL)
        return (marked[2], marked[1].rstrip(" ")) if marked else ("input", name)

    @classmethod
    def path_of(cls, name: str) -> Path:
        """Raises SengaError where the name leads out of the folder that it means."""
        kind, rest = cls._meant(name)
        return path_inside(getattr(cls.folders, kind), rest, allow_outside=cls.folders.allow_outside)

    @classmethod
    def read(cls, name: str, take: Take = "all") -> list[Frame]:
        """The frames of the file that a name means. Raises SengaError."""
        return read_frames(cls.path_of(name), take=take, max_pixels=cls.folders.max_pixels)

    @classmethod
    def _names(cls, pictures_only: bool, kind: str = "input") -> list[str]:
        folder = getattr(cls.folders, kind)
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
        return [name for name in names if not pictures_only or _is_picture_name(name)]

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        kind, name = cls._meant(image)
        try:
            path = cls.path_of(image)
            if path.is_file():
                return True
        except SengaError as error:
            return str(error)
        except OSError as error:  # a name that is too long
            return f"{quoted(name)} cannot be the name of a file ({error.strerror}); give another"
        folder = path.parent
        known = [f"{known}{MARKS[kind]}" for known in cls._names(True, kind)]
        return f"{quoted(name)} is not in the folder {folder} ({WHERE[kind]}); {suggest(name, known)}"


def masked(alpha: Tensor | None, size: tuple[int, ...]) -> Tensor:
    """(H, W): a MASK of a frame's alpha; nothing is masked in one without."""
    return torch.zeros(size) if alpha is None else 1.0 - alpha


def _is_picture_name(name: str) -> bool:
    kind, _ = mimetypes.guess_type(name)
    return (kind or "").startswith("image/") or name.lower().endswith(".webp")  # missing in the tables of some systems


class LoadImage(_InputFile):
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load_image"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": (cls._names(True), {"image_upload": True})}}

    def load_image(self, image: str) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) and (B, H, W), the mask being 1 - alpha; 64x64 zeros where no frame has alpha."""
        frames = self.read(image)
        alphas = [frame.alpha if frame.own_alpha else None for frame in frames]
        size = tuple(frames[0].rgb.shape[:2]) if any(alpha is not None for alpha in alphas) else NO_ALPHA
        return torch.stack([frame.rgb for frame in frames]), torch.stack([masked(alpha, size) for alpha in alphas])


class LoadImageMask(_InputFile):
    RETURN_TYPES = ("MASK",)
    FUNCTION = "load_image"
    CATEGORY = "mask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": (cls._names(False), {"image_upload": True}), "channel": (CHANNELS,)}}

    def load_image(self, image: str, channel: str) -> tuple[Tensor]:
        """(1, H, W): a colour channel of the first frame, or 1 - alpha."""
        (frame,) = self.read(image, "first")
        if channel == "alpha":
            return (masked(frame.alpha, frame.rgb.shape[:2])[None],)
        return (frame.rgb[:, :, CHANNELS.index(channel) - 1][None],)


class SaveImage:
    RETURN_TYPES = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"

    folders: ClassVar[Folders] = Folders()
    kind: ClassVar[str] = "output"
    compress_level: ClassVar[int] = 4

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self,
        images: Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: object = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write (B, H, W, C) as `prefix_00001_.png` and so on, each with the workflow inside."""
        folder: Path = getattr(self.folders, self.kind)
        names = Numbered(folder, filename_prefix, width=images.shape[2], height=images.shape[1])
        text = workflow_texts(prompt, extra_pnginfo)
        saved = []
        for number, image in enumerate(images):
            picture = png_writer(truncated_levels(image), text=text, level=self.compress_level)
            name = names.save(number, {".png": picture}) + ".png"
            saved.append({"filename": name, "subfolder": names.subfolder, "type": self.kind})
        return {"ui": {"images": saved}}


class PreviewImage(SaveImage):
    kind = "temp"
    compress_level = 1

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        declared = super().INPUT_TYPES()
        return {**declared, "required": {"images": ("IMAGE",)}}

    def save_images(
        self,
        images: Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: object = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        mark = "".join(random.choices(string.ascii_lowercase, k=5))  # distinct from the previews of other nodes
        return super().save_images(images, f"{filename_prefix}_temp_{mark}", prompt, extra_pnginfo)
