"""Values on their way from the thread that makes them to the thread that takes them, a few at a time."""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..arch import Stopped

Value = TypeVar("Value")


@dataclass
class Waits:
    """Seconds that the thread of the network spent on waiting for others."""

    reading: float = 0.0  # for the next picture or frame
    writing: float = 0.0  # until there was room for a result

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Time a block, "reading" or "writing"."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.perf_counter() - begin)


class Stream(Generic[Value]):
    """What a generator makes, handed over: one thread calls `pump`, another iterates. At most `room` values wait."""

    def __init__(self, values: Generator[Value, None, None], room: int) -> None:
        self._values = values
        self._room = room
        self._waiting: deque[Value] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._error: Exception | None = None

    def pump(self, waits: Waits | None = None) -> None:
        """Run the generator to its end, or until the other side is closed.

        What it raises, the other side raises. Ctrl-C and the like are raised here too, and there as Stopped. `waits`
        counts the time without room.
        """
        waits = Waits() if waits is None else waits
        try:
            with closing(self._values) as values:
                for value in values:
                    with self._changed:
                        with waits.on("writing"):
                            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._room)
                        if self._closed:
                            return
                        self._waiting.append(value)
                        self._changed.notify_all()
        except BaseException as error:
            if not isinstance(error, Exception):
                self._error = Stopped("interrupted")
                raise
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator[Value]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    break
                value = self._waiting.popleft()
                self._changed.notify_all()
            yield value
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Nothing more is taken: `pump` returns at its next value."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()


def made_ahead(values: Generator[Value, None, None], room: int, waits: Waits) -> Generator[Value, None, None]:
    """The values of a generator that runs in a thread of its own, `room` of them ahead."""
    stream = Stream(values, room)
    thread = threading.Thread(target=stream.pump, name="senga-ahead", daemon=True)
    thread.start()
    taken = iter(stream)
    try:
        while True:
            with waits.on("reading"):
                value = next(taken, None)
            if value is None:
                return
            yield value
    finally:
        stream.close()
        thread.join()
