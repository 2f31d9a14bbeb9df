"""SengaCompareImages: two pictures -> one that shows both, PSNR and SSIM; a slider on the node."""

import uuid
from typing import Any, ClassVar

from torch import Tensor

from ..arch.pictures.comparing import MODES, compare
from . import host
from .saving import truncated_levels, write_png


class SengaCompareImages:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Compares two pictures: a slider on the node, both side by side, or their difference, with PSNR and SSIM as"
        " the papers measure them. A second picture of another size is resized to the first."
    )
    SEARCH_ALIASES: ClassVar = ["before after", "psnr", "ssim", "difference", "image slider", "quality", "ab test"]
    RETURN_TYPES = ("IMAGE", "FLOAT", "FLOAT")
    RETURN_NAMES = ("image", "psnr", "ssim")
    OUTPUT_TOOLTIPS = (
        "The comparison as a picture. slider: the left half of A and the right half of B.",
        "PSNR of the luma in dB, the mean over frames; 100 if the pictures are equal.",
        "SSIM of the luma, the mean over frames; 1 if the pictures are equal.",
    )
    FUNCTION = "compare"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image_a": ("IMAGE", {"tooltip": "The first picture or batch, best the original."}),
                "image_b": (
                    "IMAGE",
                    {"tooltip": "The second. Of another size, it is resized to A's; one frame is compared with all."},
                ),
                "mode": (
                    list(MODES),
                    {
                        "default": MODES[0],
                        "tooltip": "slider: move the mouse over the node. side by side: A left, B right. difference:"
                        " four times |A - B|, black where they are equal.",
                    },
                ),
            }
        }

    def compare(self, image_a: Tensor, image_b: Tensor, mode: str) -> dict[str, Any]:
        found = compare(image_a.float().cpu(), image_b.float().cpu())
        picture = found.picture(mode)
        shown = [found.a, found.b] if mode == "slider" else [picture]
        files = [file for image in shown for file in previews(image)]
        return {"ui": {"text": [found.note], "senga_compared": files}, "result": (picture, found.psnr, found.ssim)}


def previews(image: Tensor) -> list[dict[str, str]]:
    """The first frame as a file that ComfyUI serves for a while; none where nobody looks."""
    folder = host.temp_folder()
    if folder is None:
        return []
    name = f"senga_compare_{uuid.uuid4().hex}.png"
    write_png(folder / name, truncated_levels(image[0]), level=1)
    return [{"filename": name, "subfolder": "", "type": "temp"}]
