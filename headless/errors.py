"""The two kinds of failure of a command: a wrong call (exit code 2), and what goes wrong while it runs (1)."""

from ..arch import SengaError
from ..arch.errors import amount, brief, quoted

__all__ = ["NodeError", "SengaError", "UsageError", "amount", "brief", "one_line", "quoted"]


class UsageError(SengaError):
    """A command line or a workflow that cannot be run. The text may have several lines, one fault each."""


class NodeError(SengaError):
    """A node failed while it ran; the text names its id and class."""


def one_line(error: BaseException) -> str:
    """An exception's own words on one line, or its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
