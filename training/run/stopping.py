"""End a run in order: on SIGTERM or Ctrl-C the step is finished and a checkpoint written, so that no step is lost."""

import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric

from ...arch import SengaError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EndedError(SengaError):
    """A run that a signal ended; `code` is the exit code, 130 for Ctrl-C and 143 for SIGTERM."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class StopSignals:
    """Inside the block the first signal is only remembered in `received`; a second Ctrl-C interrupts at once.

    A signal that is ignored stays so: a shell without job control starts its background jobs with SIGINT ignored, so
    that a Ctrl-C meant for another job does not end them. Outside the main thread, where Python cannot handle signals,
    it does nothing.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number

    def agreed(self, fabric: Fabric) -> int:
        """The signal, 0 for none, that any of the processes has received: all of them end after the same step."""
        if fabric.world_size == 1:
            return self.received
        found = fabric.all_reduce(torch.tensor(float(self.received), device=fabric.device), reduce_op="max")
        return int(found)  # type: ignore[arg-type] (a tensor)


def ended(number: int, run: str, step: int, steps: int, command: str) -> EndedError:
    """What a run says that ended by a signal after its checkpoint was written: how to go on."""
    by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    text = f"{run}: stopped by {by} at step {step} of {steps}, which is saved; to go on: {command}"
    return EndedError(text, 128 + number)
