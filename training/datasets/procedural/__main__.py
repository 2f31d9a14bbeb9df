"""A sheet of procedural pictures to look at: python -m senga.training.datasets.procedural --out sheet.png"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ....arch import SengaError
from ....arch.errors import amount
from . import draw, kind_names, validation_patterns

logger = logging.getLogger("senga")

GAP = 4  # pixels between pictures


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m senga.training.datasets.procedural", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the sheet, PNG")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=8, help="pictures of each kind, a row of them")
    parser.add_argument("--size", type=int, default=256, help="HR pixels a side")
    parser.add_argument("--scale", type=int, default=2, help="HR pixels to an LR pixel")
    parser.add_argument(
        "--kinds", nargs="+", default=kind_names(), help="these kinds alone; 'validation' shows the fixed list"
    )
    parser.add_argument("--fonts", type=Path, help="a folder of fonts instead of the system's")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        rows = [row for name in options.kinds for row in _rows(name, options)]
    except SengaError as error:
        logger.error("%s", error)
        return 2
    side = max(row[0].shape[0] for row in rows) + GAP
    sheet = Image.new("RGB", (side * options.each, side * len(rows)), (128, 128, 128))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (x * side, y * side))
    sheet.save(options.out)
    logger.info("%s: %s", options.out, amount(sum(map(len, rows)), "picture"))
    return 0


def _rows(name: str, options: argparse.Namespace) -> list[list[np.ndarray]]:
    if name == "validation":
        pictures = [picture for _, picture in validation_patterns(options.scale, options.fonts)]
        return [pictures[at : at + options.each] for at in range(0, len(pictures), options.each)]
    start = time.process_time()
    row = [draw(name, options.seed, k, options.size, options.scale, options.fonts) for k in range(options.each)]
    logger.info("%-11s %5.1f ms of one core a picture", name, (time.process_time() - start) * 1000 / options.each)
    return [row]


if __name__ == "__main__":
    sys.exit(main())
