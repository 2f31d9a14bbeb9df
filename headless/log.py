"""Messages go to the error stream; standard output belongs to the commands' results."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TextIO, cast

logger = logging.getLogger("senga")
engines = logging.getLogger("senga.engine")  # how networks run: of use in ComfyUI's log, too much under each command


class Unread:
    """An error stream whose reader may go away, or whose disk may be full: `senga train ... 2>&1 | head -1`.

    What cannot be shown is dropped, since a progress bar must not end the work of hours.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def log_to_stderr(verbose: bool) -> Iterator[None]:
    """Show log messages inside the block, debug messages too if `verbose`. No write to standard error fails there."""
    with redirect_stderr(cast(TextIO, Unread(sys.stderr))):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("senga: %(message)s"))
        level, of_engines = logger.level, engines.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        engines.setLevel(logging.DEBUG if verbose else logging.WARNING)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            engines.setLevel(of_engines)
