"""`senga train sr|tagger CONFIG.toml ...`: passes the rest of the command line to the training script."""

import argparse
import importlib

from ..errors import SengaError

TRAINERS = {"sr": "sr.train", "tagger": "tagger.train"}  # what to train -> its module in training/


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=TRAINERS, help="sr: an upscaling network; tagger: a tagger")
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="...", help="see `senga train sr --help`, `senga train tagger --help`"
    )


def run(args: argparse.Namespace) -> int:
    # Imported here: training needs more than the other commands do.
    try:
        trainer = importlib.import_module(f"...training.{TRAINERS[args.what]}", __package__)
    except ModuleNotFoundError as error:
        package = __name__.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] == package:
            raise  # a fault of ours, not a missing package
        raise SengaError(
            f"training needs the package {error.name!r}, which is not installed; in the repository, run:"
            ' pip install -c constraints.txt ".[train]"'
        ) from error
    return trainer.main(args.rest) or 0
