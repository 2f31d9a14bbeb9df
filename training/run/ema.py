"""The weights that are validated and shipped: averaged over the steps, and on request rounded to bfloat16."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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
