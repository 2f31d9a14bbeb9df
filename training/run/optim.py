"""What the section [optim] asks for: the optimisers, the learning rate of a step, and the step itself."""

from collections.abc import Iterable

import torch
from torch import nn

from .optimisers import OPTIMISERS, SCHEDULES
from .settings import OptimSettings


def make_optimisers(net: nn.Module, optim: OptimSettings) -> list[torch.optim.Optimizer]:
    """What `optim.optimiser` names; several share the parameters among them. Set their rate before each step."""
    return OPTIMISERS[optim.optimiser](net, optim.weight_decay)


def learning_rate(step: int, optim: OptimSettings) -> float:
    """Linear warm-up, times the factor of `optim.schedule`."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    course = SCHEDULES[optim.schedule](step, optim.steps, optim.decay, optim.milestones)
    return optim.learning_rate * warm * course


def set_learning_rate(optimisers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def step_optimisers(net: nn.Module, optimisers: Iterable[torch.optim.Optimizer], clip: float) -> None:
    """One step on the gradients that are there, their norm cut to `clip` (0: as it is)."""
    if clip:
        nn.utils.clip_grad_norm_(net.parameters(), clip)
    for optimiser in optimisers:
        optimiser.step()
