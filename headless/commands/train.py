"""`senga train sr|tagger CONFIG.toml ...`: passes the rest of the command line to the training script."""

import argparse

from ..training_modules import training_module

TRAINERS = {"sr": "sr.train", "tagger": "tagger.train"}  # what to train -> its module in training/


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=TRAINERS, help="sr: an upscaling network; tagger: a tagger")
    parser.add_argument(
        "rest", nargs=argparse.REMAINDER, metavar="...", help="see `senga train sr --help`, `senga train tagger --help`"
    )


def run(args: argparse.Namespace) -> int:
    return training_module(TRAINERS[args.what]).main(args.rest) or 0
