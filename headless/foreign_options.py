"""Options of other programs, answered with ours: waifu2x, Real-ESRGAN, waifu2x-ncnn-vulkan, WD14 taggers, and more."""

import difflib
from collections.abc import Collection

# What another program calls it -> our option, or what to do instead. Of several, the command's own option is named.
OTHERS: dict[str, tuple[str, ...]] = {
    "--tta": ("--self-ensemble",),
    "-x": ("--self-ensemble",),
    "--gpu": ("--device",),
    "--gpu-id": ("--device",),
    "--gpus": ("--device",),
    "-g": ("--device",),
    "--cpu": ("--device cpu",),
    "--threshold": ("--general-threshold",),
    "--thresh": ("--general-threshold",),
    "--character-thresh": ("--character-threshold",),
    "--noise": ("--denoise 0 to 3",),
    "--noise-level": ("--denoise 0 to 3",),
    "--denoise-level": ("--denoise 0 to 3",),
    "--denoise-strength": ("--denoise 0 to 3",),
    "-dn": ("--denoise 0 to 3",),
    "-n": ("--denoise 0 to 3 (waifu2x), or --model (Real-ESRGAN)", "--model"),
    "--model-name": ("--model",),
    "--model-path": ("--model",),
    "--model-dir": ("--models-dir", "--model with the path of a file"),
    "--outscale": ("--scale",),
    "--upscale": ("--scale",),
    "--ratio": ("--scale",),
    "--tile-size": ("--tile",),
    "--split-size": ("--tile",),
    "--tile-pad": ("--halo",),
    "--tile-overlap": ("--halo",),
    "--overlap": ("--halo",),
    "--fp32": ("--precision fp32",),
    "--fp16": ("--precision fp16",),
    "--half": ("--precision fp16",),
    "--ext": ("--format",),
    "--output-format": ("--format",),
    "--out": ("--output",),
    "--output-path": ("--output",),
    "--output-dir": ("--output",),
    "--input": ("the picture's name without an option",),
    "--input-path": ("the picture's name without an option",),
    "-i": ("the picture's name without an option",),
    "--suffix": ("--name '{stem}_suffix{ext}'",),
    "--threads": ("--workers",),
    "--jobs": ("--workers",),
    "--num-workers": ("--workers",),
    "--max-data-loader-n-workers": ("--workers",),
    "--skip-existing": ("nothing: what is done already is skipped",),
    "--undesired-tags": ("--exclude-tags",),
    "--caption-separator": ("--separator",),
    "--remove-underscore": ("--replace-underscore",),
    "--caption-extension": ("--txt, --csv or --json",),
    "--lossless": ("--quality 100",),
}


def hint(option: str, known: Collection[str]) -> str:
    """`; use --device` for an option of another program, `; did you mean --scale?` for a mistyped one, or "".

    `known` are the command's own options.
    """
    word = option.partition("=")[0]
    others = OTHERS.get(word.replace("_", "-"), ())
    for ours in others:
        first = ours.split(",")[0].split()[0]
        if first in known or not first.startswith("-"):
            return f"; use {ours}"
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
