"""Networks, their weights files, seam-free upscaling and tagging.

Needs torch, einops, numpy and safetensors, not ComfyUI.

model = senga.arch.load_model("weights/senga_compact_x2.safetensors")
large = senga.arch.upscale(model, image)  # (B, H, W, C) float32 in [0, 1]
tagger = senga.arch.load_tagger("weights/senga_tagger_large.safetensors")
tags = senga.arch.tag(tagger, image)[0].tags
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import SengaError, Stopped
    from .header import Header, Provenance
    from .preprocessing import Preprocessing, preprocess
    from .tagger import TaggerModel
    from .tagging import tag
    from .tags import Options, Tagged
    from .upscaler import UpscaleModel
    from .upscaling import upscale
    from .vocabulary import TagVocabulary
    from .weights import load_model, load_tagger, load_upscaler, read_header, read_state_dict, save_model

# name: the module that has it, imported when the name is asked for, since most of them import torch.
HOMES = {
    "SengaError": "errors",
    "Stopped": "errors",
    "Header": "header",
    "Provenance": "header",
    "Preprocessing": "preprocessing",
    "preprocess": "preprocessing",
    "TaggerModel": "tagger",
    "tag": "tagging",
    "Options": "tags",
    "Tagged": "tags",
    "UpscaleModel": "upscaler",
    "upscale": "upscaling",
    "TagVocabulary": "vocabulary",
    "load_model": "weights",
    "load_tagger": "weights",
    "load_upscaler": "weights",
    "read_header": "weights",
    "read_state_dict": "weights",
    "save_model": "weights",
}

__all__ = [
    "Header",
    "Options",
    "Preprocessing",
    "Provenance",
    "SengaError",
    "Stopped",
    "TagVocabulary",
    "Tagged",
    "TaggerModel",
    "UpscaleModel",
    "load_model",
    "load_tagger",
    "load_upscaler",
    "preprocess",
    "read_header",
    "read_state_dict",
    "save_model",
    "tag",
    "upscale",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{HOMES[name]}", __name__), name)
    return value
