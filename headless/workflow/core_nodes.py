"""Stand-ins for ComfyUI's own nodes, so that its workflows run without it: same ids, inputs, order and outputs.

They are classes in ComfyUI's V1 form. IMAGE is (B, H, W, C) float32 in [0, 1]; MASK is (B, H, W) with 1 for masked
pixels, so a mask made from alpha is 1 - alpha.
"""

import json
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ...arch.image import to_bchw, to_bhwc
from ...nodes import NODE_CLASS_MAPPINGS, host
from ..errors import SengaError
from ..files.pictures import truncated_levels
from ..model_cache import shared_upscaler
from .core_files import Folders, LoadImage, LoadImageMask, PreviewImage, SaveImage
from .execute import call_node

SCALE_METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
CROPS = ["disabled", "center"]
MASK_CHANNELS = ["red", "green", "blue", "alpha"]
MAX_SIDE = 16384  # ComfyUI's largest width and height

Declared = dict[str, dict[str, Any]]


def resize(image: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """(B, H, W, C) to (B, height, width, C), values as ComfyUI's own resize gives them.

    `crop` "center" first crops to the middle of the target aspect. "lanczos" goes through 8 bits, as Pillow's does.
    """
    if crop == "center":
        image = _centre(image, width / height)
    if method == "lanczos":
        frames = [_lanczos(frame, width, height) for frame in image]
        return torch.stack(frames).to(image.device, image.dtype)
    return to_bhwc(functional.interpolate(to_bchw(image), size=(height, width), mode=method))


def _centre(image: Tensor, aspect: float) -> Tensor:
    height, width = image.shape[1:3]
    own = width / height
    x = round((width - width * (aspect / own)) / 2) if own > aspect else 0
    y = round((height - height * (own / aspect)) / 2) if own < aspect else 0
    x, y = min(x, (width - 1) // 2), min(y, (height - 1) // 2)  # an extreme aspect keeps at least one pixel
    return image[:, y : height - y, x : width - x]


def _lanczos(frame: Tensor, width: int, height: int) -> Tensor:
    levels = truncated_levels(frame)
    grey = levels.shape[2] == 1
    picture = Image.fromarray(levels[:, :, 0] if grey else levels)
    resized = np.array(picture.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float32) / 255.0
    return torch.from_numpy(resized[:, :, None] if grey else resized)


def _side(default: int = 512) -> tuple[str, dict[str, Any]]:
    return ("INT", {"default": default, "min": 0, "max": MAX_SIDE, "step": 1})


class ImageScale:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (SCALE_METHODS,),
                "width": _side(),
                "height": _side(),
                "crop": (CROPS,),
            }
        }

    def upscale(self, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> tuple[Tensor]:
        """A width or height of 0 follows from the other by the aspect; if both are 0 the image stays as it is."""
        if width == height == 0:
            return (image,)
        width = width or max(1, round(image.shape[2] * height / image.shape[1]))
        height = height or max(1, round(image.shape[1] * width / image.shape[2]))
        return (resize(image, width, height, upscale_method, crop),)


class ImageScaleBy:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (SCALE_METHODS,),
                "scale_by": ("FLOAT", {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}),
            }
        }

    def upscale(self, image: Tensor, upscale_method: str, scale_by: float) -> tuple[Tensor]:
        height, width = (max(1, round(side * scale_by)) for side in image.shape[1:3])
        return (resize(image, width, height, upscale_method),)


class ImageInvert:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "invert"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"image": ("IMAGE",)}}

    def invert(self, image: Tensor) -> tuple[Tensor]:
        return (1.0 - image,)


class ImageBatch:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"image1": ("IMAGE",), "image2": ("IMAGE",)}}

    def batch(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        """image1's frames, then image2's at image1's size; a missing fourth channel is filled with 1 (opaque)."""
        channels = max(image1.shape[3], image2.shape[3])
        if channels - min(image1.shape[3], image2.shape[3]) > 1:
            raise SengaError(
                f"image1 has {image1.shape[3]} channels and image2 {image2.shape[3]}; give both the same number, "
                f"or RGB and RGBA"
            )
        image1, image2 = (functional.pad(i, (0, channels - i.shape[3]), value=1.0) for i in (image1, image2))
        height, width = image1.shape[1:3]
        if image2.shape[1:3] != (height, width):
            image2 = resize(image2, width, height, "bilinear", "center")
        return (torch.cat((image1, image2)),)


class MaskToImage:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mask_to_image"
    CATEGORY = "mask"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"mask": ("MASK",)}}

    def mask_to_image(self, mask: Tensor) -> tuple[Tensor]:
        return (mask.reshape(-1, *mask.shape[-2:], 1).expand(-1, -1, -1, 3),)


class ImageToMask:
    RETURN_TYPES = ("MASK",)
    FUNCTION = "image_to_mask"
    CATEGORY = "mask"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"image": ("IMAGE",), "channel": (MASK_CHANNELS,)}}

    def image_to_mask(self, image: Tensor, channel: str) -> tuple[Tensor]:
        index = MASK_CHANNELS.index(channel)
        if index >= image.shape[3]:
            raise SengaError(f"the image has {image.shape[3]} channels and no {channel}; choose another channel")
        return (image[:, :, :, index],)


class SplitImageWithAlpha:
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "split"
    CATEGORY = "mask/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"image": ("IMAGE",)}}

    def split(self, image: Tensor) -> tuple[Tensor, Tensor]:
        mask = 1.0 - image[:, :, :, 3] if image.shape[3] > 3 else image.new_zeros(image.shape[:3])
        return image[:, :, :, :3], mask


class JoinImageWithAlpha:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "join"
    CATEGORY = "mask/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"image": ("IMAGE",), "alpha": ("MASK",)}}

    def join(self, image: Tensor, alpha: Tensor) -> tuple[Tensor]:
        """RGB and a mask to RGBA; the longer of the two batches is cut to the length of the shorter."""
        frames = min(len(image), len(alpha.reshape(-1, *alpha.shape[-2:])))
        mask = alpha.reshape(-1, *alpha.shape[-2:], 1)[:frames]
        mask = resize(mask, image.shape[2], image.shape[1], "bilinear")
        return (torch.cat((image[:frames, :, :, :3], 1.0 - mask), dim=3),)


class UpscaleModelLoader:
    RETURN_TYPES = ("UPSCALE_MODEL",)
    FUNCTION = "load_model"
    CATEGORY = "loaders"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"model_name": (host.upscale_model_names(),)}}

    def load_model(self, model_name: str) -> tuple[Any]:
        return (shared_upscaler(host.upscale_model_path(model_name)),)


class ImageUpscaleWithModel:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"upscale_model": ("UPSCALE_MODEL",), "image": ("IMAGE",)}}

    def upscale(self, upscale_model: Any, image: Tensor) -> tuple[Tensor]:
        """At the model's own scale, by our own node in ComfyUI's precision; without ComfyUI's visible tile grid."""
        upscaled, *_ = call_node(
            NODE_CLASS_MAPPINGS["SengaUpscale"], upscale_model=upscale_model, image=image, precision="fp32"
        )
        return (upscaled,)


class PreviewAny:
    RETURN_TYPES = ()
    FUNCTION = "main"
    OUTPUT_NODE = True
    CATEGORY = "utils"

    @classmethod
    def INPUT_TYPES(cls) -> Declared:
        return {"required": {"source": ("*", {})}}

    def main(self, source: object = None) -> dict[str, Any]:
        return {"ui": {"text": (as_text(source),)}}


def as_text(value: object) -> str:
    """Text as it is, numbers as Python writes them, JSON where possible, else str()."""
    if value is None or isinstance(value, str | int | float):
        return str(value)
    try:
        return json.dumps(value, indent=4)
    except (TypeError, ValueError):  # a tensor, a model, or a list that contains itself
        return str(value)


_WITHOUT_FILES: list[type] = [
    ImageScale,
    ImageScaleBy,
    ImageBatch,
    ImageInvert,
    MaskToImage,
    ImageToMask,
    SplitImageWithAlpha,
    JoinImageWithAlpha,
    UpscaleModelLoader,
    ImageUpscaleWithModel,
    PreviewAny,
]
_WITH_FILES: list[type] = [LoadImage, LoadImageMask, SaveImage, PreviewImage]


def core_nodes(folders: Folders) -> dict[str, type]:
    """The stand-ins by id; those that read and write files are bound to these folders."""
    bound = [type(node.__name__, (node,), {"folders": folders}) for node in _WITH_FILES]
    return {node.__name__: node for node in [*bound, *_WITHOUT_FILES]}
