"""Locally discriminative learning (LDL; Liang, Zeng and Zhang 2022, arXiv:2203.09195): where a GAN's details are
artifacts, L1 counts; where they are details, it does not."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7  # pixels a side, in which the residual's variance is taken
POWER = 0.2  # of the whole picture's variance


@torch.no_grad()
def artifact_map(prediction: Tensor, target: Tensor, average: Tensor) -> Tensor:
    """(B, 1, H, W), 0 or more: how much a place looks like an artifact.

    The variance of the residual (summed over the colours) around each pixel, times that of the picture to the power of
    a fifth; 0 where `average`, made by the averaged weights, is further from the target than the prediction: there the
    step went the right way. Equations 2 to 5 of the paper.
    """
    residual, before = ((target - x).abs().sum(1, keepdim=True) for x in (prediction, average))
    padded = F.pad(residual, [WINDOW // 2] * 4, mode="reflect")
    windows = padded.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1)  # (B, 1, H, W, 7, 7)
    local = windows.var(dim=(-2, -1))
    overall = residual.var(dim=(1, 2, 3), keepdim=True) ** POWER
    return torch.where(residual < before, 0.0, local * overall)


def ldl(prediction: Tensor, target: Tensor, average: Tensor) -> Tensor:
    """L1 weighted by `artifact_map`, which is taken as a constant. All (B, 3, H, W); sides of 4 pixels or more."""
    return (artifact_map(prediction, target, average) * (prediction - target)).abs().mean()
