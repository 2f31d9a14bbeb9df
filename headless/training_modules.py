"""Modules of training/, imported when a command needs them: training needs more packages than the other commands do."""

import importlib
from types import ModuleType

from ..arch.errors import SengaError, install


def training_module(name: str) -> ModuleType:
    """`sr.train` -> the module training/sr/train.py. Raises SengaError for a package that is not installed."""
    try:
        return importlib.import_module(f"..training.{name}", __package__)
    except ModuleNotFoundError as error:
        package = __name__.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] == package:
            raise  # a fault of ours, not a missing package
        raise SengaError(
            f"training needs the package {error.name!r}, which is not installed; in Senga's folder, run:"
            f" {install('train')}"
        ) from error
