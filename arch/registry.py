"""Every architecture that Senga knows, one row each: the one list to extend when a net is added.

An upscaler's config knows its geometry, in input (LR) pixels:

    radius      how far an input pixel can be from an output pixel that it changes
    alignment   tiles start on multiples of it, and input sizes are padded to it
    border      pixels repeated around an input, so that the net's zero padding never shows
    floats      activations alive at the peak, per input pixel: to choose a tile that fits the memory

`halo` is measured: the smallest that kept the worst error of a tiled picture against the whole one at 0.5/255 or less
with trained weights (`benchmarks/halo.py` prints it), and never more than the radius, where the two are equal.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from .compact import Compact, CompactConfig
from .dcscn import DCSCN, DCSCNConfig
from .drrn import DRRN, DRRNConfig
from .errors import SengaError, brief, quoted
from .espcn import ESPCN7, ESPCNConfig
from .mobilenetv3 import MobileNetV3Config, MobileNetV3Large, MobileNetV3Small
from .rrdb import RRDB, RRDBConfig

# No network is larger; a file that says so would be built for minutes, or not at all.
LARGEST = 2**20  # of any hyperparameter
DEEPEST = 512  # of those that count layers
DEPTHS = ("blocks", "layers", "units")


def radius(config: Any) -> int:
    """The halo of nets for which no smaller one was measured to be enough."""
    return config.radius


@dataclass(frozen=True)
class Architecture:
    id: str  # the name in a file's header
    task: str  # "upscale" or "tag"
    config: type  # frozen dataclass of the hyperparameters; has `tags`, or `scale`, `channels` and the geometry
    build: Callable[[Any], nn.Module]
    half: bool  # float16 arithmetic is safe
    bf16: bool  # bfloat16 arithmetic is safe
    # The rest is for upscalers; a tagger sees the whole picture at once, at a fixed size.
    halo: Callable[[Any], int] = radius  # config -> default context around a tile
    foreign_border: bool = True  # repeat the config's border for other programs' files too


ARCHITECTURES = (
    Architecture(
        id="espcn_7",
        task="upscale",
        config=ESPCNConfig,
        build=ESPCN7,
        # One less than the radius leaves 0.5035/255 in senga_espcn_7_x2 (python -m benchmarks.halo ... --count 200
        # --strip 48 320).
        halo=radius,
        half=True,
        bf16=True,
    ),
    Architecture(
        id="dcscn",
        task="upscale",
        config=DCSCNConfig,
        build=DCSCN,
        # 10 of 15 for 12 layers: 0.06 of a level with a short training (8 leaves 0.47, too near the limit).
        halo=lambda c: max(1, c.layers - 2),
        half=True,
        bf16=True,
    ),
    Architecture(
        id="rrdb",
        task="upscale",
        config=RRDBConfig,
        build=RRDB,
        # 56 for 6 blocks, 80 for 23, a line between: python -m benchmarks.halo peer:x4plus-anime peer:x4plus (both x4).
        halo=lambda c: min(15 * c.blocks + 4, 48 + 4 * -(-c.blocks // 3)) * c.unshuffle,
        foreign_border=False,  # other programs' files give the same picture as in those programs
        half=True,
        bf16=True,
    ),
    Architecture(
        id="compact",
        task="upscale",
        config=CompactConfig,
        build=Compact,
        halo=radius,
        foreign_border=False,  # as RRDB
        half=True,
        bf16=True,
    ),
    Architecture(
        id="drrn",
        task="upscale",
        config=DRRNConfig,
        build=DRRN,
        halo=radius,
        half=True,
        bf16=True,
    ),
    Architecture(
        id="mobilenetv3_large",
        task="tag",
        config=MobileNetV3Config,
        build=MobileNetV3Large,
        half=True,
        bf16=True,
    ),
    Architecture(
        id="mobilenetv3_small",
        task="tag",
        config=MobileNetV3Config,
        build=MobileNetV3Small,
        half=True,
        bf16=True,
    ),
)

BY_ID = {row.id: row for row in ARCHITECTURES}


def architecture(name: str, task: str = "") -> Architecture:
    """The row with this id, for this task if one is named. Raises SengaError that lists the known ids."""
    known = [row.id for row in BY_ID.values() if not task or row.task == task]
    if name not in known:
        found = f"does not {task}" if name in BY_ID else "is unknown"
        purpose = f" to {task}" if task else ""
        raise SengaError(f"architecture {quoted(name)} {found}; this version knows{purpose}: {', '.join(known)}")
    return BY_ID[name]


def make_config(row: Architecture, hyperparameters: dict[str, Any]) -> Any:
    """A checked config from the table of a header or a settings file. Unknown names and wrong types are errors."""
    known = {field.name: field for field in fields(row.config)}
    for name, value in hyperparameters.items():
        if name not in known:
            raise SengaError(f"{row.id}: hyperparameter {quoted(name)} is unknown; it has {', '.join(known)}")
        expected = type(known[name].default)
        integers = isinstance(value, list | tuple) and all(type(item) is int for item in value)
        if not (integers if expected is tuple else type(value) is expected):
            found = f"{type(value).__name__} {quoted(value)}"
            raise SengaError(f"{row.id}: hyperparameter {name!r} is {found}; expected {expected.__name__}")
        most = DEEPEST if name in DEPTHS else LARGEST
        numbers = value if isinstance(value, list | tuple) else [] if isinstance(value, str) else [value]
        if len(numbers) > DEEPEST or not all(-most <= number <= most for number in numbers):  # also NaN
            raise SengaError(f"{row.id}: hyperparameter {name!r} is {quoted(value)}; expected at most {most}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in hyperparameters.items()}
    try:
        return row.config(**values)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise SengaError(f"{row.id}: {brief(error, 300)}") from error
