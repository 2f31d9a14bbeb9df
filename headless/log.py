"""Messages go to the error stream; standard output belongs to the commands' results."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("senga")
engines = logging.getLogger("senga.engine")  # how networks run: of use in ComfyUI's log, too much under each command


@contextmanager
def log_to_stderr(verbose: bool) -> Iterator[None]:
    """Show log messages inside the block, debug messages too if `verbose`."""
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
