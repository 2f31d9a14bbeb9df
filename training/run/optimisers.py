"""Optimisers and schedules of the learning rate by name: the values of `optim.optimiser` and `optim.schedule`."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

NARROWEST = 16  # kernels with fewer channels in or out (first, last and depthwise layers) are not worth orthogonalising


class ConvMuon(torch.optim.Muon):
    """torch's Muon, which takes matrices alone, on convolution kernels.

    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". A kernel (out, in, h, w) is seen as
    the matrix (out, h * w * in) that shares its memory, so it must be kept in channels_last layout.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], **options: Any) -> None:
        self.kernels = list(kernels)
        for kernel in self.kernels:
            kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
        super().__init__([k.data.movedim(1, -1).view(len(k), -1) for k in self.kernels], **options)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for kernel, matrix in zip(self.kernels, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.movedim(1, -1).flatten(1)
        return super().step(closure)


def _adamw(net: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=weight_decay)]


def _muon(net: nn.Module, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of hidden convolutions, AdamW for all the rest."""
    hidden = [p for p in net.parameters() if p.ndim == 4 and min(p.shape[:2]) >= NARROWEST]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    adamw = torch.optim.AdamW(rest, lr=1.0, weight_decay=weight_decay)
    if not hidden:
        return [adamw]
    # Steps as large as AdamW's, so that both take the same learning rates (Liu et al. 2025, "Muon is Scalable").
    muon = ConvMuon(hidden, lr=1.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    return [muon, adamw]


# name: (net, weight decay) -> optimisers that share the net's parameters; set their rate before each step
OPTIMISERS: dict[str, Callable[[nn.Module, float], list[torch.optim.Optimizer]]] = {
    "adamw": _adamw,
    "muon": _muon,
}


def cosine(step: int, steps: int, decay: float, milestones: Sequence[float]) -> float:
    """Constant, then a cosine to zero over the last `decay` share of the steps (1.0: over all of them)."""
    begin = steps * (1 - decay)
    late = max(0.0, (step - begin) / max(1.0, steps - begin))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, late)))


def multistep(step: int, steps: int, decay: float, milestones: Sequence[float]) -> float:
    """Halved at each of `milestones`, which are shares of the steps."""
    return 0.5 ** sum(step >= share * steps for share in milestones)


# name: (step, steps, decay, milestones) -> factor of the learning rate
SCHEDULES: dict[str, Callable[[int, int, float, Sequence[float]], float]] = {"cosine": cosine, "multistep": multistep}
