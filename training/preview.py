"""See what a training will learn from, before it does: patches as a picture, the set in numbers, the time they take.

    python -m senga.training.preview training/configs/espcn_7_x2.toml --out patches.png [--set data.mine=0.5] [--step 0]

Above the LR patches, enlarged pixel by pixel, below them what the network is to make of them.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..arch import SengaError, UpscaleModel
from ..arch.image import to_bhwc
from .data import MARGIN, PictureSet, batch, check_set
from .picture_files import Picture
from .settings import Settings, read_settings

logger = logging.getLogger("senga")

TIMED = 10  # steps


def sheet(lr: Tensor, hr: Tensor) -> Picture:
    """(B, 3, p, p) and (B, 3, sp, sp) in [0, 1] -> pairs side by side, in rows of eight."""
    large = lr.repeat_interleave(hr.shape[2] // lr.shape[2], 2).repeat_interleave(hr.shape[3] // lr.shape[3], 3)
    pairs = torch.cat((large, hr), dim=2)
    pairs = torch.nn.functional.pad(pairs, (4, 4, 4, 4), value=1.0)
    columns = min(8, len(pairs))
    pairs = torch.nn.functional.pad(pairs, (0, 0, 0, 0, 0, 0, 0, -len(pairs) % columns), value=1.0)
    rows = [torch.cat(list(row), dim=2) for row in pairs.split(columns)]
    return (to_bhwc(torch.cat(rows, dim=1)[None])[0] * 255).round().byte().numpy()


def preview(settings: Settings, step: int) -> Picture:
    """The patches of a step; logs the set and the processor time of a batch. Raises SengaError."""
    data = settings.data
    scale = UpscaleModel.create(settings.model.architecture, **settings.model.hyperparameters).scale
    pictures = PictureSet(data.folder, data.cache_gib, data.val_share)
    side = (data.patch + 2 * MARGIN) * scale
    rejected = check_set(pictures, side)
    counts = {source: len(rows) for source, rows in pictures.sources(side).items()}
    shares = {source: data.shares.get(source, 1.0) for source in counts}
    for source, count in counts.items():
        share = shares[source] / sum(shares.values())
        logger.info("%s: %d pictures to train on, %.0f %% of the patches", source, count, 100 * share)
    splits = Counter(row.source for row in pictures.val)
    logger.info("to validate on: %s; rejected: %d", ", ".join(f"{n} {s}" for s, n in splits.items()), len(rejected))
    first = batch(pictures, data, scale, settings.seed, step)
    for name in ("pictures to be decoded", "decoded"):
        began = time.process_time()
        for number in range(step, step + TIMED):
            batch(pictures, data, scale, settings.seed, number)
        seconds = (time.process_time() - began) / TIMED
        logger.info("a batch of %d, %s: %.3f s of one core", data.batch, name, seconds)
    return sheet(*first)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m senga.training.preview", description="See what will be learnt from.")
    parser.add_argument("config", type=Path, help="settings (TOML); see training/configs/")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    parser.add_argument("--step", type=int, default=0, help="the step whose patches are shown")
    parser.add_argument("--out", type=Path, required=True, help="PNG that is written")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    try:
        Image.fromarray(
            np.ascontiguousarray(preview(read_settings(Settings, options.config, options.set), options.step))
        ).save(options.out)
    except (SengaError, OSError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
