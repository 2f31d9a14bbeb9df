"""ESPCN_7: a sub-pixel network of seven 3x3 convolutions with SELU and selection units.

Sub-pixel upscaling: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network". SELU: Klambauer et al. 2017, "Self-Normalizing Neural Networks". Selection units: Choi
and Kim 2017, "A Deep Convolutional Neural Network with Selection Units for Super-Resolution" (SelNet). The widths are
yu45020/Waifu2x's; its checkpoints load with `selection="replace"`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import last_layer, lecun_normal_

SELECTIONS = ("multiply", "replace", "none")
ACTIVATIONS = {"selu": lambda width: nn.SELU(), "prelu": nn.PReLU}  # name -> layer for that many channels


@dataclass(frozen=True)
class ESPCNConfig:
    scale: int = 2  # output pixels per input pixel and side, 2 to 4
    channels: int = 3  # colour channels in and out
    widths: tuple[int, ...] = (64, 64, 128, 128, 256, 256)  # channels after each 3x3 convolution except the last
    # "multiply": x * gate(x), as in SelNet; "replace": only gate(x), as in yu45020's files; "none": no gates
    selection: str = "multiply"
    activation: str = "selu"  # or "prelu", which learns a slope for each channel (He et al. 2015)

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"scale is {self.scale}; ESPCN_7 supports 2, 3 and 4")
        if not self.widths or min(self.widths) < 1 or self.channels < 1:
            raise ValueError(f"widths {self.widths} and channels {self.channels} must be positive")
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection is {self.selection!r}; expected one of {', '.join(SELECTIONS)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; expected one of {', '.join(ACTIVATIONS)}")

    @property
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output: one for each 3x3 convolution."""
        return len(self.widths) + 1

    @property
    def alignment(self) -> int:
        return 1

    @property
    def border(self) -> int:
        """Pixels to repeat around an input: with zeros beyond the edge, corners of saturated pictures turn dark."""
        return self.radius

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel: around the widest convolution and its selection unit."""
        return 4 * max(self.widths)


class SelectionUnit(nn.ModuleList):
    """A learnt gate for each pixel and channel. Both forms have the same keys (`0.weight`, `0.bias`)."""

    def __init__(self, width: int, selection: str) -> None:
        super().__init__([nn.Conv2d(width, width, kernel_size=1)])
        self.multiply = selection == "multiply"

    def forward(self, x: Tensor) -> Tensor:
        if self.multiply:
            return x * torch.sigmoid(self[0](torch.relu(x)))
        return torch.sigmoid(self[0](x))


class ESPCN7(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped."""

    def __init__(self, config: ESPCNConfig) -> None:
        super().__init__()
        ins = (config.channels, *config.widths[:-1])
        self.conv = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(i, o, 3, padding=1),
                    ACTIVATIONS[config.activation](o),
                    *([] if config.selection == "none" else [SelectionUnit(o, config.selection)]),
                )
                for i, o in zip(ins, config.widths, strict=True)
            )
        )
        self.up_sampler = nn.Sequential(
            nn.Conv2d(config.widths[-1], config.channels * config.scale**2, 3, padding=1),
            nn.PixelShuffle(config.scale),
        )
        lecun_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)  # (B, widths[-1], H, W)
        return last_layer(self.up_sampler, x)  # (B, channels, scale*H, scale*W)
