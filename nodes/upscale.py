"""SengaUpscale: a picture through an upscaling network, tile by tile."""

from typing import Any, ClassVar

from torch import Tensor

from ..arch.pictures.fitting import FITS, plan_fit
from ..arch.pictures.sizes import LARGEST_SIDE
from ..arch.precision import PRECISIONS
from ..arch.tiling import MIN_TILE
from ..arch.upscaling import Options, memory_needed, upscale_masked
from . import host

LARGEST_TILE = 8192


class SengaUpscale:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Upscales pictures of any size without visible seams: each pixel is written once, from a tile with enough"
        " surrounding context. Keeps transparency, reaches any exact size, and works with Senga's models and the"
        " built-in loader's."
    )
    SEARCH_ALIASES: ClassVar = ["waifu2x", "real-esrgan", "super resolution", "enlarge", "tiled upscale", "2x", "4x"]
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    OUTPUT_TOOLTIPS = (
        "The upscaled picture.",
        "Its transparency (1 is transparent), upscaled with the same network; zeros if there is none.",
    )
    FUNCTION = "upscale"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        pixels = {"default": 0, "min": 0, "max": LARGEST_SIDE}
        return {
            "required": {
                "upscale_model": ("UPSCALE_MODEL", {"tooltip": "From a Load Upscale Model node."}),
                "image": ("IMAGE", {"tooltip": "A picture or a batch; frames are upscaled one by one."}),
                "scale": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 16.0,
                        "step": 0.05,
                        "tooltip": "How many times larger. 0: the model's own scale. Any other is reached by repeated"
                        " passes and a resize at the end. Without effect where width or height is given.",
                    },
                ),
                "width": (
                    "INT",
                    {**pixels, "tooltip": "Width of the result in pixels, in place of scale. 0: from height or scale."},
                ),
                "height": (
                    "INT",
                    {**pixels, "tooltip": "Height of the result in pixels, in place of scale. 0: from width or scale."},
                ),
                "tile": (
                    "INT",
                    {
                        "advanced": True,
                        "default": 0,
                        "min": 0,
                        "max": LARGEST_TILE,
                        "tooltip": "Largest side of a tile in pixels of the input, 16 or more. 0: fits the free memory."
                        " In fp32 it changes only rounding, by one 8-bit level at most (with a halo of the model's full"
                        " receptive radius the result is exact); in bf16 pixels change by up to 3 levels. Networks of"
                        " other programs that look at the whole picture do change; the log says by how much.",
                    },
                ),
                "halo": (
                    "INT",
                    {
                        "advanced": True,
                        "default": -1,
                        "min": -1,
                        "max": 1024,
                        "tooltip": "Context around each tile in pixels of the input. -1: the model's default, which"
                        " keeps the error below half an 8-bit level in fp32. Larger is slower.",
                    },
                ),
                "precision": (
                    list(PRECISIONS),
                    {
                        "advanced": True,
                        "default": "auto",
                        "tooltip": "auto: the fastest arithmetic native to the device. fp32: exact, but slower.",
                    },
                ),
                "self_ensemble": (
                    "BOOLEAN",
                    {
                        "advanced": True,
                        "default": False,
                        "tooltip": "Average over eight flips and rotations: slightly better, 8 times slower.",
                    },
                ),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {"tooltip": "Transparency of the picture, as Load Image gives it (1 is transparent)."},
                ),
                "fit": (
                    list(FITS),
                    {
                        "default": FITS[0],
                        "tooltip": "With both width and height: crop fills them and cuts what is outside, pad fits the"
                        " whole picture in and adds black (masked), stretch changes the proportions.",
                    },
                ),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, tile: int | None = None) -> bool | str:
        """Before anything runs. ComfyUI leaves the limits of an input that is named here to this function."""
        if tile is None or tile == 0 or MIN_TILE <= tile <= LARGEST_TILE:  # None: linked, and checked by the run
            return True
        return f"tile is {tile}; expected 0 (chosen from the free memory), or {MIN_TILE} to {LARGEST_TILE}"

    def upscale(
        self,
        upscale_model: Any,
        image: Tensor,
        scale: float,
        width: int,
        height: int,
        tile: int,
        halo: int,
        precision: str,
        self_ensemble: bool,
        mask: Tensor | None = None,
        fit: str = FITS[0],
    ) -> tuple[Tensor, Tensor]:
        image = image.float()  # ComfyUI can be set to keep pictures in float16
        plan = plan_fit(image.shape[2], image.shape[1], width, height, fit)
        watcher = host.watcher()
        progress, watch = watcher and watcher.progress, watcher and watcher.watch
        options = Options(tile, halo, precision, self_ensemble, progress, host.should_stop, watch)
        with host.on_device(upscale_model, memory_needed(upscale_model, tile, halo)):
            return upscale_masked(
                upscale_model, image, mask, options, scale=scale if scale and plan is None else None, fit=plan
            )
