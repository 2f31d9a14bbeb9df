"""The processes of a run as threads, to test what they agree on without starting any."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from senga.training.run.processes import Processes


class Member(Processes):
    """One of several; two on each machine, or one."""

    def __init__(self, rank: int, slots: list[Any], barrier: Barrier, each: int) -> None:
        self.rank, self.world = rank, len(slots)
        self.machine, self.local = divmod(rank, each)
        self.name = f"process {rank} on node{self.machine + 1}"
        self._slots, self._barrier = slots, barrier

    def _exchange(self, value: Any) -> list[Any]:
        self._slots[self.rank] = value
        self._barrier.wait()
        found = list(self._slots)
        self._barrier.wait()
        return found

    def broadcast(self, value: Any, source: int = 0) -> Any:
        return self._exchange(value)[source]


def together(work: Callable[[Processes], Any], world: int = 2, each: int = 1) -> list[Any]:
    """What `work` returns on each of the processes, or the error that it raises."""
    slots, barrier = [None] * world, Barrier(world, timeout=20)

    def one(rank: int) -> Any:
        try:
            return work(Member(rank, slots, barrier, each))
        except ValueError as error:
            return error

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(one, range(world)))
