"""`senga data WHAT ...`: build, check, cut and pack pictures to train on."""

import argparse

from ..training_modules import training_module

# what to do -> its module in training/, with `add_arguments` and `run` like a command's
TOOLS = {
    "build-art": "datasets.art.build",
    "build-avatars": "datasets.avatars.build",
    "build-negatives": "datasets.negatives.build",
    "build-people": "datasets.people.build",
    "check": "sr.tools.check_pictures",
    "tile": "sr.tools.tile_pictures",
    "preview": "sr.tools.preview",
    "pack": "sr.tools.pack_shards",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=TOOLS,
        help="build-art: the upscalers' pictures; build-avatars: the tagger's;"
        " build-negatives: pictures without people, and build-people: people in other styles, both for the tagger;"
        " check: a report on a folder;"
        " tile: large pictures into squares; preview: what a training will see; pack: a folder into shards",
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="see `senga data build-art --help`")


def run(args: argparse.Namespace) -> int:
    module = training_module(TOOLS[args.what])
    about = (module.__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog=f"senga data {args.what}", description=about)
    module.add_arguments(parser)
    return module.run(parser.parse_args(args.rest))
