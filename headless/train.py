"""`senga train sr|tagger CONFIG.toml ...`: hands the rest of the command line to the training script."""

import argparse
import importlib

TRAINERS = {"sr": "sr", "tagger": "tagger"}  # what to train -> its module in training/


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=TRAINERS, help="sr: an upscaling network; tagger: a tagger")
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="...", help="see `senga train sr --help`, `senga train tagger --help`"
    )


def run(args: argparse.Namespace) -> int:
    # Imported here: training needs more than the other commands do.
    trainer = importlib.import_module(f"..training.{TRAINERS[args.what]}", __package__)
    return trainer.main(args.rest) or 0
