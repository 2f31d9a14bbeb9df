"""SengaLoadUpscaleModel: a weights file -> UPSCALE_MODEL. SengaLoadTagger: one -> SENGA_TAGGER."""

from collections.abc import Callable
from typing import Any, ClassVar

from ..arch import SengaError, TaggerModel, UpscaleModel, load_tagger, load_upscaler, read_header
from ..arch.registry import DEEPEST
from . import host
from .model_files import stamp


class SengaLoadUpscaleModel:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Loads an upscaling network: one of Senga's own, or a file in ComfyUI's upscale_models folder: ESPCN_7, DCSCN,"
        " Compact, ESRGAN, and what spandrel knows (SPAN, DAT, SwinIR, HAT, ...). Works with Senga's upscaler and the"
        " built-in one."
    )
    SEARCH_ALIASES: ClassVar = ["waifu2x", "real-esrgan", "super resolution", "load upscaler", "anime upscale model"]
    RETURN_TYPES = ("UPSCALE_MODEL",)
    RETURN_NAMES = ("upscale_model",)
    OUTPUT_TOOLTIPS = ("The network, for Upscale Image (Senga) or the built-in Upscale Image (using Model).",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        tooltip = "The network to upscale with. Senga's own come first, then the files in models/upscale_models."
        units = {
            "advanced": True,
            "default": 0,
            "min": 0,
            "max": DEEPEST,
            "tooltip": "For DRRN alone, such as senga_drrn_x2: how often each of its blocks runs. Fewer are faster and"
            " less exact; the node says which numbers the network was trained for. 0: the largest of them.",
        }
        return {
            "required": {"model_name": (host.upscale_model_names(), {"tooltip": tooltip})},
            "optional": {"units": ("INT", units)},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str | None = None, units: int | None = None) -> bool | str:
        """Takes names of sub-folders with either slash, in place of ComfyUI's own look into the list.

        An input that comes through a link is None here; the run checks it.
        """

        def look() -> None:
            if model_name is not None:
                path = host.upscale_model_path(model_name)
                if units:
                    read_header(path).check_units(units)

        return _answer(look)

    @classmethod
    def IS_CHANGED(cls, model_name: str, units: int = 0) -> str:
        """Load again if the file was replaced."""
        return stamp(host.upscale_model_path(model_name))

    def load(self, model_name: str, units: int = 0) -> tuple[UpscaleModel]:
        model = load_upscaler(host.upscale_model_path(model_name)).with_units(units)
        host.attach_patcher(model)
        return (model,)


class SengaLoadTagger:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Loads a network that tags pictures: one of Senga's own, or a tagger that you have, with its list of tags in"
        " models/senga_taggers: WD14 and JoyTag as ONNX, WD v3 and others of timm as safetensors, MobileNetV3. WD14"
        " files of other nodes are found too."
    )
    SEARCH_ALIASES: ClassVar = ["wd14", "waifu diffusion tagger", "danbooru tags", "interrogate", "load tagger"]
    RETURN_TYPES = ("SENGA_TAGGER",)
    RETURN_NAMES = ("tagger",)
    OUTPUT_TOOLTIPS = ("The network and its list of tags, for Tag Image (Senga).",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        tooltip = (
            "The network to tag with. Senga's own come first, then the files in models/senga_taggers, then those of"
            " other nodes."
        )
        return {"required": {"model_name": (host.tagger_names(), {"tooltip": tooltip})}}

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str | None) -> bool | str:
        """As SengaLoadUpscaleModel."""
        return _answer(lambda: model_name is None or host.tagger_path(model_name))

    @classmethod
    def IS_CHANGED(cls, model_name: str) -> str:
        """Load again if the file was replaced."""
        return stamp(host.tagger_path(model_name))

    def load(self, model_name: str) -> tuple[TaggerModel]:
        model = load_tagger(host.tagger_path(model_name))
        host.attach_patcher(model)
        return (model,)


def _answer(check: Callable[[], object]) -> bool | str:
    """What VALIDATE_INPUTS says of a check: True, or the message of its SengaError."""
    try:
        check()
    except SengaError as error:
        return str(error)
    return True
