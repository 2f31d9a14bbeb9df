"""An upscaler: a net and its header in one callable."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .drrn import DRRN
from .errors import SengaError
from .header import UNKNOWN, Header, Provenance, as_table
from .image import pad_to_multiple
from .registry import architecture, make_config

NAN = float("nan")


class UpscaleModel:
    """A net and its header, callable; fits ComfyUI's UPSCALE_MODEL socket.

    Args:
        header: the architecture and its hyperparameters.
        net: built from that header. It is set to eval mode, without gradients, in channels_last layout (on a CPU 1.35
            times faster in float32 and 2 to 3 times in bfloat16; the values do not change).
    """

    full_last_layer = True  # in float32, also where the rest runs in bfloat16

    def __init__(self, header: Header, net: nn.Module) -> None:
        if header.scale is None:
            raise SengaError(f"architecture {header.architecture!r} does not upscale; load a model that does")
        self.header = header
        self.model = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.scale: int = header.scale
        row, config = header.row(), header.config()
        self.input_channels: int = config.channels
        self.output_channels: int = config.channels
        self.supports_half = row.half
        self.supports_bfloat16 = row.bf16
        self.receptive_radius: int = config.radius
        self.default_halo: int = row.halo(config)
        self.alignment: int = config.alignment
        ours = header.provenance.source in ("", "senga")
        self.border: int = config.border if ours or row.foreign_border else 0
        self.floats_per_pixel: int = config.floats
        self.trunk_floats: int = getattr(config, "trunk_floats", config.floats)  # where the tail runs in strips
        self.patcher: Any = None  # set by the load node for ComfyUI's memory management

    @classmethod
    def create(cls, architecture_id: str, provenance: Provenance = UNKNOWN, **hyperparameters: Any) -> "UpscaleModel":
        """A newly initialised model. Hyperparameters are the fields of the architecture's config dataclass."""
        row = architecture(architecture_id, "upscale")
        config = make_config(row, hyperparameters)
        return cls(Header(row.id, as_table(config), getattr(config, "scale", None), provenance), row.build(config))

    def with_units(self, units: int) -> "UpscaleModel":
        """A model with the same tensors that runs `units` recursions: faster and less exact. Only DRRN has units.

        Args:
            units: one of `header.units`; 0 is the model itself.

        Raises:
            SengaError: the network is not a DRRN, or was not trained to stop there.
        """
        if units == 0:
            return self
        self.header.check_units(units)
        assert isinstance(self.model, DRRN)
        net = self.model.shortened(units)
        return UpscaleModel(dataclasses.replace(self.header, hyperparameters=as_table(net.config)), net)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "UpscaleModel":
        self.model.to(device=device, dtype=dtype)
        return self

    def __call__(self, image: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1], any size from 1x1 -> (B, C, scale * H, scale * W) in [0, 1], same dtype and device.

        The image is padded by repeating its edge, by `border` and up to `alignment`, and the result is cropped. Where
        the net gives NaN or Inf, the result is NaN.
        """
        height, width = (side * self.scale for side in image.shape[-2:])
        begin = self.border * self.scale
        y = self.bare(pad_to_multiple(image, 1, self.border))
        return y[..., begin : begin + height, begin : begin + width]

    def bare(self, image: Tensor) -> Tensor:
        """The same for a picture that has its border, or is cut out of a larger one: padded up to `alignment` alone."""
        return self.through(self.model, image.to(memory_format=torch.channels_last))

    def through(self, net: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
        """`bare` with another function in the network's place, such as the network prepared by an engine."""
        height, width = (side * self.scale for side in image.shape[-2:])
        y = net(pad_to_multiple(image, self.alignment).to(self.dtype))[..., :height, :width].to(image.dtype)
        return y.nan_to_num_(NAN, NAN, NAN).clamp_(0, 1)  # Inf would be clamped to white or black, and stay unseen
