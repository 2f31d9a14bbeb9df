"""DCSCN: dense skip connections, a network-in-network head, and a global residual added to an interpolated picture.

Yamanaka, Kuwashima and Kurita 2017, "Fast and Accurate Image Super Resolution by Deep CNN with Skip Connection and
Network in Network". The exponential decay of the widths and SELU in place of the paper's PReLU are yu45020/Waifu2x's.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import last_layer, lecun_normal_, without_values

ACTIVATIONS = ("selu", "prelu")
RESIDUALS = ("bicubic", "bilinear", "nearest")


@dataclass(frozen=True)
class DCSCNConfig:
    scale: int = 2  # output pixels per input pixel and side, 2 to 4
    channels: int = 3  # colour channels in and out
    layers: int = 12  # feature convolutions, each feeding the next and the concatenation: 12 or 8
    first: int = 196  # channels after the first feature convolution (96 for 8 layers)
    last: int = 48  # channels after the last one; the widths between decay exponentially
    reconstruction: int = 128  # R: channels of branch A and of branch B; R / 2 between B's two convolutions
    upsampling: int = 32  # channels at the output size, before the convolution that makes the picture
    activation: str = "selu"  # "selu", or "prelu" as in the paper
    residual: str = "bicubic"  # filter that upscales the input, to which the net adds its output (part of the model)

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale is {self.scale}; DCSCN supports 2, 3 and 4")
        if self.layers < 2 or min(self.first, self.last, self.upsampling, self.channels) < 1 or self.reconstruction < 2:
            raise ValueError(f"layers (2 or more) and widths must be positive; found {self}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; expected one of {', '.join(ACTIVATIONS)}")
        if self.residual not in RESIDUALS:
            raise ValueError(f"residual is {self.residual!r}; expected one of {', '.join(RESIDUALS)}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels after each feature convolution: 12 layers 196 -> 48 give 196, 172, 152, ..., 48 (sum 1281)."""
        decay = math.log(self.first / self.last) / (self.layers - 1)
        return tuple(round(self.first * math.exp(-decay * i)) for i in range(self.layers))

    @property
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output.

        One for each feature convolution, and three for branch B, the upsampling convolution, and the last one together
        with the residual.
        """
        return self.layers + 3

    @property
    def alignment(self) -> int:
        return 1

    @property
    def border(self) -> int:
        """Pixels to repeat around an input, so that zero padding never reaches the picture."""
        return self.radius

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel: all features, both branches, and at the output's size."""
        return 2 * sum(self.widths) + 2 * self.upsampling * self.scale**2 + 4 * self.reconstruction


def conv(ins: int, outs: int, kernel: int, activation: str) -> nn.Sequential:
    act = nn.SELU() if activation == "selu" else nn.PReLU(outs)
    return nn.Sequential(nn.Conv2d(ins, outs, kernel, padding=kernel // 2), act)


class DCSCN(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped."""

    def __init__(self, config: DCSCNConfig) -> None:
        super().__init__()
        self.config = config
        act, r, widths = config.activation, config.reconstruction, config.widths
        ins = (config.channels, *widths[:-1])
        self.features = nn.ModuleList(conv(i, o, 3, act) for i, o in zip(ins, widths, strict=True))
        self.a = conv(sum(widths), r, 1, act)
        self.b = nn.Sequential(conv(sum(widths), r // 2, 1, act), conv(r // 2, r, 3, act))
        self.up = conv(2 * r, config.upsampling * config.scale**2, 3, act)
        self.shuffle = nn.PixelShuffle(config.scale)
        self.picture = nn.Conv2d(config.upsampling, config.channels, 3, padding=1, bias=False)
        lecun_normal_(self)
        if not without_values(self):
            # Training starts at the upsampled input: at full size, the noise of this layer gave a first loss of 0.76.
            self.picture.weight.data.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        y = x
        for layer in self.features:
            y = layer(y)
            features.append(y)
        y = torch.cat(features, dim=1)  # (B, sum(widths), H, W)
        y = torch.cat((self.a(y), self.b(y)), dim=1)  # (B, 2R, H, W)
        y = self.shuffle(self.up(y))  # (B, upsampling, scale*H, scale*W)
        mode = self.config.residual
        corners = None if mode == "nearest" else False
        base = F.interpolate(x, scale_factor=float(self.config.scale), mode=mode, align_corners=corners)
        return last_layer(self.picture, y) + base
