"""`--models-dir`: folders with more models than Senga's own weights/."""

import argparse
from pathlib import Path

from ..arch.files.reading import why_unlisted
from ..nodes import host
from .errors import UsageError, brief


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
    """Let the nodes find models in these folders too. Raises UsageError for what cannot be listed as a folder."""
    reasons = [(brief(folder, 200), why_unlisted(folder)) for folder in folders]
    if any(reason for _, reason in reasons):
        raise UsageError("\n".join(f"--models-dir {name}: {reason}" for name, reason in reasons if reason))
    host.standalone.model_dirs = list(folders)
