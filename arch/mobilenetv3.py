"""MobileNetV3, Large and Small, with one logit for each tag.

Howard et al. 2019, "Searching for MobileNetV3" (tables 1 and 2). Keys, initialisation and rounding of the widths are
torchvision's, so its checkpoints fit unchanged; foreign_taggers.py renames timm's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import last_layer, without_values

PADDINGS = ("symmetric", "same")


@dataclass(frozen=True)
class MobileNetV3Config:
    tags: int = 1000  # logits
    width: float = 1.0  # factor of every channel count of the table, rounded to multiples of 8
    dropout: float = 0.2  # before the last layer, while training
    eps: float = 1e-3  # of batch normalisation; not in state dicts: 1e-3 in torchvision and timm's tf_*, 1e-5 in timm
    padding: str = "symmetric"  # "symmetric", or "same" as in TensorFlow (timm's tf_*): more below and right

    def __post_init__(self) -> None:
        if self.tags < 1 or self.width <= 0 or self.eps <= 0:
            raise ValueError(f"tags (1 or more), width and eps must be positive; found {self}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 or more, below 1")
        if self.padding not in PADDINGS:
            raise ValueError(f"padding is {self.padding!r}; expected one of {', '.join(PADDINGS)}")


@dataclass(frozen=True)
class Row:
    """A line of the paper's tables: one bottleneck."""

    kernel: int
    expand: int  # channels of the depthwise convolution; no expansion if they equal the input's
    out: int
    squeeze: bool  # squeeze-and-excite
    activation: str  # "RE" ReLU, "HS" hard-swish
    stride: int


STEM = 16  # channels of the first convolution, stride 2, hard-swish
LAST = 6  # channels of the last convolution over those of the last row

LARGE = (
    Row(3, 16, 16, False, "RE", 1),  # 1/2
    Row(3, 64, 24, False, "RE", 2),
    Row(3, 72, 24, False, "RE", 1),  # 1/4
    Row(5, 72, 40, True, "RE", 2),
    Row(5, 120, 40, True, "RE", 1),
    Row(5, 120, 40, True, "RE", 1),  # 1/8
    Row(3, 240, 80, False, "HS", 2),
    Row(3, 200, 80, False, "HS", 1),
    Row(3, 184, 80, False, "HS", 1),
    Row(3, 184, 80, False, "HS", 1),
    Row(3, 480, 112, True, "HS", 1),
    Row(3, 672, 112, True, "HS", 1),  # 1/16
    Row(5, 672, 160, True, "HS", 2),
    Row(5, 960, 160, True, "HS", 1),
    Row(5, 960, 160, True, "HS", 1),  # 1/32
)
LARGE_HIDDEN = 1280  # between the pooled features and the tags

SMALL = (
    Row(3, 16, 16, True, "RE", 2),  # 1/4
    Row(3, 72, 24, False, "RE", 2),
    Row(3, 88, 24, False, "RE", 1),  # 1/8
    Row(5, 96, 40, True, "HS", 2),
    Row(5, 240, 40, True, "HS", 1),
    Row(5, 240, 40, True, "HS", 1),
    Row(5, 120, 48, True, "HS", 1),
    Row(5, 144, 48, True, "HS", 1),  # 1/16
    Row(5, 288, 96, True, "HS", 2),
    Row(5, 576, 96, True, "HS", 1),
    Row(5, 576, 96, True, "HS", 1),  # 1/32
)
SMALL_HIDDEN = 1024


def divisible(channels: float, by: int = 8) -> int:
    """The multiple of `by` nearest to `channels`, at least `by` and never below nine tenths of `channels`."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


class SameConv2d(nn.Conv2d):
    """A convolution padded as in TensorFlow: an odd pixel goes below and right, depending on the input's size."""

    def forward(self, input: Tensor) -> Tensor:
        padding: list[int] = []
        for side, kernel, stride in zip(input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(input, padding))


def conv(
    ins: int, outs: int, config: MobileNetV3Config, activation: str, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, and an activation if one is named."""
    same = config.padding == "same"
    kind, padding = (SameConv2d, 0) if same else (nn.Conv2d, kernel // 2)
    layers: list[nn.Module] = [
        kind(ins, outs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outs, eps=config.eps, momentum=0.01),
    ]
    if activation:
        layers.append(nn.Hardswish(inplace=True) if activation == "HS" else nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """Each channel times a gate computed from the means of all channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        squeezed = divisible(width // 4)
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class Bottleneck(nn.Module):
    """Expand, filter each channel, weight the channels, project; added to the input where sizes allow."""

    def __init__(self, ins: int, row: Row, config: MobileNetV3Config) -> None:
        super().__init__()
        expand, out = divisible(row.expand * config.width), divisible(row.out * config.width)
        layers: list[nn.Module] = []
        if expand != ins:
            layers.append(conv(ins, expand, config, row.activation))
        layers.append(conv(expand, expand, config, row.activation, row.kernel, row.stride, groups=expand))
        if row.squeeze:
            layers.append(SqueezeExcite(expand))
        layers.append(conv(expand, out, config, ""))
        self.block = nn.Sequential(*layers)
        self.residual = row.stride == 1 and ins == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """(B, 3, H, W) normalised -> logits (B, tags), in the weights' precision. H and W should be 32 or more."""

    def __init__(self, config: MobileNetV3Config, rows: tuple[Row, ...], hidden: int) -> None:
        super().__init__()
        self.config = config
        widths = [divisible(STEM * config.width), *(divisible(row.out * config.width) for row in rows)]
        self.features = nn.Sequential(
            conv(3, widths[0], config, "HS", kernel=3, stride=2),
            *(Bottleneck(ins, row, config) for ins, row in zip(widths, rows, strict=False)),
            conv(widths[-1], LAST * widths[-1], config, "HS"),
        )
        hidden = divisible(hidden * config.width)
        self.classifier = nn.Sequential(
            nn.Linear(LAST * widths[-1], hidden),
            nn.Hardswish(inplace=True),
            nn.Dropout(config.dropout, inplace=True),
            nn.Linear(hidden, config.tags),
        )
        if not without_values(self):
            initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (B, 960 or 576, ceil(H / 32), ceil(W / 32))
        return last_layer(self.classifier, x.mean((2, 3), dtype=next(self.classifier.parameters()).dtype))


class MobileNetV3Large(MobileNetV3):
    """5,483,032 parameters at 1,000 tags."""

    def __init__(self, config: MobileNetV3Config) -> None:
        super().__init__(config, LARGE, LARGE_HIDDEN)


class MobileNetV3Small(MobileNetV3):
    """2,542,856 parameters at 1,000 tags."""

    def __init__(self, config: MobileNetV3Config) -> None:
        super().__init__(config, SMALL, SMALL_HIDDEN)


def initialise(net: nn.Module) -> None:
    """Convolutions from N(0, 2 / fan_out) (He et al. 2015), linear layers from N(0, 0.01^2), biases 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
