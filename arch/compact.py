"""Compact: plain 3x3 convolutions at the input's size, a pixel shuffle, and the input added to the result.

SRVGGNetCompact of Real-ESRGAN (Wang et al. 2021; first used for realesr-animevideov3), the VGG-style stack of
Simonyan and Zisserman 2015 with the sub-pixel convolution of Shi et al. 2016. The keys are the official ones: `body.N`
with convolutions at even N and activations at odd N, so other programs read our files.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import last_layer, without_values

NEGATIVE_SLOPE = 0.1  # of the official LeakyReLU
# name -> layer for that many channels. PReLU learns a slope for each channel (He et al. 2015).
ACTIVATIONS = {
    "prelu": nn.PReLU,
    "relu": lambda width: nn.ReLU(),
    "leakyrelu": lambda width: nn.LeakyReLU(NEGATIVE_SLOPE),
}
NOISE = 0.3  # share of Kaiming noise added to the Dirac in a new hidden kernel


@dataclass(frozen=True)
class CompactConfig:
    scale: int = 2  # output pixels per input pixel and side, 1 to 4
    channels: int = 3  # colour channels in and out
    features: int = 64  # channels between the convolutions
    layers: int = 16  # hidden convolutions, between the first and the last (animevideov3 16, general-x4v3 32)
    activation: str = "prelu"  # prelu, relu or leakyrelu; spandrel and ComfyUI read prelu only

    def __post_init__(self) -> None:
        if self.scale not in (1, 2, 3, 4):
            raise ValueError(f"scale is {self.scale}; Compact supports 1, 2, 3 and 4")
        if min(self.channels, self.features, self.layers) < 1:
            raise ValueError(f"channels, features and layers must be positive; found {self}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; expected one of {', '.join(ACTIVATIONS)}")

    @property
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output: one for each 3x3 convolution."""
        return self.layers + 2

    @property
    def alignment(self) -> int:
        return 1

    @property
    def border(self) -> int:
        """Pixels to repeat around an input, so that zero padding never reaches the picture."""
        return self.radius

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel: around a hidden convolution, or around the last one."""
        return max(2 * self.features, self.features + 3 * self.channels * self.scale**2)


class Compact(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        n = config.features
        self.body = nn.ModuleList()
        for ins in (config.channels, *[n] * config.layers):
            self.body += [nn.Conv2d(ins, n, 3, padding=1), ACTIVATIONS[config.activation](n)]
        self.body.append(nn.Conv2d(n, config.channels * config.scale**2, 3, padding=1))
        if not without_values(self):
            self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Training starts at nearest-neighbour enlargement, with features that already carry the picture.

        A hidden kernel is a Dirac plus `NOISE` times Kaiming's normal initialisation (He et al. 2015), so gradients
        pass sixteen layers undiminished, as in a residual net. The first kernels pass the input on.
        """
        convolutions = [layer for layer in self.body if isinstance(layer, nn.Conv2d)]
        for conv in convolutions:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        first, *hidden, last = convolutions
        copied = min(self.config.channels, self.config.features)
        first.weight[:copied] = 0.0
        nn.init.dirac_(first.weight[:copied])
        for conv in hidden:
            conv.weight.mul_(NOISE).add_(nn.init.dirac_(torch.empty_like(conv.weight)))
        last.weight.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.body[:-1]:
            y = layer(y)  # (B, features, H, W)
        y = F.pixel_shuffle(last_layer(self.body[-1], y), self.config.scale)  # (B, channels, scale * H, scale * W)
        return y + F.interpolate(x, scale_factor=float(self.config.scale), mode="nearest")
