"""`--models-dir`: folders with more models than Senga's own weights/."""

import argparse
from pathlib import Path

from ..nodes import host
from .errors import UsageError


def add_models_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models-dir",
        action="append",
        type=Path,
        default=[],
        metavar="D",
        help="a folder with more models, besides Senga's own weights/ (may be repeated; default: none)",
    )


def use_models_dirs(folders: list[Path]) -> None:
    """Let the nodes find models in these folders too. Raises UsageError for a folder that does not exist."""
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise UsageError("\n".join(f"--models-dir {folder}: the folder does not exist" for folder in missing))
    host.standalone.model_dirs = list(folders)
