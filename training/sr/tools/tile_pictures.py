"""Cut large pictures into squares, so that a training need not decode whole ones for a patch.

    senga data tile pictures/ data/tiles --side 512 [--least-content 0.1]

Tiles with little in them are left out. A manifest.csv keeps all tiles of a picture in its split, and its source and
licence: tiles of one drawing on both sides would make validation look better than it is.
"""

import argparse
import csv
import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch import SengaError
from ....arch.errors import amount
from ....arch.files.atomic import replacing
from ....arch.files.reading import below
from ..pictures.crops import MARGIN
from ..pictures.picture_files import MANIFEST, Picture, Row, distinct, place
from ..pictures.picture_set import PictureSet
from .check_pictures import LITTLE
from .signs import content_of, luma_of

logger = logging.getLogger("senga")

LEAST = 2 * MARGIN  # pixels a side
COLUMNS = ("file", "split", "source", "licence", "width", "height", "sha256")


@dataclass(frozen=True)
class Cut:
    """What became of a folder."""

    tiles: int
    little: int  # tiles left out
    small: int  # pictures left out
    rejected: int  # pictures that cannot be used


def tiles_of(picture: Picture, side: int) -> Iterator[tuple[int, int, Picture]]:
    """(top, left, tile) of the whole squares of a picture, in the middle: a rest at the borders is shared out."""
    tops, lefts = (range(length % side // 2, length - side + 1, side) for length in picture.shape[:2])
    for top in tops:
        for left in lefts:
            yield top, left, picture[top : top + side, left : left + side]


def tile(folder: Path, out: Path, side: int, least: float, val_share: float) -> Cut:
    """Write the tiles and their manifest. Raises SengaError."""
    if side < LEAST:
        raise SengaError(f"--side {side}: expected {LEAST} or more pixels")
    if not 0 <= least <= 1:
        raise SengaError(f"--least-content {least}: expected a share of 0 to 1")
    if not 0 <= val_share <= 1:
        raise SengaError(f"--val-share {val_share}: expected a share of 0 to 1")
    if out.resolve() == folder.resolve() or folder.resolve() in out.resolve().parents:
        raise SengaError(f"{out}: is in {folder}, whose pictures are cut; name another folder for the tiles")
    if out.is_dir() and any(out.iterdir()):
        raise SengaError(f"{out}: is not empty, and old tiles would stay beside new ones; name a new folder")
    pictures = PictureSet(folder, 0.0, val_share)
    found: list[tuple[str, Row, str]] = []  # name of the tile, its picture, its sha256
    counts: Counter[str] = Counter()
    rows = sorted([*pictures.train, *pictures.val], key=lambda row: row.file)
    # The old ending stays in the name: a.jpg and a.png are two pictures. A manifest may name files outside its folder.
    names = distinct(below(row.file.replace(".", "_")) for row in rows)
    for row, base in tqdm(zip(rows, names, strict=True), total=len(rows), unit="picture", disable=None):
        if row.side < side:
            counts["small"] += 1
            continue
        for top, left, part in tiles_of(pictures.pixels(row), side):
            if content_of(luma_of(part)) < least:
                counts["little"] += 1
                continue
            name = f"{base}_{top}_{left}.png"
            data = _png(part)
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(out / name) as temporary:
                temporary.write_bytes(data)
            found.append((name, row, hashlib.sha256(data).hexdigest()))
    if not found:
        raise SengaError(
            f"{folder}: no tile of {side} pixels a side is left of {len(pictures.train) + len(pictures.val)} pictures"
            f" ({counts['small']} are smaller); lower --side or --least-content"
        )
    splits = {row.file: row.split for _, row, _ in found}
    if not (folder / MANIFEST).is_file():  # as a set without one, but of the pictures that have tiles
        order = sorted(splits, key=place)
        splits = {file: "val" if place(file) < val_share or file == order[0] else "train" for file in order}
    lines = [(name, splits[row.file], row.source, row.licence, side, side, sha256) for name, row, sha256 in found]
    with replacing(out / MANIFEST) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    if missing := {"train", "val"} - set(splits.values()):
        logger.warning("%s: no picture for %s has a tile; a training needs both", out, " and ".join(missing))
    return Cut(len(found), counts["little"], counts["small"], len(pictures.rejected))


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG")
    return buffer.getvalue()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="IN", help="set with or without a manifest.csv")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder for the tiles")
    parser.add_argument("--side", type=int, required=True, help=f"pixels of a tile, {LEAST} or more")
    parser.add_argument(
        "--least-content",
        type=float,
        default=LITTLE,
        metavar="SHARE",
        help="leave out tiles of whose squares of 16 x 16 pixels fewer show something (0 to 1; default: %(default)s)",
    )
    parser.add_argument(
        "--val-share",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="of the pictures, without a manifest.csv, to validate on (0 to 1; default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        cut = tile(args.folder, args.out, args.side, args.least_content, args.val_share)
    logger.info(
        "%s: %s; left out: %d with little in them, %s smaller than a tile, %d that cannot be used",
        args.out,
        amount(cut.tiles, "tile"),
        cut.little,
        amount(cut.small, "picture"),
        cut.rejected,
    )
    return 0
