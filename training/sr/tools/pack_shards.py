"""Pack a set of pictures into WebDataset shards: few large files instead of many small ones.

    senga data pack --folder data/art --out data/shards/art-%03d.tar [--shard-mib 512]

Each picture's bytes go in unchanged, under a running number, with a JSON of the same key that holds its line of the
manifest; broken pictures stay out. A training from the shards cuts the same patches as one from the folder. Equal sets
give equal shards.
"""

import argparse
import logging
import sys
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch.errors import SengaError, amount, install
from ....arch.files.reading import csv_lines
from ..pictures.picture_files import COLUMNS, MANIFEST
from ..pictures.picture_set import PictureSet

logger = logging.getLogger("senga")


def pack(folder: Path, out: str, shard_mib: float) -> list[Path]:
    """Write the shards; gives their paths. Raises SengaError."""
    try:
        from webdataset.writer import ShardWriter
    except ImportError as error:
        raise SengaError(f"the package webdataset is needed to write shards; {install('train')}") from error
    if "%" not in out or not out.endswith(".tar"):
        raise SengaError(f"--out is {out}; expected a pattern for numbered files, for example shards/art-%03d.tar")
    pictures = PictureSet(folder, 0.0)
    notes: dict[str, dict[str, str]] = {}
    if (folder / MANIFEST).is_file():
        notes = {line["file"]: line for _, line in csv_lines(folder / MANIFEST, COLUMNS)}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    rows = sorted([*pictures.train, *pictures.val], key=lambda row: row.file)
    with ShardWriter(
        out, maxcount=sys.maxsize, maxsize=shard_mib * 2**20, verbose=0, mtime=0, post=written.append
    ) as writer:
        for number, row in enumerate(tqdm(rows, unit="picture", disable=None)):
            suffix = Path(row.file).suffix[1:]
            # The split is written down: by name alone it would depend on the val_share that was then in force.
            note = notes.get(row.file, {"file": row.file, "split": row.split, "source": row.source})
            writer.write({"__key__": f"{number:08d}", suffix: pictures.read(row), "json": note})
    counts = amount(len(rows), "picture"), amount(len(written), "shard")
    logger.info("%s in %s; %d rejected", *counts, len(pictures.rejected))
    return [Path(name) for name in written]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, required=True, help="set with or without a manifest.csv")
    parser.add_argument("--out", required=True, help="pattern of the shards, for example data/shards/art-%%03d.tar")
    parser.add_argument("--shard-mib", type=float, default=512.0, help="size at which the next shard is begun")


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        pack(args.folder, args.out, args.shard_mib)
    return 0
