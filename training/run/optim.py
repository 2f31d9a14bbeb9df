"""Optimisers by name, the course of the learning rate, averaged weights, and weights rounded to bfloat16."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..sr.settings import OptimSettings

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


def _adamw(net: nn.Module, optim: OptimSettings) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=optim.weight_decay)]


def _muon(net: nn.Module, optim: OptimSettings) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of hidden convolutions, AdamW for all the rest."""
    hidden = [p for p in net.parameters() if p.ndim == 4 and min(p.shape[:2]) >= NARROWEST]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    adamw = torch.optim.AdamW(rest, lr=1.0, weight_decay=optim.weight_decay)
    if not hidden:
        return [adamw]
    # Steps as large as AdamW's, so that both take the same learning rates (Liu et al. 2025, "Muon is Scalable").
    muon = ConvMuon(hidden, lr=1.0, weight_decay=optim.weight_decay, adjust_lr_fn="match_rms_adamw")
    return [muon, adamw]


OPTIMISERS: dict[str, Callable[[nn.Module, OptimSettings], list[torch.optim.Optimizer]]] = {
    "adamw": _adamw,
    "muon": _muon,
}


def make_optimisers(net: nn.Module, optim: OptimSettings) -> list[torch.optim.Optimizer]:
    """What `optim.optimiser` names; several share the parameters among them. Set their rate before each step."""
    return OPTIMISERS[optim.optimiser](net, optim)


def set_learning_rate(optimisers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def learning_rate(step: int, optim: OptimSettings) -> float:
    """Linear warm-up; then by `optim.schedule`.

    cosine: constant, then a cosine to zero over the last `decay` share of the steps (1.0: over all of them).
    multistep: halved at each of `milestones`, which are shares of the steps.
    """
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    if optim.schedule == "multistep":
        return optim.learning_rate * warm * 0.5 ** sum(step >= share * optim.steps for share in optim.milestones)
    begin = optim.steps * (1 - optim.decay)
    late = max(0.0, (step - begin) / max(1.0, optim.steps - begin))
    return optim.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, late)))


class Average:
    """Exponential moving average of a net's parameters and buffers: what is validated and shipped."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {key: value.detach().clone() for key, value in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """`step` counts from 0; the average starts short, or it would remember the first weights for long."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    def load(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self.values[name].copy_(value)


@contextmanager
def rounded_weights(net: nn.Module, active: bool = True) -> Iterator[None]:
    """Inside, the parameters are what bfloat16 can hold; outside they are exact again, whatever gradients they got.

    Forward and backward inside and the optimiser's step outside make a net that loses nothing when it is run in
    bfloat16 (the straight-through estimator of Bengio et al. 2013).
    """
    if not active:
        yield
        return
    exact = [parameter.detach().clone() for parameter in net.parameters()]
    try:
        round_to_bfloat16(net.parameters())
        yield
    finally:
        for parameter, value in zip(net.parameters(), exact, strict=True):
            parameter.data.copy_(value)


def round_to_bfloat16(tensors: Iterable[Tensor]) -> None:
    """In place, to the nearest value of bfloat16; the type stays."""
    for tensor in tensors:
        if tensor.is_floating_point():
            tensor.data.copy_(tensor.data.to(torch.bfloat16))
