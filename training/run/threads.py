"""How many threads of the processor a run uses: what is set, what the run began with, or what a short trial finds best.

Small networks lose by more threads, the more so the busier the machine is: threads that wait for each other cost more
than they do. A run keeps its number, since sums in another order change the last bits of the weights.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

import torch
from torch import nn

from .processes import Processes
from .run_folder import RunFolder

logger = logging.getLogger("senga")

SECONDS = 2.0  # that a trial takes, or two rounds of slow steps
WORTH = 200  # steps; a shorter run is not worth a trial
GAIN = 1.05  # how much quicker more threads must be: those left over cut patches
RECORD = "environment.json"  # of a run's folder: the key "threads"


def candidates(cores: int) -> list[int]:
    """1, 2, 4, ... and the number of cores itself."""
    powers = [1 << i for i in range(cores.bit_length()) if 1 << i < cores]
    return [*powers, max(1, cores)]


def trial(step: Callable[[], object], counts: Sequence[int], clock: Callable[[], float] = time.monotonic) -> int:
    """The smallest of the counts of threads that is about as quick as the quickest. Sets torch's number of threads, as
    `step_times` does."""
    usual = step_times(step, counts, SECONDS, clock)
    shown = ", ".join(f"{1000 * seconds:.0f} ms with {count}" for count, seconds in usual.items())
    logger.info("threads: a step takes %s", shown)
    return fewest(usual)


def fewest(times: Mapping[int, float]) -> int:
    """The smallest number of threads that is about as quick as the quickest."""
    return min(count for count, seconds in times.items() if seconds <= min(times.values()) * GAIN)


def step_times(
    step: Callable[[], object],
    counts: Sequence[int],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[int, float]:
    """Threads -> the median of the times of a step, seconds.

    Runs `step` with each in turn, so that a load from elsewhere meets all alike, until `seconds` have passed. The first
    round does not count (memory is taken then), unless it took all the time. Sets torch's number of threads; the caller
    sets it again.
    """
    began = clock()
    times: dict[int, list[float]] = {count: [] for count in counts}
    rounds = 0
    while rounds < 2 or clock() - began < seconds:
        for count in counts:
            torch.set_num_threads(count)
            before = clock()
            step()
            times[count].append(clock() - before)
        rounds += 1
        if rounds == 1 and clock() - began >= seconds:
            break
    return {count: median(found[1:] or found) for count, found in times.items()}


def pick_threads(
    setting: int,
    folder: RunFolder,
    left: int,
    device: torch.device,
    step: Callable[[], object],
    nets: Sequence[nn.Module],
    processes: Processes | None = None,
) -> int:
    """`run.threads`, or else OMP_NUM_THREADS, or what the run's folder has on record, or what a trial finds.

    Args:
        left: steps of the run that are left.
        step: forward and backward of a batch, which changes no weights; a trial leaves no trace in `nets`.
        processes: if there are several: all of them use what the first one uses. The step must not wait for the others:
            each makes as many as it can.
    """
    chosen = _known_threads(setting, folder, left, device)
    if processes:
        chosen = processes.broadcast(chosen)
    if chosen is None:
        with untouched(nets):
            chosen = trial(step, candidates(available_cores()))
        if processes:
            chosen = processes.gather(chosen)[0]  # all have ended their trial
        logger.info("threads: the run uses %d", chosen)
    return chosen


def _known_threads(setting: int, folder: RunFolder, left: int, device: torch.device) -> int | None:
    """The number without a trial; None if one is due."""
    now = torch.get_num_threads()  # OMP_NUM_THREADS, where that is set
    recorded = folder.read_json(RECORD).get("threads")
    cores = available_cores()
    if setting or os.environ.get("OMP_NUM_THREADS"):
        chosen = setting or now
        if recorded not in (None, chosen):
            logger.warning(
                "threads: %d instead of %s so far; the weights may differ in their last bits", chosen, recorded
            )
        return chosen
    if isinstance(recorded, int) and 1 <= recorded <= cores:
        return recorded
    if device.type != "cpu" or left < WORTH or cores == 1:
        return now
    return None


def available_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def untouched(nets: Sequence[nn.Module]) -> Iterator[None]:
    """Buffers of the nets and torch's random numbers are afterwards what they were, and gradients are gone."""
    buffers = [(buffer, buffer.clone()) for net in nets for buffer in net.buffers()]
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for buffer, value in buffers:
            buffer.data.copy_(value)
        for net in nets:
            net.zero_grad(set_to_none=True)


@contextmanager
def restored_threads() -> Iterator[None]:
    """torch's number of threads is afterwards what it was: a training may be a part of another program."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
