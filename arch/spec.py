"""What `upscale` needs to know about a model, ours or another program's."""

from dataclasses import dataclass
from typing import Any

import torch

from .borrowed.spandrel_upscalers import UNKNOWN_FLOATS, UNKNOWN_HALO
from .errors import SengaError
from .pictures.sizes import LARGEST_SIDE


@dataclass(frozen=True)
class ModelSpec:
    scale: int
    channels: int
    device: torch.device
    half: bool
    bf16: bool
    halo: int
    border: int
    radius: int
    alignment: int
    least: int  # side of a window that the network takes without padding
    floats: int  # activations alive at the peak, per input pixel
    trunk_floats: int  # the same where an engine runs the network's tail in strips
    largest_tile: int  # side of a tile that is of use; 0 is the device's own

    @classmethod
    def of(cls, model: Any) -> "ModelSpec":
        scale = int(model.scale)
        first = next(model.model.parameters())
        channels = getattr(model, "input_channels", 3)
        if channels not in (1, 3) or getattr(model, "output_channels", channels) != channels:
            raise SengaError(f"the model takes {channels} channels; expected a model that takes and returns 1 or 3")
        sizes = getattr(model, "size_requirements", None)
        return cls(
            scale=scale,
            channels=channels,
            device=first.device,
            half=bool(getattr(model, "supports_half", False)),
            bf16=bool(getattr(model, "supports_bfloat16", False)),
            halo=getattr(model, "default_halo", UNKNOWN_HALO),
            border=getattr(model, "border", 0),
            radius=getattr(model, "receptive_radius", LARGEST_SIDE),
            alignment=getattr(model, "alignment", getattr(sizes, "multiple_of", 1)),
            least=getattr(sizes, "minimum", 0),
            floats=getattr(model, "floats_per_pixel", UNKNOWN_FLOATS * scale**2),
            trunk_floats=getattr(model, "trunk_floats", 0),
            largest_tile=LARGEST_SIDE if getattr(model, "whole_preferred", False) else 0,
        )

    def inner_border(self, halo: int) -> int:
        """Pixels to repeat where a tile's context ends inside the picture: none where it is as large as the radius."""
        return max(0, min(self.border, self.radius - halo))
