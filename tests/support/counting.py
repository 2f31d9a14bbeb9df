"""What a call costs, whatever else the machine does: lines of Python that it runs, and its own thread's time."""

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


def counted(call: Callable[[], Result]) -> tuple[Result, int]:
    """(what the call returns, lines of Python run in it)."""
    lines = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        found = call()
    finally:
        sys.settrace(before)
    return found, lines


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """(what the call returns, seconds of the processor for this thread): what C code does counts here alone."""
    began = time.thread_time()
    return call(), time.thread_time() - began
