"""Other people's upscalers: recognises the net in a state dict without header by its keys and shapes.

One row for each key layout. `renames` turn its keys into ours, in order; `infer` reads the hyperparameters from the
shapes of the renamed keys.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import NotOurs, SengaError, brief

logger = logging.getLogger("senga")

Shapes = Mapping[str, tuple[int, ...]]


def count(shapes: Shapes, pattern: str) -> int:
    """One more than the largest number that `pattern`'s group matches among the keys.

    No number is far beyond the count of tensors: state_keys.check_names has looked.
    """
    return 1 + max((int(m[1]) for key in shapes if (m := re.match(pattern, key))), default=-1)


def square_root(value: float, what: str) -> int:
    root = math.isqrt(round(value))
    if root * root != value:
        raise SengaError(f"{what} is {value:g}; expected a square number: the file holds no net that Senga knows")
    return root


def infer_rrdb(shapes: Shapes) -> dict[str, Any]:
    channels = shapes["conv_last.weight"][0]
    unshuffle = square_root(shapes["conv_first.weight"][1] / channels, "input channels over output channels")
    if unshuffle not in (1, 2, 4):
        raise SengaError(f"the input is pixel-unshuffled by {unshuffle}; RRDB supports 1, 2 and 4")
    doublings = sum(f"conv_up{i}.weight" in shapes for i in range(1, 10))
    plain = unshuffle == 1 and doublings != 2
    if not plain and doublings != 2:
        raise SengaError(
            f"the input is pixel-unshuffled by {unshuffle}, then doubled {doublings} times; expected twice"
        )
    found = {
        "scale": 2**doublings // unshuffle,
        "channels": channels,
        "blocks": count(shapes, r"body\.(\d+)\."),
        "features": shapes["conv_first.weight"][0],
        "growth": shapes["body.0.rdb1.conv1.weight"][0],
    }
    return found | {"plain": True} if plain else found


def infer_compact(shapes: Shapes) -> dict[str, Any]:
    channels, last = shapes["body.0.weight"][1], count(shapes, r"body\.(\d+)\.weight") - 1
    if "body.1.weight" not in shapes:
        logger.warning("a Compact file does not say whether it has ReLU or LeakyReLU; ReLU is assumed")
    return {
        "scale": square_root(shapes[f"body.{last}.weight"][0] / channels, "sub-pixels per colour channel"),
        "channels": channels,
        "features": shapes["body.0.weight"][0],
        "layers": last // 2 - 1,
        "activation": "prelu" if "body.1.weight" in shapes else "relu",
    }


def infer_espcn(shapes: Shapes) -> dict[str, Any]:
    channels = shapes["conv.0.0.weight"][1]
    return {
        "scale": square_root(shapes["up_sampler.0.weight"][0] / channels, "sub-pixels per colour channel"),
        "channels": channels,
        "widths": [shapes[f"conv.{i}.0.weight"][0] for i in range(count(shapes, r"conv\.(\d+)\.0\.weight"))],
        # yu45020's code does not multiply; our files, which do, say so in their header.
        "selection": "replace",
    }


def infer_dcscn(shapes: Shapes) -> dict[str, Any]:
    layers = count(shapes, r"features\.(\d+)\.0\.weight")
    upsampling = shapes["picture.weight"][1]
    return {
        "scale": square_root(shapes["up.0.weight"][0] / upsampling, "sub-pixels per upsampling channel"),
        "channels": shapes["picture.weight"][0],
        "layers": layers,
        "first": shapes["features.0.0.weight"][0],
        "last": shapes[f"features.{layers - 1}.0.weight"][0],
        "reconstruction": shapes["a.0.weight"][0],
        "upsampling": upsampling,
        "activation": "prelu" if "a.1.weight" in shapes else "selu",
        "residual": "bilinear",  # the default of yu45020/Waifu2x's own image splitter
    }


@dataclass(frozen=True)
class Layout:
    name: str
    marker: str  # a key of this layout and no other
    architecture: str
    renames: tuple[tuple[str, str], ...]  # regular expression, replacement
    infer: Callable[[Shapes], dict[str, Any]]
    also: str = ""  # a second key that must be present, if `marker` alone is ambiguous


def old_esrgan(doublings: int) -> Layout:
    """ESRGAN's first files number the layers of one sequence, including those without weights."""
    tail = 3 * doublings
    return Layout(
        "ESRGAN (old)",
        "model.1.sub.0.RDB1.conv1.0.weight",
        "rrdb",
        (
            (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
            (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
            (r"^model\.0\.", "conv_first."),
            *((rf"^model\.{3 * i}\.", f"conv_up{i}.") for i in range(1, doublings + 1)),
            (rf"^model\.{tail + 2}\.", "conv_hr."),
            (rf"^model\.{tail + 4}\.", "conv_last."),
        ),
        infer_rrdb,
        also=f"model.{tail + 4}.weight",
    )


LAYOUTS = (
    Layout("Real-ESRGAN", "body.0.rdb1.conv1.weight", "rrdb", (), infer_rrdb),
    Layout(
        "ESRGAN (original code)",
        "RRDB_trunk.0.RDB1.conv1.weight",
        "rrdb",
        (
            (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
            (r"^trunk_conv\.", "conv_body."),
            (r"^upconv(\d)\.", r"conv_up\1."),
            (r"^HRconv\.", "conv_hr."),
        ),
        infer_rrdb,
    ),
    *(old_esrgan(doublings) for doublings in range(4)),
    Layout("Real-ESRGAN Compact", "body.0.weight", "compact", (), infer_compact),
    Layout("yu45020/Waifu2x ESPCN_7", "up_sampler.0.weight", "espcn_7", (), infer_espcn),
    Layout(
        "yu45020/Waifu2x DCSCN",
        "feature_block.Feature 1.Conv2d.weight",
        "dcscn",
        (
            (r"\.Conv2d\.(weight|bias)$", r".0.\1"),
            (r"\.Activation\.", ".1."),
            # Keys count from 1 there, ours from 0.
            *((rf"^feature_block\.Feature {i + 1}\.", f"features.{i}.") for i in range(64)),
            (r"^reconstruction_block\.A\.", "a."),
            (r"^reconstruction_block\.B\.", "b."),
            (r"^up_sampler\.Conv2d_block\.", "up."),
            (r"^up_sampler\.0\.", "picture."),
        ),
        infer_dcscn,
    ),
    # Our own DCSCN keys without a header: a conversion by somebody else.
    Layout("Senga DCSCN without header", "features.0.0.weight", "dcscn", (), infer_dcscn),
)


def rename(key: str, layout: Layout) -> str:
    for pattern, replacement in layout.renames:
        key = re.sub(pattern, replacement, key)
    return key


def recognise(shapes: Shapes) -> tuple[Layout, dict[str, Any]]:
    """The layout and the hyperparameters of a state dict without header.

    Args:
        shapes: key in the file -> shape, for every tensor.

    Raises:
        NotOurs: no row of LAYOUTS matches.
        SengaError: the shapes contradict each other.
    """
    for layout in LAYOUTS:
        if layout.marker in shapes and (not layout.also or layout.also in shapes):
            renamed = {rename(key, layout): shape for key, shape in shapes.items()}
            try:
                return layout, layout.infer(renamed)
            except KeyError as error:
                raise SengaError(f"its keys look like {layout.name}, but {error} is missing") from error
            except (IndexError, ZeroDivisionError, OverflowError) as error:
                raise SengaError(
                    f"its keys look like {layout.name}, but its tensors have other shapes; the file was damaged"
                ) from error
    known = ", ".join(dict.fromkeys(layout.name for layout in LAYOUTS))
    first = brief(", ".join(map(brief, sorted(shapes)[:3])), 160) or "none"
    raise NotOurs(f"no known network has its keys ({first}, ...); expected a file of Senga, or of {known}")
