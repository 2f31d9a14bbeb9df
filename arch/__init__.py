"""Networks, their files, and seam-free upscaling: needs torch, einops, numpy and safetensors, and no ComfyUI.

model = senga.arch.load_model("weights/senga_espcn_7_x2.safetensors")
large = senga.arch.upscale(model, image)  # (B, H, W, C) float32 in [0, 1]
"""

from .errors import SengaError, Stopped
from .model import Header, Provenance, UpscaleModel
from .upscale import upscale
from .weights import load_model, read_header, save_model

__all__ = [
    "Header",
    "Provenance",
    "SengaError",
    "Stopped",
    "UpscaleModel",
    "load_model",
    "read_header",
    "save_model",
    "upscale",
]
