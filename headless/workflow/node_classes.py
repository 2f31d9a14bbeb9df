"""All nodes of a run without ComfyUI: the stand-ins for its own, and Senga's, which share their models between runs."""

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ...nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, host
from ..files.pictures import read_frames
from ..model_cache import shared_tagger, shared_upscaler
from .core_files import Folders, masked
from .core_nodes import core_nodes

LOADER, TAGGER_LOADER = "SengaLoadUpscaleModel", "SengaLoadTagger"
SAVE_TAGS, LOAD_IMAGES = "SengaSaveTags", "SengaLoadImages"


class _SharedLoader(NODE_CLASS_MAPPINGS[LOADER]):
    """Our load node, which reuses the model of an earlier run of this process while the file is the same."""

    def load(self, model_name: str, units: int = 0) -> tuple[Any]:
        return (shared_upscaler(host.upscale_model_path(model_name), units),)


class _SharedTaggerLoader(NODE_CLASS_MAPPINGS[TAGGER_LOADER]):
    """The same for taggers."""

    def load(self, model_name: str) -> tuple[Any]:
        return (shared_tagger(host.tagger_path(model_name)),)


class _SaveTags(NODE_CLASS_MAPPINGS[SAVE_TAGS]):
    """Our node that saves pictures with tags, bound to a run's folder."""

    folders: ClassVar[Folders] = Folders()

    def folder(self) -> Path:
        return self.folders.output


class _LoadImages(NODE_CLASS_MAPPINGS[LOAD_IMAGES]):
    """Our node that loads a folder, bound to a run's folder and its limit of pixels."""

    folders: ClassVar[Folders] = Folders()

    @classmethod
    def root(cls) -> Path:
        return cls.folders.input

    def read(self, path: Path) -> tuple[Tensor, Tensor]:
        frame = read_frames(path, take="first", max_pixels=self.folders.max_pixels)[0]
        return frame.rgb[None], masked(frame.alpha, frame.rgb.shape[:2])[None]


def all_nodes(folders: Folders) -> dict[str, type]:
    """All nodes of a headless workflow: the stand-ins and our own."""
    own = {LOADER: _SharedLoader, TAGGER_LOADER: _SharedTaggerLoader}
    bound = {SAVE_TAGS: _SaveTags, LOAD_IMAGES: _LoadImages}
    filed = {name: type(name, (node,), {"folders": folders}) for name, node in bound.items()}
    return {**core_nodes(folders), **NODE_CLASS_MAPPINGS, **own, **filed}


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
