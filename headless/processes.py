"""Processes that compute for a command, for work that holds Python's lock."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from .errors import SengaError

Given = ParamSpec("Given")
Made = TypeVar("Made")


class Processes:
    """Calls functions in other processes. May be used by several threads at once."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def call(self, function: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
        """The function's result; what it raises is raised here. The function and its values must be picklable.

        Raises SengaError where a process was ended from outside.
        """
        try:
            return self._pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise SengaError(
                "one of the processes of --workers was ended, perhaps for want of memory; run the command again with"
                " fewer workers"
            ) from error


@contextmanager
def processes(count: int) -> Iterator[Processes]:
    """`count` new processes until the block ends; what has not begun by then is dropped.

    They are started afresh, not forked: a fork of a process with torch's threads may hang.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _prepare)
    try:
        with _without_ctrl_c():
            ready: list[Future[None]] = [pool.submit(_nothing) for _ in range(count)]
        for future in ready:
            future.exception()  # one that cannot start breaks the pool, and the first call says so
        yield Processes(pool)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal, and the first one ends the others: those started here ignore it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _nothing() -> None:
    pass


def _prepare() -> None:
    """In each process, first: it ignores Ctrl-C and ends with the process that started it, even one that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="senga-parent", daemon=True).start()
