"""`--denoise`: JPEG damage cleaned by level. A table says what each level does; `benchmarks/denoise.py` measures it."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...nodes import host
from ..errors import UsageError
from ..files.journal import sha256_of

# A level is a mean of ways from picture to result, each with its weight: shipped models one after the other, of which
# the last enlarges; () is the picture itself, enlarged by a filter.
Way = tuple[str, ...]
Mix = tuple[tuple[float, Way], ...]

CLEANER, COMPACT, DCSCN = "senga_compact_x1", "senga_compact_x2", "senga_dcscn_12_x2"
# (scale up to which a row counts, level) -> what is done. DCSCN, which never saw JPEG, is the best on clean drawings;
# the more of the compact network there is in a mean, the more damage is cleaned, and the less dither is spoilt.
LEVELS: dict[tuple[int, int], Mix] = {
    (1, 0): ((0.5, (CLEANER,)), (0.5, ())),
    (1, 1): ((0.8, (CLEANER,)), (0.2, ())),
    (1, 2): ((1.0, (CLEANER,)),),
    (1, 3): ((1.0, (CLEANER, CLEANER)),),
    (2, 0): ((0.25, (COMPACT,)), (0.75, (DCSCN,))),
    (2, 1): ((0.5, (COMPACT,)), (0.5, (DCSCN,))),
    (2, 2): ((0.75, (COMPACT,)), (0.25, (CLEANER, DCSCN))),
    (2, 3): ((1.0, (CLEANER, COMPACT)),),
}
STEPS = sorted({level for _, level in LEVELS})


def add_denoise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--denoise",
        type=int,
        choices=STEPS,
        help="clean JPEG damage by level, 0 to 3: 0 for clean pictures, 1 for JPEG of quality 90, 2 for 75, 3 for 50"
        " and less; chooses the models, in place of --model (default: what the model does)",
    )


def mix_of(args: argparse.Namespace, options: Mapping[str, Any]) -> Mix | None:
    """What --denoise means for the scale of this call. Raises UsageError beside --model."""
    if args.denoise is None:
        return None
    if args.model is not None:
        raise UsageError(
            f"--denoise {args.denoise} chooses the model, and so does --model {args.model}; leave one of them out"
        )
    sized = options.get("width") or options.get("height")
    return row(2.0 if sized else options.get("scale") or 2.0, args.denoise)


def row(scale: float, step: int) -> Mix:
    """The first row of the table that reaches the scale, or the last."""
    limits = sorted({limit for limit, _ in LEVELS})
    return LEVELS[next((limit for limit in limits if scale <= limit), limits[-1]), step]


def model_file(name: str) -> Path:
    return host.upscale_model_path(f"{name}.safetensors")


def files_of(mix: Mix) -> list[Path]:
    """Every model's file, that of the leading way's last model first."""
    names = dict.fromkeys(name for _, way in mix for name in reversed(way))
    return [model_file(name) for name in names]


def settings_of(mix: Mix) -> dict[str, Any]:
    """What a result depends on besides the options: the content of every model, and how they are mixed."""
    return {"denoise": [[weight, [sha256_of(model_file(name)) for name in way]] for weight, way in mix]}
