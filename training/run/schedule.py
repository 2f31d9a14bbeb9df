"""The learning rate of each step: warm-up, then a schedule by name, the value of `optim.schedule`."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .optimisers import SCHEDULE_FREE

if TYPE_CHECKING:  # settings.py imports the names from here
    from .settings import OptimSettings


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


def learning_rate(step: int, optim: "OptimSettings") -> float:
    """Linear warm-up, times the factor of `optim.schedule`, which schedule-free optimisers do without."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup))
    if optim.optimiser == SCHEDULE_FREE:
        return optim.learning_rate * warm
    course = SCHEDULES[optim.schedule](step, optim.steps, optim.decay, optim.milestones)
    return optim.learning_rate * warm * course
