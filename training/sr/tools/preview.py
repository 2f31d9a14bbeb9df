"""See what a training will learn from, before it does: patches as a picture, the set in numbers, the time they take.

    senga data preview training/configs/espcn_7_x2.toml --out patches.png [--step 0]

LR patches, enlarged pixel by pixel, and below each what the network is to make of it.
"""

import argparse
import logging
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....arch import UpscaleModel
from ....arch.errors import amount
from ...run.entry import add_settings
from ...run.settings import read_settings
from ...run.sheet import draw_grid
from ..pairs.pair_set import open_pictures, uses_folder
from ..patches import batch, check_shares
from ..pictures.crops import MARGIN
from ..pictures.picture_files import Picture
from ..pictures.picture_set import PictureSet, check_set
from ..settings import DataSettings, Settings
from ..validation.scores import levels

logger = logging.getLogger("senga")

TIMED = 10  # steps
COLUMNS = 8
NARROWEST = 128  # pixels; smaller patches are enlarged by a whole factor


def sheet(lr: Tensor, hr: Tensor) -> Picture:
    """(B, 3, p, p) and (B, 3, sp, sp) in [0, 1] -> pairs one above the other, in rows of eight, captioned."""
    side = hr.shape[2] * max(1, -(-NARROWEST // hr.shape[2]))
    columns = min(COLUMNS, len(lr))
    blank = ("", np.full((side, side, 3), 255, np.uint8))
    tiles = []
    for first in range(0, len(lr), columns):
        for name, patches in (("LR", lr), ("HR", hr)):
            row = [Image.fromarray(levels(patch[None])) for patch in patches[first : first + columns]]
            large = [np.asarray(image.resize((side, side), Image.Resampling.NEAREST)) for image in row]
            tiles += [(f"{name} {i}", picture) for i, picture in enumerate(large, first + 1)]
            tiles += [blank] * (columns - len(row))
    return draw_grid(tiles, columns)


def preview(settings: Settings, step: int) -> Picture:
    """The patches of a step; logs the set and the processor time of a batch. Raises SengaError."""
    data = settings.data
    scale = UpscaleModel.create(settings.model.architecture, **settings.model.hyperparameters).scale
    pictures = open_pictures(data, scale)
    if uses_folder(data):
        _describe(pictures, data, scale)
    weights = sum(pair.weight for pair in pictures.pairs)
    for pair in pictures.pairs:
        share = 100 * data.pairs_share * pair.weight / weights
        found = pair.where, amount(len(pair.train), "pair"), len(pair.val), share
        logger.info("%s: %s to train on, %d to validate on, %.0f %% of the patches", *found)
    first = batch(pictures, data, scale, settings.seed, step)
    for name in ("pictures to be decoded", "decoded"):
        began = time.process_time()
        for number in range(step, step + TIMED):
            batch(pictures, data, scale, settings.seed, number)
        seconds = (time.process_time() - began) / TIMED
        logger.info("a batch of %d, %s: %.3f s of one core", data.batch, name, seconds)
    return sheet(*first)


def _describe(pictures: PictureSet, data: DataSettings, scale: int) -> None:
    """Log how many pictures of which source data.folder has, and the part of the patches that each gets."""
    side = (data.patch + 2 * MARGIN) * scale
    rejected = check_set(pictures, side)
    check_shares(pictures, data, scale)
    counts = {source: len(rows) for source, rows in pictures.sources(side).items()}
    shares = {source: data.shares.get(source, 1.0) for source in counts}
    folder_share = 1 - data.pairs_share if pictures.pairs else 1.0
    for source, count in counts.items():
        share = 100 * folder_share * shares[source] / sum(shares.values())
        logger.info("%s: %s to train on, %.0f %% of the patches", source, amount(count, "picture"), share)
    splits = Counter(row.source for row in pictures.val)
    logger.info("to validate on: %s; rejected: %d", ", ".join(f"{n} {s}" for s, n in splits.items()), len(rejected))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument("--step", type=int, default=0, help="the step whose patches are shown")
    parser.add_argument("--out", type=Path, required=True, help="PNG that is written")


def run(args: argparse.Namespace) -> int:
    settings = read_settings(Settings, args.config, args.set)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the seconds are those of one core
    try:
        drawn = preview(settings, args.step)
    finally:
        torch.set_num_threads(threads)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(drawn)).save(args.out)
    return 0
