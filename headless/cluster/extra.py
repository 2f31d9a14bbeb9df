"""The packages of the extra `cluster`, imported where they are used: the plain commands need none of them."""

import importlib
import os
from types import ModuleType

from ..errors import SengaError


def needed(name: str) -> ModuleType:
    """A module of the extra. Raises SengaError where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reports to its makers otherwise
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise SengaError(
            f'--cluster: needs {package}, which is not installed; pip install -c constraints.txt ".[cluster]"'
        ) from error
