"""DISTS: pictures are compared by the means and the correlations of a VGG's features (Ding et al. 2020,
arXiv:2004.07728). Texture may differ pixel by pixel, if it is the same texture.

Both files come from the user's disk; nothing is downloaded.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....arch import SengaError, read_state_dict
from ....arch.precision import autocast
from .features import vgg_layers

BLOCKS = (2, 2, 3, 3, 3)  # convolutions of VGG16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
C1 = C2 = 1e-6


class SmoothPool(nn.Module):
    """Root of the mean of squares under a 3x3 Hann window, every second pixel (Hénaff and Simoncelli 2016), in place of
    the maxima of VGG, which alias."""

    def forward(self, x: Tensor) -> Tensor:
        with autocast(x.device, "fp32"):  # squares overflow half precision
            line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
            window = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
            return (F.conv2d(x.float().square(), window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


class Dists:
    """(prediction, target), both (B, 3, H, W) in [0, 1] -> scalar, 0 where they are equal, about 1 at most.

    Args:
        network: VGG16 under torchvision's names (`features.N.weight`), .safetensors, .pth or .pt.
        weights: the authors' `weights.pt`, with `alpha` and `beta`, a weight for each channel of the picture and of
            the five blocks; None: they are in `network`.

    Raises:
        SengaError: a file is missing, damaged or holds something else.
    """

    def __init__(self, network: Path, weights: Path | None = None) -> None:
        state = read_state_dict(network)
        try:
            layers = vgg_layers(state)
        except SengaError as error:
            raise SengaError(f"{network.name}: {error}") from error
        names = [name for name, layer in layers if isinstance(layer, nn.Conv2d)]
        found = tuple(sum(name.startswith(f"conv{block}_") for name in names) for block in range(1, 6))
        if found != BLOCKS or len(names) != sum(BLOCKS):
            raise SengaError(
                f"{network.name}: has {len(names)} convolutions, {found} by block; expected VGG16, {BLOCKS}"
            )
        self.ends = {f"relu{block}_{count}" for block, count in enumerate(BLOCKS, 1)}
        self.names = [name for name, _ in layers]
        modules = [SmoothPool() if isinstance(layer, nn.MaxPool2d) else layer for _, layer in layers]
        self.layers = nn.ModuleList(modules).requires_grad_(False).eval()
        widths = [state[f"features.{number}.weight"].shape[0] for number in _ends()]
        self.mean, self.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
        self.alpha, self.beta = _channel_weights(weights or network, 3 + sum(widths))

    def features(self, picture: Tensor) -> list[Tensor]:
        """The picture and the last ReLU of each block, float32."""
        found, x = [picture], (picture - self.mean) / self.std
        for name, layer in zip(self.names, self.layers, strict=True):
            x = layer(x)
            if name in self.ends:
                found.append(x.float())
        return found

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The network moves to the pictures' device by itself."""
        if self.mean.device != prediction.device:
            self.layers.to(prediction.device)
            for name in ("mean", "std", "alpha", "beta"):
                setattr(self, name, getattr(self, name).to(prediction.device))
        with torch.no_grad():
            expected = self.features(target)
        pairs = zip(self.features(prediction), expected, strict=True)
        with autocast(prediction.device, "fp32"):
            alike = [_alike(a, b) for a, b in pairs]
            luminance, structure = (torch.cat(parts, dim=1) for parts in zip(*alike, strict=True))
            return 1 - (self.alpha * luminance + self.beta * structure).sum(1).mean()


def _alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C) each: how alike the channels' means are, and how correlated; the paper's equations 7 and 8."""
    mean_a, mean_b = a.mean((2, 3)), b.mean((2, 3))
    off_a, off_b = a - mean_a[..., None, None], b - mean_b[..., None, None]
    variances = off_a.square().mean((2, 3)) + off_b.square().mean((2, 3))
    covariance = (off_a * off_b).mean((2, 3))
    luminance = (2 * mean_a * mean_b + C1) / (mean_a.square() + mean_b.square() + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


def _ends() -> list[int]:
    """torchvision's numbers of the last convolution of each block."""
    ends, number = [], 0
    for count in BLOCKS:
        number += 2 * count
        ends.append(number - 2)
        number += 1  # the pooling
    return ends


def _channel_weights(path: Path, count: int) -> tuple[Tensor, Tensor]:
    """alpha and beta, (count,) each, divided by their common sum."""
    state = read_state_dict(path)
    found = [state.get(name, torch.empty(0)).float().flatten() for name in ("alpha", "beta")]
    sizes = [len(one) for one in found]
    if sizes != [count, count]:
        raise SengaError(
            f"{path.name}: alpha and beta have {sizes[0]} and {sizes[1]} weights; expected {count} each, one a channel:"
            " name the authors' weights.pt as loss.dists_weights"
        )
    whole = sum(one.sum() for one in found)
    return found[0] / whole, found[1] / whole
