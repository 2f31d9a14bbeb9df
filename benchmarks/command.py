"""What the commands of this folder share: messages on standard error, and errors as one line and exit code 2."""

import logging
from argparse import Namespace
from collections.abc import Callable

from senga.arch import SengaError

logger = logging.getLogger("senga")


def exit_code(run: Callable[[Namespace], None], args: Namespace, level: int = logging.WARNING) -> int:
    """Run a benchmark with its arguments: 0, or 2 where the error is one that its message explains.

    Args:
        level: of the messages that are shown.
    """
    logging.basicConfig(level=level, format="%(message)s")
    try:
        run(args)
    except (SengaError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0
