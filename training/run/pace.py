"""How long a run will take, said once when its first steps have shown it."""

import logging
import time

logger = logging.getLogger("senga")

WARM, SEEN = 10, 50  # steps that pass before the clock starts (caches fill), and after which the estimate is made


class Pace:
    """Call `note` after each step; pauses (validations, checkpoints) belong into `pause`.

    Args:
        first: the step that this start of the run begins with.
        steps: of the whole run.
    """

    def __init__(self, first: int, steps: int) -> None:
        self.first, self.steps = first, steps
        self.began = self.paused = 0.0

    def pause(self, seconds: float) -> None:
        self.paused += seconds

    def note(self, done: int) -> None:
        """After `done` steps of the run. Logs the estimate when SEEN of them were of this start, if many are left."""
        if done - self.first == WARM:
            self.began, self.paused = time.monotonic(), 0.0
        if done - self.first == SEEN and self.steps - done >= SEEN:
            each = (time.monotonic() - self.began - self.paused) / (SEEN - WARM)
            whole, left = duration(each * self.steps), duration(each * (self.steps - done))
            logger.info(
                "%.3f s a step: %d steps take about %s, %s from here, without validations",
                each,
                self.steps,
                whole,
                left,
            )


def duration(seconds: float) -> str:
    """ "45 seconds", "12 minutes", "3.5 hours", "2.1 days"."""
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
