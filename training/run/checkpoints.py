"""How far a run is, what a checkpoint holds of it, and how it rolls back to the last good one."""

import hashlib
import logging
import math
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from ...arch import SengaError
from .ema import EMA
from .processes import Processes
from .run_folder import RunFolder
from .scaling import PART as SCALER
from .storage import bring, owners

logger = logging.getLogger("senga")

COUNTERS = ("step", "running", "seconds", "slower", "rollbacks")


class RunState:
    """Counters, nets, optimisers and averaged weights of a run: all that going on exactly needs.

    Of several processes the first one writes checkpoints. A machine that does not see its folder keeps copies, so that
    the run goes on whichever machine is lost; the newest checkpoint of all is what each takes up.

    Args:
        folder: of the checkpoints.
        identity: of settings and data; a checkpoint with another one is refused.
        parts: name -> net or optimiser.
        ema: the averaged weights.

    Raises:
        SengaError: a machine cannot write its run folder.
    """

    def __init__(self, processes: Processes, folder: RunFolder, identity: str, parts: dict[str, Any], ema: EMA) -> None:
        self.processes, self.folder, self.identity, self.parts, self.ema = processes, folder, identity, parts, ema
        found = owners(processes, folder.path)
        self.keeps = found[processes.rank] == processes.rank  # writes checkpoints into the folder that it sees
        self.shared = len(set(found)) == 1
        if self.keeps and processes.rank:
            logger.info("%s: is not that of the first process; %s keeps checkpoints here", folder.path, processes.name)
        self.step = 0  # steps done
        self.running = 0.0  # mean loss of about the last fifty
        self.seconds = 0.0  # of training, over all starts
        self.slower = 1.0  # factor of the learning rate, halved with each rollback
        self.rollbacks = 0
        self.best: tuple[float, str] | None = None  # the highest score kept, and what it is a score of

    def save(self) -> None:
        """Write a checkpoint, of several processes that of the first one. Raises SengaError where it cannot be."""
        with self.processes.promptly():
            self._align()
            state = self._state() if self.processes.rank == 0 else {}
            if not self.shared:  # a process's own buffers differ, such as the means of its pictures
                state = self.processes.broadcast(state)
            self.processes.agreed(lambda: self.folder.save(state) if self.keeps else None)

    def _state(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in COUNTERS}
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        return {**counters, **parts, "identity": self.identity, "average": self.ema.values}

    def digest(self) -> str:
        """Of the net's weights."""
        digest = hashlib.blake2b(digest_size=8)
        for parameter in self.parts["net"].parameters():
            digest.update(parameter.detach().cpu().contiguous().view(-1).numpy().tobytes())
        return digest.hexdigest()

    def _align(self) -> None:
        """Processes whose weights have drifted apart take up those of the first."""
        if self.processes.world == 1:
            return
        found = self.processes.gather((self.processes.name, self.digest()))
        apart = [name for name, digest in found if digest != found[0][1]]
        if apart:
            logger.warning(
                "step %d: the weights of %s differ from those of %s, which are taken; processors of different kinds"
                " round differently",
                self.step,
                ", ".join(apart),
                found[0][0],
            )
            self._take(self.processes.broadcast(self._state() if self.processes.rank == 0 else {}))

    def log_weights(self) -> None:
        """Of several processes each says which weights it has in the end, once all have come here."""
        self.processes.meet_after_the_first()
        if self.processes.world > 1:
            logger.info("%s: weights %s after step %d", self.processes.name, self.digest(), self.step)

    def load(self, steps: int, step: int | None = None) -> bool:
        """Take up the newest checkpoint, or that of `step`; False if there is none.

        Raises:
            SengaError: it is of another run, is further than `steps`, or there is none of `step`.
        """
        state = self._newest(step)
        if state is None:
            return False
        if state["step"] > steps:
            at = f"{self.folder.path}: is at step {state['step']}, beyond optim.steps {steps}"
            raise SengaError(f"{at}; give this run another name")
        self._take(state)
        return True

    def _newest(self, step: int | None) -> dict[str, Any] | None:
        """The newest checkpoint that a process sees, or that of `step` of the first one."""
        processes = self.processes
        found = processes.gather(self.folder.newest() if self.keeps else -1)
        holder = 0 if step is not None else found.index(max(found))
        state = processes.agreed(lambda: self.folder.load(self.identity, step) if processes.rank == holder else None)
        if processes.world > 1:
            state = processes.broadcast(state, holder)
        if holder:
            bring(processes, self.folder.path, holder)
        return state

    def _take(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            if name in state or name != SCALER:  # it may have begun in another precision
                part.load_state_dict(state[name])
        self.ema.load(state["average"])
        for name in COUNTERS:
            setattr(self, name, state[name])

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
        state = self.processes.agreed(
            lambda: self.folder.load_best(self.identity) if self.processes.rank == 0 else None
        )
        state = self.processes.broadcast(state)
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
        if self.processes.rank == 0:
            self.folder.cut_curve(self.step)
        logger.warning("%s; back to step %d, with half the learning rate", at, self.step)


def is_sound(loss: float, tensors: Iterable[Tensor] = ()) -> bool:
    """Whether a loss, and weights if any, are finite."""
    return math.isfinite(loss) and all(bool(tensor.isfinite().all()) for tensor in tensors)
