"""All nodes of a run without ComfyUI: the stand-ins for its own, and Senga's, which share their models between runs."""

from pathlib import Path
from typing import Any, ClassVar

from ...nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, host
from ..model_cache import shared_tagger, shared_upscaler
from .core_files import Folders
from .core_nodes import core_nodes

LOADER, TAGGER_LOADER, SAVE_TAGS = "SengaLoadUpscaleModel", "SengaLoadTagger", "SengaSaveTags"


class _SharedLoader(NODE_CLASS_MAPPINGS[LOADER]):
    """Our load node, which reuses the model of an earlier run of this process while the file is the same."""

    def load(self, model_name: str) -> tuple[Any]:
        return (shared_upscaler(host.upscale_model_path(model_name)),)


class _SharedTaggerLoader(NODE_CLASS_MAPPINGS[TAGGER_LOADER]):
    """The same for taggers."""

    def load(self, model_name: str) -> tuple[Any]:
        return (shared_tagger(host.tagger_path(model_name)),)


class _SaveTags(NODE_CLASS_MAPPINGS[SAVE_TAGS]):
    """Our node that saves pictures with tags, bound to a run's folder."""

    folders: ClassVar[Folders] = Folders()

    def folder(self) -> Path:
        return self.folders.output


def all_nodes(folders: Folders) -> dict[str, type]:
    """All nodes of a headless workflow: the stand-ins and our own."""
    own = {LOADER: _SharedLoader, TAGGER_LOADER: _SharedTaggerLoader}
    saving = type(SAVE_TAGS, (_SaveTags,), {"folders": folders})
    return {**core_nodes(folders), **NODE_CLASS_MAPPINGS, **own, SAVE_TAGS: saving}


# The editor's names for them, where a node has no title.
TITLES = {
    "ImageScale": "Upscale Image",
    "ImageScaleBy": "Upscale Image By",
    "ImageBatch": "Batch Images",
    "ImageInvert": "Invert Image",
    "MaskToImage": "Convert Mask to Image",
    "ImageToMask": "Convert Image to Mask",
    "SplitImageWithAlpha": "Split Image with Alpha",
    "JoinImageWithAlpha": "Join Image with Alpha",
    "UpscaleModelLoader": "Load Upscale Model",
    "ImageUpscaleWithModel": "Upscale Image (using Model)",
    "PreviewAny": "Preview Any",
    "LoadImage": "Load Image",
    "LoadImageMask": "Load Image (as Mask)",
    "SaveImage": "Save Image",
    "PreviewImage": "Preview Image",
    **NODE_DISPLAY_NAME_MAPPINGS,
}
