"""The weights that are validated and shipped: averaged over the steps, and on request rounded to bfloat16."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .optimisers import SCHEDULE_FREE

if TYPE_CHECKING:
    from .settings import OptimSettings


class EMA:
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


class ScheduleFreeAverage(EMA):
    """The averaged weights of a schedule-free optimiser, x of its paper, from the net's y and the optimiser's z."""

    def __init__(self, net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        super().__init__(net, 0.0)
        self.optimiser = optimiser

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """y = (1 - beta) z + beta x; a parameter without z has not been stepped, and others are copied."""
        beta = self.optimiser.param_groups[0]["betas"][0]
        base = {id(parameter): state["z"] for parameter, state in self.optimiser.state.items() if "z" in state}
        for name, value in net.state_dict(keep_vars=True).items():
            z = base.get(id(value))
            self.values[name].copy_(value if z is None else value.lerp(z, 1 - 1 / beta))


def make_average(net: nn.Module, optim: "OptimSettings", optimisers: Sequence[torch.optim.Optimizer]) -> EMA:
    """The average that is validated and shipped: the optimiser's own, where it has one."""
    return ScheduleFreeAverage(net, optimisers[0]) if optim.optimiser == SCHEDULE_FREE else EMA(net, optim.ema)


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
