"""DRRN: residual units with shared kernels, run several times: many layers, few parameters.

Tai, Yang and Liu 2017, "Image Super-Resolution via Deep Recursive Residual Network". In each of B recursive blocks
h_u = h_0 + conv2(act(conv1(act(h_(u-1))))), the kernels the same for all u from 1 to U. In place of the paper's batch
normalisation, each convolution has a scale and a bias for each channel and recursion. The paper enlarges the input
first and works at the output's size (`at="hr"`); yu45020/Waifu2x planned a form "modified for the CPU", which is the
default here: all recursions at the input's size, then a pixel shuffle (Shi et al. 2016) and the enlarged input added.
The paper's nets: `at="hr", features=128, blocks=1, units=25` (or 9), `supervised_units=(25,), activation="relu"`.
The paper's blocks after the first begin with a further convolution; it is left out.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import last_layer, without_values

PLACES = ("lr", "hr")
ACTIVATIONS = {"leakyrelu": 0.1, "relu": 0.0}  # name -> slope below zero
RESIDUALS = {"bicubic": 2, "bilinear": 1, "nearest": 0}  # name -> how far the filter reaches, in pixels
DAMPING = 0.5  # first scale of a unit's second convolution: features keep their size through any number of units


@dataclass(frozen=True)
class DRRNConfig:
    scale: int = 2  # output pixels per input pixel and side, 1 to 4
    channels: int = 3  # colour channels in and out
    features: int = 48  # channels of the trunk
    blocks: int = 2  # B: recursive blocks, each with kernels of its own
    units: int = 5  # U: recursions of each block
    supervised_units: tuple[int, ...] = (3, 5)  # recursions after which the output is trained, rising up to `units`
    activation: str = "leakyrelu"  # leakyrelu, or relu as in the paper
    residual: str = "bicubic"  # filter that enlarges the input, to which the net adds its output (part of the model)
    at: str = "lr"  # where the recursion runs: at the input's size ("lr"), or at the output's ("hr") as in the paper

    def __post_init__(self) -> None:
        if self.scale not in (1, 2, 3, 4):
            raise ValueError(f"scale is {self.scale}; DRRN supports 1, 2, 3 and 4")
        if min(self.channels, self.features, self.blocks, self.units) < 1:
            raise ValueError(f"channels, features, blocks and units must be positive; found {self}")
        units = self.supervised_units
        if sorted(set(units)) != list(units) or not units or units[0] < 1 or units[-1] != self.units:
            raise ValueError(
                f"supervised_units is {units}; expected rising numbers from 1, the last of them {self.units}"
            )
        for name, value, known in (
            ("activation", self.activation, ACTIVATIONS),
            ("residual", self.residual, RESIDUALS),
            ("at", self.at, PLACES),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}")

    @property
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output."""
        convolutions = 2 * self.blocks * self.units + 2
        if self.at == "lr" or self.scale == 1:
            return convolutions
        reach = RESIDUALS[self.residual]
        # The largest distance from an interpolated pixel to the middle of the input pixel that contains it.
        off = 0.5 - 0.5 / self.scale if reach else 0.0
        return max(0, reach - 1) + math.ceil(convolutions / self.scale + off)

    @property
    def alignment(self) -> int:
        return 1

    @property
    def border(self) -> int:
        """Pixels to repeat around an input, so that zero padding never reaches the picture."""
        return self.radius

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel: a unit's, and the output's with its addends."""
        trunk = 4 * self.features * (self.scale**2 if self.at == "hr" else 1)
        return trunk + 2 * self.channels * self.scale**2


class RecursiveBlock(nn.Module):
    """Residual units that share two kernels; each unit has its own scale and bias for each channel."""

    def __init__(self, config: DRRNConfig) -> None:
        super().__init__()
        n, units = config.features, config.units
        self.slope = ACTIVATIONS[config.activation]
        self.conv1 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.scale1 = nn.Parameter(torch.ones(units, n))
        self.bias1 = nn.Parameter(torch.zeros(units, n))
        self.scale2 = nn.Parameter(torch.full((units, n), DAMPING))
        self.bias2 = nn.Parameter(torch.zeros(units, n))

    def forward(self, start: Tensor, stops: tuple[int, ...]) -> list[Tensor]:
        """(B, features, H, W) -> the same, after each number of recursions in `stops` (rising)."""
        h, states = start, []
        for u in range(stops[-1]):
            y = self._convolve(h, self.conv1.weight, self.scale1[u], self.bias1[u])
            h = start + self._convolve(y, self.conv2.weight, self.scale2[u], self.bias2[u])
            if u + 1 in stops:
                states.append(h)
        return states

    def _convolve(self, x: Tensor, kernel: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        # Scale the kernel, not the features: it is far smaller.
        return F.conv2d(F.leaky_relu(x, self.slope), kernel * scale[:, None, None, None], bias, padding=1)


class DRRN(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped."""

    def __init__(self, config: DRRNConfig) -> None:
        super().__init__()
        self.config = config
        n, shuffled = config.features, config.scale if config.at == "lr" else 1
        self.head = nn.Conv2d(config.channels, n, 3, padding=1)
        self.blocks = nn.ModuleList(RecursiveBlock(config) for _ in range(config.blocks))
        self.last = nn.Conv2d(n, config.channels * shuffled**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(shuffled)
        if not without_values(self):
            self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Normal weights after He et al. 2015; the last layer near 0, so that training starts at the enlarged input."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=ACTIVATIONS[self.config.activation])
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.last.weight.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self._outputs(x, (self.config.units,))[0]

    def forward_all(self, x: Tensor) -> list[Tensor]:
        """For training: the output after each of `supervised_units` recursions; the last one equals `forward`."""
        return self._outputs(x, self.config.supervised_units)

    def shortened(self, units: int) -> "DRRN":
        """A net that stops after `units` recursions of each block and shares these tensors: faster, less exact.

        Raises:
            ValueError: the net was not trained to stop there.
        """
        known = self.config.supervised_units
        if units not in known:
            raise ValueError(f"units is {units}; this net was trained for {', '.join(map(str, known))}")
        taught = tuple(u for u in known if u <= units)
        with torch.device("meta"):
            net = DRRN(dataclasses.replace(self.config, units=units, supervised_units=taught))
        of_units = ("scale1", "bias1", "scale2", "bias2")
        state = {k: v[:units] if k.rpartition(".")[2] in of_units else v for k, v in self.state_dict().items()}
        net.load_state_dict(state, assign=True)
        return net.train(self.training)

    def _outputs(self, x: Tensor, stops: tuple[int, ...]) -> list[Tensor]:
        base = self._enlarged(x)
        h = self.head(base if self.config.at == "hr" else x)  # (B, features, H, W); at "hr" of the output's size
        first, *others = self.blocks
        states = first(h, stops)
        for block in others:
            states = [block(state, (stop,))[0] for state, stop in zip(states, stops, strict=True)]
        return [self.shuffle(last_layer(self.last, state)) + base for state in states]

    def _enlarged(self, x: Tensor) -> Tensor:
        if self.config.scale == 1:
            return x
        mode = self.config.residual
        corners = None if mode == "nearest" else False
        return F.interpolate(x, scale_factor=float(self.config.scale), mode=mode, align_corners=corners)
