"""SengaSaveTags: pictures and their captions as NAME.png and NAME.txt, the form that trainers read."""

import json
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ..arch import SengaError
from . import host
from .saving import Numbered, check_prefix, png_writer, text_writer, truncated_levels


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
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def folder(self) -> Path:
        return host.output_folder()

    def save(
        self,
        images: list[Tensor],
        tags: list[str],
        filename_prefix: list[str],
        prompt: list[Any] | None = None,
        extra_pnginfo: list[Any] | None = None,
    ) -> dict[str, Any]:
        frames = [frame for batch in images for frame in batch]
        captions = tags * len(frames) if len(tags) == 1 else tags
        if len(captions) != len(frames):
            raise SengaError(
                f"there are {len(frames)} pictures and {len(tags)} texts; expected one text for each, or one for all"
            )
        text = metadata((prompt or [None])[0], (extra_pnginfo or [None])[0]) if host.metadata_allowed() else {}
        prefix, root = filename_prefix[0], self.folder()
        check_prefix(prefix)
        height, width = frames[0].shape[:2]
        names = Numbered(root, prefix, width=width, height=height)
        saved: list[dict[str, str]] = []
        texts: list[dict[str, str]] = []
        for number, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
            picture = png_writer(truncated_levels(frame), text=text)
            # The caption first: killed in between, a picture without one would go into a training set.
            stem = names.save(number, {".txt": text_writer(caption), ".png": picture})
            saved.append({"filename": f"{stem}.png", "subfolder": names.subfolder, "type": "output"})
            texts.append({**saved[-1], "filename": f"{stem}.txt"})
        return {"ui": {"images": saved, "captions": texts}}


def metadata(prompt: Any, extra_pnginfo: Any) -> dict[str, str]:
    """What SaveImage writes into a PNG: the workflow, in two forms."""
    extra = extra_pnginfo if isinstance(extra_pnginfo, dict) else {}
    own = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return own | {key: json.dumps(value) for key, value in extra.items()}
