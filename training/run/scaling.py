"""float16 training: losses are scaled up, so that small gradients do not become zero (Micikevicius et al. 2018,
arXiv:1710.03740). torch's own scaler, over optimisers that share a net."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

Scaler = torch.amp.GradScaler
PART = "scaler"  # its name in a checkpoint


def scaler_of(fabric: Fabric) -> Scaler | None:
    """The scaler that `fabric.backward` multiplies losses with; None unless the run trains in float16."""
    return getattr(fabric.strategy.precision, "scaler", None)


class Together(torch.optim.Optimizer):
    """Several optimisers of a net as the one that a scaler steps: they may see its kernels in other shapes."""

    def __init__(self, net: nn.Module, optimisers: Iterable[torch.optim.Optimizer]) -> None:
        super().__init__(net.parameters(), {})
        self.optimisers = list(optimisers)

    def step(self, closure: Any = None) -> Any:
        for optimiser in self.optimisers:
            optimiser.step()
