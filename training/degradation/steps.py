"""The steps that a recipe may name, their parameters, and the function of each: one table."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .analog import SYSTEMS, composite, interlace, vhs
from .blur import Image, box_blur, gaussian_blur, lens_blur, median_blur, motion_blur, sharpen, sinc_blur
from .chroma import MATRICES, SAME, SAMPLINGS, chroma, saturation
from .codecs import SUBSAMPLING, avif, jpeg, webp
from .colour import halftone, levels, misregister, moire, pixelate
from .dither import METHODS, PALETTE_DITHERS, banding, dither, palette
from .noise import gaussian_noise, poisson_noise, salt_and_pepper
from .params import Drops, Name, Number, Parameter, seed_parameter
from .resize import FILTERS, resize
from .video import CODECS, SPEEDS, video, video_shot

PROFILES = ("normal", "generalised", "plateau")
CHANNELS = Name(("colour", "grey"), "colour")
TURN = Number(-math.pi, math.pi, 0.0)  # radians
SHIFT: dict[str, Parameter] = {
    "shift_x": Number(0, 15, 0, whole=True),  # pixels against the grid of blocks
    "shift_y": Number(0, 15, 0, whole=True),
}


def _quality(default: int) -> Number:
    return Number(1, 100, default, neutral=100, whole=True)


def _kernel(default: int, neutral: float | None = None) -> Number:
    return Number(1, 51, default, neutral=neutral, whole=True, odd=True)


@dataclass(frozen=True)
class Kind:
    """One kind of step.

    Args:
        run: (image (H, W, 3) float32, drawn parameters) -> image, clamped to [0, 1] by the caller; `resize` is also
            given the recipe's final (height, width).
        fades: no value of its parameters is harmless, so `strength` lowers its probability too.
    """

    run: Callable[..., Image]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    fades: bool = False


KINDS: dict[str, Kind] = {
    "gaussian_blur": Kind(
        gaussian_blur,
        {
            "size": _kernel(21),
            "sigma": Number(0, 50, 1.0, neutral=0),  # pixels, along `rotation`
            "sigma_y": Number(0, 50, 0.0, neutral=0),  # pixels, across it; 0: as sigma
            "rotation": TURN,
            "profile": Name(PROFILES, "normal"),
            "beta": Number(0.05, 20, 1.0),  # of the generalised and the plateau profile
        },
    ),
    "sinc_blur": Kind(
        sinc_blur, {"size": _kernel(21), "cutoff": Number(0.05, math.pi, math.pi / 2, neutral=math.pi)}, fades=True
    ),
    "box_blur": Kind(box_blur, {"size": _kernel(3, neutral=1)}),
    "motion_blur": Kind(motion_blur, {"length": Number(0, 100, 5.0, neutral=0), "rotation": TURN}),
    "lens_blur": Kind(lens_blur, {"radius": Number(0, 25, 3.0, neutral=0)}),  # pixels
    "median_blur": Kind(median_blur, {"size": Number(1, 11, 3, neutral=1, whole=True, odd=True)}),
    "sharpen": Kind(
        sharpen,
        {
            "radius": Number(1, 200, 50, whole=True),  # pixels
            "amount": Number(0, 10, 0.5, neutral=0),
            "threshold": Number(0, 255, 10.0),  # levels of 255
        },
    ),
    "resize": Kind(
        resize,
        {
            "factor": Number(0.01, 16, 1.0, neutral=1),
            "filter": Name(FILTERS, "bicubic"),
            "of": Name(("current", "final"), "current"),
            "light": Name(("encoded", "linear"), "encoded"),  # linear: gamma-correct
            "depth": Name(("float", "8bit"), "float"),  # 8bit: rounded, and with Pillow's filters exactly Pillow
        },
    ),
    "gaussian_noise": Kind(
        gaussian_noise, {"sigma": Number(0, 255, 10.0, neutral=0), "channels": CHANNELS, "seed": seed_parameter()}
    ),
    "poisson_noise": Kind(
        poisson_noise, {"scale": Number(0, 50, 1.0, neutral=0), "channels": CHANNELS, "seed": seed_parameter()}
    ),
    "salt_and_pepper": Kind(
        salt_and_pepper, {"amount": Number(0, 1, 0.01, neutral=0), "channels": CHANNELS, "seed": seed_parameter()}
    ),
    "jpeg": Kind(
        jpeg,
        {
            "quality": _quality(75),
            "subsampling": Name(SUBSAMPLING, "4:2:0"),
            **SHIFT,
            "then": Drops(0, 99),  # further passes; each becomes a step of its own in the report
        },
        fades=True,
    ),
    "webp": Kind(webp, {"quality": _quality(75), "method": Number(0, 6, 4, whole=True), **SHIFT}, fades=True),
    "avif": Kind(
        avif,
        {
            "quality": _quality(75),
            "speed": Number(0, 10, 10, whole=True),
            "subsampling": Name(SUBSAMPLING, "4:2:0"),
            **SHIFT,
        },
        fades=True,
    ),
    "video": Kind(
        video,
        {
            "codec": Name(tuple(CODECS), "h264"),
            "quantiser": Number(0, 51, 23, neutral=0, whole=True),
            "speed": Name(SPEEDS, "medium"),
            **SHIFT,
        },
        fades=True,
    ),
    "video_shot": Kind(
        video_shot,
        {
            "codec": Name(tuple(CODECS), "h264"),
            "quantiser": Number(0, 63, 23, neutral=0, whole=True),
            "speed": Name(SPEEDS, "medium"),
            "frames": Number(2, 16, 5, whole=True),
            "shown": Number(1, 16, 4, whole=True),  # the last where there are fewer
            "motion_x": Number(-32, 32, 1.5, neutral=0),  # pixels a frame
            "motion_y": Number(-32, 32, 0.0, neutral=0),
            **SHIFT,
        },
        fades=True,
    ),
    "chroma": Kind(
        chroma,
        {
            "subsampling": Name(tuple(SAMPLINGS), "4:2:0"),
            "down": Name(FILTERS, "box"),
            "up": Name(FILTERS, "bilinear"),
            "matrix": Name(tuple(MATRICES), "bt601"),
            "decoded_as": Name((SAME, *MATRICES), SAME),
        },
        fades=True,
    ),
    "levels": Kind(
        levels,
        {
            "black": Number(-64, 120, 16.0, neutral=0),  # levels of 255 that black and white become
            "white": Number(135, 320, 235.0, neutral=255),
            "gamma": Number(0.2, 5, 1.0, neutral=1),
        },
    ),
    "saturation": Kind(
        saturation,
        {"factor": Number(0, 4, 0.8, neutral=1), "hue": Number(-180, 180, 0.0, neutral=0)},  # degrees
    ),
    "interlace": Kind(
        interlace,
        {
            "motion_x": Number(-64, 64, 4.0, neutral=0),  # pixels between the fields
            "motion_y": Number(-64, 64, 0.0, neutral=0),
            "field": Name(("odd", "even"), "odd"),  # the lines that are of another moment; the first line is even
            "shown": Name(("weave", "blend", "bob"), "weave"),
        },
        fades=True,
    ),
    "composite": Kind(
        composite,
        {
            "dot_crawl": Number(0, 1, 0.7, neutral=0),
            "rainbow": Number(0, 1, 0.7, neutral=0),
            "system": Name(tuple(SYSTEMS), "ntsc"),
            "separation": Name(("notch", "comb"), "notch"),
            "period": Number(2.5, 16, 3.77),  # pixels a cycle of the carrier
            "phase": Number(0, 1, 0.0),  # cycles
        },
    ),
    "vhs": Kind(
        vhs,
        {
            "luma_blur": Number(0, 8, 1.0, neutral=0),  # pixels
            "chroma_blur": Number(0, 32, 5.0, neutral=0),
            "chroma_x": Number(-32, 32, 2.0, neutral=0),
            "chroma_y": Number(-32, 32, 1.0, neutral=0),
            "ringing": Number(0, 4, 0.5, neutral=0),
            "jitter": Number(0, 32, 0.5, neutral=0),
            "noise": Number(0, 128, 4.0, neutral=0),  # levels of 255
            "chroma_noise": Number(0, 128, 8.0, neutral=0),
            "dropouts": Number(0, 100, 0.5, neutral=0),  # in 100 lines
            "head_switch": Number(0, 0.5, 0.0, neutral=0),  # share of the height
            "seed": seed_parameter(),
        },
    ),
    "halftone": Kind(
        halftone,
        {
            "period": Number(2, 100, 5.0),  # pixels from dot to dot
            "angle": Number(-180, 180, 45.0),  # degrees
            "ink": Name(("black", "colour"), "black"),
            "softness": Number(0.01, 0.9, 0.2),
            "blend": Number(0, 1, 1.0, neutral=0),
        },
    ),
    "banding": Kind(banding, {"levels": Number(2, 256, 32, neutral=256, whole=True)}),
    "palette": Kind(
        palette,
        {"colours": Number(2, 256, 64, neutral=256, whole=True), "dither": Name(PALETTE_DITHERS, "none")},
        fades=True,
    ),
    "dither": Kind(
        dither,
        {
            "levels": Number(2, 64, 2, whole=True),
            "method": Name(METHODS, "bayer_4"),
            "ink": Name(("colour", "grey"), "colour"),
        },
        fades=True,
    ),
    "pixelate": Kind(
        pixelate, {"size": Number(1, 64, 4, neutral=1, whole=True), "how": Name(("mean", "pick"), "mean")}
    ),
    "moire": Kind(
        moire,
        {
            "amount": Number(0, 1, 0.3, neutral=0),
            "pitch": Number(0.5, 8, 1.04),  # pixels from line to line
            "angle": Number(-180, 180, 2.0),  # degrees
            "curve": Number(-32, 32, 0.0),  # lines at the corners
            "channels": CHANNELS,
        },
    ),
    "misregister": Kind(
        misregister,
        {
            "x": Number(-32, 32, 0.0, neutral=0),  # pixels
            "y": Number(-32, 32, 0.0, neutral=0),
            "what": Name(("chroma", "red", "green", "blue"), "chroma"),
        },
    ),
}
GROUPS = ("choose", "shuffle", "lq_hq")  # steps made of steps


def run_step(image: Image, kind: str, drawn: Mapping[str, Any], final: tuple[int, int]) -> Image:
    """One drawn step, unclamped; `final` is the (height, width) that the recipe ends with."""
    run = KINDS[kind].run
    return run(image, drawn, final) if kind == "resize" else run(image, drawn)
