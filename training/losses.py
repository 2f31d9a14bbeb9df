"""Losses by name: (prediction, target), both (B, 3, H, W) in [0, 1], -> scalar."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

# waifu2x's luma weights, times 3 so that a grey error weighs as much as in plain RGB.
LUMA = (3 * 0.29891, 3 * 0.58661, 3 * 0.11448)


def luma_mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error with each colour's difference weighted by its share of the luma, as yu45020/Waifu2x trains."""
    weights = torch.tensor(LUMA, device=prediction.device, dtype=prediction.dtype).view(1, 3, 1, 1)
    return ((prediction - target) * weights).square().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "luma_mse": luma_mse}
