"""Losses over tags: each is summed over the tags that are known and averaged over the batch."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def bce(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy. All (B, T) float32; labels in [0, 1], known 0 or 1. The sum, not the mean, over the tags:
    with thousands of tags and a few on a picture, a mean would make the gradients vanish."""
    each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (each * known).sum() / len(logits)


def asl(logits: Tensor, labels: Tensor, known: Tensor, falling: float = 4.0, margin: float = 0.05) -> Tensor:
    """Asymmetric loss (Ridnik et al. 2021): absent tags count by (p - margin)**falling, so easy ones hardly do."""
    positive = labels * F.logsigmoid(logits)
    shifted = (logits.sigmoid() - margin).clamp_min(0)
    negative = (1 - labels) * torch.log1p(-shifted.clamp_max(1 - 1e-6)) * shifted.detach() ** falling
    return -((positive + negative) * known).sum() / len(logits)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"bce": bce, "asl": asl}
