"""Results to standard output, which the program that reads them may have closed: `senga models | head -1`."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..arch.errors import printable

CLOSED = (errno.EPIPE, errno.EINVAL)  # the second on Windows


class OutputClosedError(Exception):
    """Nobody reads standard output any more; nothing is wrong."""


@contextmanager
def writing() -> Iterator[None]:
    """A block that writes to standard output. Raises OutputClosedError, or OSError where the disk behind it is full."""
    try:
        yield
    except OSError as error:
        if error.errno in CLOSED:
            raise OutputClosedError from error
        raise


def say(text: str) -> None:
    """A result, on lines of its own; on a terminal without characters that it would obey, for programs as it is.

    Raises OutputClosedError, or OSError where the disk behind it is full.
    """
    with writing():
        on_terminal = getattr(sys.stdout, "isatty", bool)()  # a script's own stream may have write alone
        text = printable(text) if on_terminal else text
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def silence() -> None:
    """After OutputClosedError: what is still buffered goes nowhere, instead of failing when Python ends."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):  # standard output need not be a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
