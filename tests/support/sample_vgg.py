"""A VGG of few channels under torchvision's names, and random weights for DISTS on it."""

import torch
from torch import Tensor

WIDTHS = ((4, 6), (8,), (8, 8))  # convolutions' widths, block by block
VGG16 = ((2, 2), (3, 3), (3, 3, 3), (4, 4, 4), (4, 4, 5))  # its blocks, with few channels


def vgg_state(blocks: tuple[tuple[int, ...], ...] = WIDTHS) -> dict[str, Tensor]:
    """A small VGG's tensors under torchvision's names."""
    generator = torch.Generator().manual_seed(3)
    state, number, channels = {}, 0, 3
    for block in blocks:
        for width in block:
            state[f"features.{number}.weight"] = torch.randn(width, channels, 3, 3, generator=generator)
            state[f"features.{number}.bias"] = torch.randn(width, generator=generator)
            number, channels = number + 2, width
        number += 1
    return {**state, "classifier.0.weight": torch.zeros(10, channels)}


def dists_weights() -> dict[str, Tensor]:
    """alpha and beta as the authors' `weights.pt` has them, for VGG16."""
    generator = torch.Generator().manual_seed(4)
    count = 3 + sum(block[-1] for block in VGG16)
    return {name: torch.rand(1, count, 1, 1, generator=generator) for name in ("alpha", "beta")}


def noise_pictures(height: int = 24, width: int = 28, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two batches of two, (2, 3, height, width) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, height, width, generator=generator), torch.rand(2, 3, height, width, generator=generator)
