"""SengaSaveTags: pictures and their captions as NAME.png and NAME.txt, the form that trainers read."""

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ..arch import SengaError
from ..arch.errors import amount
from ..arch.image import apply_mask, flatten
from . import host
from .saving import Numbered, check_prefix, png_writer, text_writer, truncated_levels, workflow_texts

FORBIDDEN = '/\\:*?"<>|%'  # in the name of a file; % would be filled in


class SengaSaveTags:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Saves each picture and its tags in ComfyUI's output folder as NAME.png and NAME.txt, the form in which kohya's"
        " scripts and other trainers read captions. Names are numbered as in Save Image."
    )
    SEARCH_ALIASES: ClassVar = ["save caption", "caption file", "kohya", "training set", "save text", "save tags"]
    RETURN_TYPES = ()
    RETURN_NAMES = ()
    OUTPUT_TOOLTIPS = ()
    FUNCTION = "save"
    OUTPUT_NODE = True
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The pictures that were tagged."}),
                "tags": (
                    "STRING",
                    {
                        "forceInput": True,
                        "tooltip": "One text for each picture, from Tag Image, or one for all.",
                    },
                ),
                "filename_prefix": (
                    "STRING",
                    {
                        "default": "tagged/senga",
                        "tooltip": "The start of the names in the output folder. It may contain sub-folders and"
                        " %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%.",
                    },
                ),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Transparency of the pictures, as Load Image gives it. They are then saved on white,"
                        " which is what Senga's and WD's taggers see, so that picture and caption agree."
                    },
                ),
                "names": (
                    "STRING",
                    {
                        "forceInput": True,
                        "tooltip": "Names for the files in place of numbers, one for each picture, from Load Images."
                        " Of filename_prefix only the folder counts then.",
                    },
                ),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def folder(self) -> Path:
        return host.output_folder()

    def save(
        self,
        images: list[Tensor],
        tags: list[str],
        filename_prefix: list[str],
        mask: list[Tensor] | None = None,
        names: list[str] | None = None,
        prompt: list[Any] | None = None,
        extra_pnginfo: list[Any] | None = None,
    ) -> dict[str, Any]:
        frames = [frame for batch in on_white(images, mask) for frame in batch]
        captions = tags * len(frames) if len(tags) == 1 else tags
        if len(captions) != len(frames):
            found = f"{amount(len(frames), 'picture')} and {amount(len(tags), 'text')}"
            raise SengaError(f"found {found}; expected one text for each, or one for all")
        text = workflow_texts((prompt or [None])[0], (extra_pnginfo or [None])[0]) if host.metadata_allowed() else {}
        if names is not None and len(names) != len(frames):
            found = f"{amount(len(frames), 'picture')} and {amount(len(names), 'name')}"
            raise SengaError(f"found {found}; expected one name for each")
        prefix, root = filename_prefix[0], self.folder()
        check_prefix(prefix)
        height, width = frames[0].shape[:2]
        if names is not None:
            check_names(names)
        stems = Numbered(root, prefix, width=width, height=height)
        saved: list[dict[str, str]] = []
        texts: list[dict[str, str]] = []
        for number, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
            picture = png_writer(truncated_levels(frame), text=text)
            # The caption first: killed in between, a picture without one would go into a training set.
            files = {".txt": text_writer(caption), ".png": picture}
            stem = stems.save(number, files, name=None if names is None else names[number])
            saved.append({"filename": f"{stem}.png", "subfolder": stems.subfolder, "type": "output"})
            texts.append({**saved[-1], "filename": f"{stem}.txt"})
        return {"ui": {"images": saved, "captions": texts}}


def on_white(images: list[Tensor], masks: list[Tensor] | None) -> list[Tensor]:
    """Batches (B, H, W, C) with their masks -> (B, H, W, 3) on white; without masks as they are."""
    if masks is None:
        return images
    if len(masks) not in (1, len(images)):
        found = f"{amount(len(images), 'picture')} and {amount(len(masks), 'mask')}"
        raise SengaError(f"found {found}; expected one mask for each, or one")
    pairs = zip(images, masks * len(images) if len(masks) == 1 else masks, strict=True)
    return [flatten(apply_mask(image.float(), mask)) for image, mask in pairs]


def check_names(names: list[str]) -> None:
    """Raises SengaError for a name that cannot be that of a file on any system, or would lead to another folder."""
    for name in names:
        if not name.strip(". ") or any(mark in FORBIDDEN or ord(mark) < 32 for mark in name):
            raise SengaError(
                f"the name {name!r} cannot be that of a file; expected a name without {' '.join(FORBIDDEN)}"
            )
