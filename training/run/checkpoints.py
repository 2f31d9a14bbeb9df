"""How far a run is, what a checkpoint holds of it, and how it rolls back to the last good one."""

import logging
import math
from collections.abc import Iterable
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from ...arch import SengaError
from .ema import EMA
from .run_folder import RunFolder
from .scaling import PART as SCALER

logger = logging.getLogger("senga")

COUNTERS = ("step", "running", "seconds", "slower", "rollbacks")


class RunState:
    """Counters, nets, optimisers and averaged weights of a run: all that going on exactly needs.

    Args:
        folder: of the checkpoints.
        identity: of settings and data; a checkpoint with another one is refused.
        parts: name -> net or optimiser.
        ema: the averaged weights.
    """

    def __init__(self, fabric: Fabric, folder: RunFolder, identity: str, parts: dict[str, Any], ema: EMA) -> None:
        self.fabric, self.folder, self.identity, self.parts, self.ema = fabric, folder, identity, parts, ema
        self.step = 0  # steps done
        self.running = 0.0  # mean loss of about the last fifty
        self.seconds = 0.0  # of training, over all starts
        self.slower = 1.0  # factor of the learning rate, halved with each rollback
        self.rollbacks = 0
        self.best: tuple[float, str] | None = None  # the highest score kept, and what it is a score of

    def save(self) -> None:
        """Write a checkpoint; of several processes the first one does."""
        if self.fabric.is_global_zero:
            counters = {name: getattr(self, name) for name in COUNTERS}
            parts = {name: part.state_dict() for name, part in self.parts.items()}
            self.folder.save({**counters, **parts, "identity": self.identity, "average": self.ema.values})
        self.fabric.barrier()

    def load(self, steps: int, step: int | None = None) -> bool:
        """Take up the newest checkpoint, or that of `step`; False if there is none.

        Raises:
            SengaError: it is of another run, is further than `steps`, or there is none of `step`.
        """
        state = self.folder.load(self.identity, step)
        if state is None:
            return False
        if state["step"] > steps:
            at = f"{self.folder.path}: is at step {state['step']}, beyond optim.steps {steps}"
            raise SengaError(f"{at}; give this run another name")
        for name, part in self.parts.items():
            if name in state or name != SCALER:  # it may have begun in another precision
                part.load_state_dict(state[name])
        self.ema.load(state["average"])
        for name in COUNTERS:
            setattr(self, name, state[name])
        return True

    def keep_best(self, score: float, of: str) -> None:
        """Keep the averaged weights beside the checkpoints if they score higher than those kept.

        Args:
            of: what was scored. A score of something else (a run may change what it validates on) is not compared.
        """
        if self.best is None and (kept := self.folder.load_best(self.identity)):
            self.best = kept["score"], kept["of"]
        if not math.isfinite(score) or (self.best and self.best[1] == of and score <= self.best[0]):
            return
        state = {"step": self.step, "score": score, "of": of, "identity": self.identity, "average": self.ema.values}
        self.folder.save_best(state)
        self.best = score, of

    def load_best(self) -> None:
        """Take up the averaged weights of `keep_best` and their step, to export them.

        Raises:
            SengaError: there are none, or they are of another run.
        """
        state = self.folder.load_best(self.identity)
        if state is None:
            raise SengaError(f"{self.folder.path}: has no best checkpoint yet; it is written at the first validation")
        self.ema.load(state["average"])
        self.step = state["step"]

    def note(self, loss: float) -> None:
        """Count a step, and its loss into the running mean."""
        self.running = loss if self.step == 0 else 0.98 * self.running + 0.02 * loss
        self.step += 1

    def roll_back(self, limit: int) -> None:
        """To the last checkpoint, with half the learning rate, because a loss or a weight is not finite.

        Raises:
            SengaError: the run has rolled back `limit` times already.
        """
        at = f"{self.folder.path.name}: the loss or a weight is not finite at step {self.step + 1}"
        if self.rollbacks >= limit:
            raise SengaError(f"{at}, after {limit} rollbacks; lower optim.learning_rate")
        kept = self.rollbacks + 1, self.slower / 2
        self.load(self.step)
        self.rollbacks, self.slower = kept
        if self.fabric.is_global_zero:
            self.folder.cut_curve(self.step)
        logger.warning("%s; back to step %d, with half the learning rate", at, self.step)


def is_sound(loss: float, tensors: Iterable[Tensor] = ()) -> bool:
    """Whether a loss, and weights if any, are finite."""
    return math.isfinite(loss) and all(bool(tensor.isfinite().all()) for tensor in tensors)
