"""How a network of unknown reach may be tiled: measured on a small picture, kept in the user's cache folder.

A window around a tile is computed with growing context and compared with the same place of the whole picture, a strip
that is long and thin, so that most of it lies outside every window and the whole is cheap all the same. Lying and
standing strips are compared: attention windows need not be square.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SengaError
from ..files.atomic import replacing
from ..precision import autocast

logger = logging.getLogger("senga")

METHOD = 1  # raised when measurements change, so that old ones are not taken for new ones
LIMIT = 0.1  # of 255: what a strip may show at the halo that is taken, so that pictures stay well within one level
SEAM_FREE = 0.5  # of 255: with more than that at any halo, tiles are not said to equal the whole
HALOS = (4, 8, 12, 16, 24, 32, 48, 64, 80, 96)
ALIGNMENTS = (8, 64)  # tried where tiles that begin anywhere do not do: halvings, and windows that have no known name
LARGEST_ALIGNMENT = 128
CORE = 16  # side of the tile that is compared
THICKNESS = 32  # of a strip
MARGIN = 24  # pixels of a strip before the first window
BEYOND = 64  # after the last: flat white, so that networks which look at the whole see another whole than a window's
# What authors call the sides of the windows in which their networks attend.
WINDOWS = ("window_size", "split_size", "stripe_size", "win_size", "ws")


@dataclass(frozen=True)
class Context:
    """Pixels of the input. `levels`: the largest difference from the whole that was measured, of 255."""

    halo: int
    alignment: int
    levels: float

    @property
    def seam_free(self) -> bool:
        return self.levels <= SEAM_FREE

    @property
    def sentence(self) -> str:
        """What tiling promises, for logs."""
        if self.seam_free:
            return f"tiles with a halo of {self.halo} equal the whole picture to within one level"
        return (
            f"tiled results differ from the whole by up to {self.levels:.1f}/255 where measured (with a halo of"
            f" {self.halo}; larger ones do not help), because the network looks at the whole picture; larger tiles"
            " have fewer seams"
        )


def measure(model: Any) -> Context:
    """The smallest halo and alignment whose tiles equal the whole, or the largest error where none do.

    Args:
        model: a BorrowedUpscaler, on the device where it will run.
    """
    sizes = model.size_requirements
    lying, standing = (_Strip(model, sizes.minimum, way) for way in (False, True))
    with torch.inference_mode(), autocast(model.device, "fp32"):
        alignment, levels = _alignment(lying, sizes.multiple_of, windows_of(model.model))
        # Where tiles cannot equal the whole, the local part of the network still has its reach.
        enough = max(LIMIT, 1.1 * levels)
        low, high = 0, len(HALOS) - 1
        while low < high:
            middle = (low + high) // 2
            if lying.levels(HALOS[middle], alignment) <= enough:
                high = middle
            else:
                low = middle + 1
        while (across := standing.levels(HALOS[high], alignment)) > enough and high < len(HALOS) - 1:
            high += 1
    return Context(HALOS[high], alignment, max(across, lying.levels(HALOS[high], alignment)))


def windows_of(net: nn.Module) -> int:
    """The least common multiple of the sides of the windows that its modules name; 1 for none."""
    sides: set[int] = set()
    for module in net.modules():
        for name in WINDOWS:
            value = getattr(module, name, None)
            sides |= {side for side in (value if isinstance(value, list | tuple) else [value]) if type(side) is int}
    found = math.lcm(*(side for side in sides if side > 0))
    return found if found <= LARGEST_ALIGNMENT else 1


def _alignment(strip: "_Strip", multiple_of: int, windows: int) -> tuple[int, float]:
    """What tiles must begin on multiples of, and the levels that are left with the largest halo."""
    first = math.lcm(multiple_of, windows)
    more = ALIGNMENTS if windows == 1 else ALIGNMENTS[-1:]
    tried: dict[int, float] = {}
    for alignment in dict.fromkeys((first, *(math.lcm(multiple_of, step) for step in more))):
        if alignment == first or first < alignment <= LARGEST_ALIGNMENT:
            tried[alignment] = strip.levels(HALOS[-1], alignment)
            if tried[alignment] <= LIMIT:
                return alignment, tried[alignment]
    # Larger steps have larger windows: that alone lessens the error of a network that looks at the whole picture.
    best = min(tried, key=lambda alignment: tried[alignment])
    best = best if tried[best] <= SEAM_FREE else first
    return best, tried[best]


@dataclass
class _Strip:
    """A strip of a drawing, and what the network makes of the whole of it."""

    model: Any
    minimum: int  # side of a picture that the network takes
    standing: bool
    _wholes: dict[tuple[int, int], tuple[Tensor, Tensor]] = field(default_factory=dict)  # by size: input, output
    _levels: dict[tuple[int, int], float] = field(default_factory=dict)

    def levels(self, halo: int, alignment: int) -> float:
        """The largest difference, of 255, between a tile with that halo and the same place of the whole."""
        halo = math.ceil(halo / alignment) * alignment
        if (halo, alignment) not in self._levels:
            self._levels[halo, alignment] = self._difference(halo, alignment)
        return self._levels[halo, alignment]

    def _difference(self, halo: int, alignment: int) -> float:
        left = alignment * (math.ceil(MARGIN / alignment) | 1)  # an odd multiple: of no larger alignment
        core = max(CORE // alignment, 1) * alignment
        furthest = left + 2 * math.ceil(HALOS[-1] / alignment) * alignment + core
        length = furthest + math.ceil(BEYOND / alignment) * alignment
        thickness = math.ceil(max(THICKNESS, self.minimum) / alignment) * alignment
        picture, whole = self._whole(thickness, length, furthest)
        scale = self.model.scale
        part = self._run(picture[..., left : left + 2 * halo + core])[..., halo * scale : (halo + core) * scale]
        same = whole[..., (left + halo) * scale : (left + halo + core) * scale]
        levels = float((part - same).abs().max()) * 255
        return levels if math.isfinite(levels) else 255.0

    def _whole(self, thickness: int, length: int, drawn: int) -> tuple[Tensor, Tensor]:
        size = thickness, length
        if size not in self._wholes:
            picture = F.pad(drawing(thickness, drawn), (0, length - drawn), value=1.0)
            picture = picture[:, : self.model.input_channels].to(self.model.device)
            self._wholes[size] = picture, self._run(picture)
        return self._wholes[size]

    def _run(self, strip: Tensor) -> Tensor:
        return self.model(strip.transpose(2, 3)).transpose(2, 3) if self.standing else self.model(strip)


def drawing(height: int, width: int) -> Tensor:
    """(1, 3, height, width) in [0, 1]: lines and flat shapes over a gradient, with a little grain, always the same."""
    draw = torch.Generator().manual_seed(17)
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    ramp = torch.stack((x / width, y / height, 1 - x / width))
    picture = 0.25 + 0.5 * ramp
    for _ in range(width // 5):
        angle, offset, thickness = torch.rand(3, generator=draw).tolist()
        colour = torch.rand(3, 1, 1, generator=draw)
        slope = math.cos(math.pi * angle), math.sin(math.pi * angle)
        distance = (x - offset * width) * slope[0] + (y - height / 2) * slope[1]
        picture = torch.where(distance.abs() < 0.6 + 2 * thickness, colour, picture)
    return (picture + 0.02 * torch.randn(3, height, width, generator=draw)).clamp(0, 1)[None]


def cache_folder() -> Path:
    """$SENGA_CACHE, or the user's cache folder. Raises RuntimeError where the system names no home."""
    if named := os.environ.get("SENGA_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "senga"


def cached_context(key: str) -> Context | None:
    """What was measured before; None for a file that is new, or measured by another version."""
    try:
        raw = json.loads((cache_folder() / "halo" / f"{key}.json").read_text(encoding="utf-8"))
        if raw.pop("method") == METHOD:
            return Context(int(raw["halo"]), int(raw["alignment"]), float(raw["levels"]))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError):
        pass  # missing, or edited: it is measured again
    return None


def store_context(key: str, context: Context) -> None:
    """Keep it; a folder that cannot be written only means measuring again."""
    try:
        folder = cache_folder() / "halo"
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{key}.json") as temporary:
            temporary.write_text(json.dumps({"method": METHOD, **asdict(context)}), encoding="utf-8")
    except (OSError, RuntimeError, SengaError) as error:
        logger.debug("the measured halo is not kept: %s", error)


def key_of_tensors(net: nn.Module) -> str:
    """A hash of a network whose file is not known."""
    return "tensors-" + _hash(net.state_dict().items())


def _hash(tensors: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
