"""Networks from papers that are no architectures of Senga; they become that if the table of `architectures.py` says so.

Both are written from their papers, and both begin as nearest-neighbour enlargement with an added last layer near 0, as
our own do. Only a process that has called `register` can read their files.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from senga.arch.blocks import last_layer, without_values
from senga.arch.registry import BY_ID, Architecture
from senga.training.run.settings import ModelSettings
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class _Config(ABC):
    """What the two have in common."""

    scale: int = 2  # output pixels per input pixel and side
    channels: int = 3  # colour channels in and out
    features: int = 64

    @property
    @abstractmethod
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output."""

    @property
    def alignment(self) -> int:
        return 1

    @property
    def border(self) -> int:
        """Pixels to repeat around an input, so that zero padding never reaches the picture."""
        return self.radius

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel."""
        return 6 * self.features + 3 * self.channels * self.scale**2


@dataclass(frozen=True)
class SPANConfig(_Config):
    features: int = 48
    blocks: int = 6

    @property
    def radius(self) -> int:
        return 3 * self.blocks + 3  # three convolutions a block; the first one, that after the blocks, the last one


@dataclass(frozen=True)
class PLKSRConfig(_Config):
    blocks: int = 5  # the paper has 28, or 12 in its small form
    kernel: int = 13  # pixels a side, odd; the paper has 17, or 13 in its small form
    part: int = 16  # channels that the large kernel sees

    @property
    def radius(self) -> int:
        return (3 + self.kernel // 2) * self.blocks + 2


class Enlarging(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped.

    `body` works on the features and keeps their shape. What they become is added to the nearest-neighbour enlargement.
    """

    def __init__(self, config: _Config, body: nn.Module) -> None:
        super().__init__()
        self.scale = config.scale
        self.first = nn.Conv2d(config.channels, config.features, 3, padding=1)
        self.body = body
        self.last = nn.Conv2d(config.features, config.channels * config.scale**2, 3, padding=1)
        if not without_values(self):
            self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """He et al. 2015; the last layer near 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.last.weight.mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_shuffle(last_layer(self.last, self.body(self.first(x))), self.scale)
        return y + F.interpolate(x, scale_factor=float(self.scale), mode="nearest")


class AttentionBlock(nn.Module):
    """SPAN's block: H of three convolutions, (x + H) * (sigmoid(H) - 1/2)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(n, n, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for i, convolution in enumerate(self.convolutions):
            h = convolution(F.silu(h) if i else h)
        return (x + h) * (torch.sigmoid(h) - 0.5)


class AttentionBlocks(nn.Module):
    """SPAN's blocks, and the features of the first, the last but one and the last merged with those of the input."""

    def __init__(self, config: SPANConfig) -> None:
        super().__init__()
        n = config.features
        self.blocks = nn.ModuleList(AttentionBlock(n) for _ in range(config.blocks))
        self.after = nn.Conv2d(n, n, 3, padding=1)
        self.merge = nn.Conv2d(4 * n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1]))
        return self.merge(torch.cat((x, states[1], states[-2], self.after(states[-1])), dim=1))


class LargeKernelBlock(nn.Module):
    """PLKSR's block: channels mixed by two convolutions, some seen by a large kernel, all weighted, and x added."""

    def __init__(self, config: PLKSRConfig) -> None:
        super().__init__()
        n, self.part = config.features, config.part
        self.mix = nn.Sequential(nn.Conv2d(n, 2 * n, 3, padding=1), nn.GELU(), nn.Conv2d(2 * n, n, 3, padding=1))
        self.large = nn.Conv2d(self.part, self.part, config.kernel, padding=config.kernel // 2)
        self.weight = nn.Conv2d(n, n, 3, padding=1)
        self.out = nn.Conv2d(n, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mix(x)
        y = torch.cat((self.large(y[:, : self.part]), y[:, self.part :]), dim=1)
        return x + self.out(y * torch.sigmoid(self.weight(y)))


def span(config: SPANConfig) -> Enlarging:
    """Wan et al. 2023, "Swift Parameter-free Attention Network for Efficient Super-Resolution" (arXiv 2311.12770).

    Without the paper's wider convolutions in training, which are folded afterwards.
    """
    return Enlarging(config, AttentionBlocks(config))


def plksr(config: PLKSRConfig) -> Enlarging:
    """Lee et al. 2024, "Partial Large Kernel CNNs for Efficient Super-Resolution" (arXiv 2404.11848)."""
    return Enlarging(config, nn.Sequential(*(LargeKernelBlock(config) for _ in range(config.blocks))))


BUILT: dict[str, tuple[type, Callable[[Any], nn.Module]]] = {"span": (SPANConfig, span), "plksr": (PLKSRConfig, plksr)}
CANDIDATES = {name: ModelSettings(name, {"scale": 2}) for name in BUILT}


def register() -> None:
    """Let this process create, train and save the candidates."""
    for name, (config, build) in BUILT.items():
        BY_ID[name] = Architecture(name, "upscale", config, build, half=True, bf16=True)
