"""Build pictures that teach a tagger people in other styles than avatars.

    senga data build-people --art data/art --out data/people

Takes the pictures of `senga data build-art` that counts.csv names, with how many people each shows, counted by eye:
people one by one, side by side, in groups, and things and animals in the same styles. Held out are the artists that
build-art holds out. Add it to a training by `data.more = ["data/people"]`.
"""

import argparse
import csv
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch.files.reading import READABLE, open_text
from ..avatars.grounds import Clip
from ..drawing import at_least_one, check_folders
from ..fetch import SourceError
from ..manifest import Row, read_manifest
from ..negatives.build import Drawn, NegativeRow, plan, write_set
from .pictures import KINDS, MANY, Cast, ready

logger = logging.getLogger("senga")

TABLE = Path(__file__).with_name("counts.csv")
SIDE = 400  # px, of a drawing before it is placed
HELD_OUT = 0.12  # pictures of held-out artists, as a share of the training pictures
SPLITS = {"train": 1.0, "val": HELD_OUT}


def read_counts(path: Path = TABLE) -> dict[str, int]:
    """How many people a picture of build-art shows, by source and name; MANY where nobody counted."""
    with open_text(path) as file:
        return {row["picture"]: MANY if row["people"] == "many" else int(row["people"]) for row in csv.DictReader(file)}


def load_casts(art: Path, counts: Mapping[str, int]) -> dict[str, Cast]:
    """The drawings of each split. Raises SourceError where the folder holds too few of the counted ones."""
    casts = {split: Cast() for split in SPLITS}
    rows = {row.file.partition("/")[2].rpartition(".")[0]: row for row in read_manifest(art / "manifest.csv")}
    found = [(rows[name], people) for name, people in counts.items() if name in rows and rows[name].split in casts]
    if not found:
        raise SourceError(
            f"{art}: its manifest.csv names none of the {len(counts)} counted pictures; expected a folder of"
            f" `senga data build-art --out {art}`"
        )
    logger.info("%s: holds %d of the %d pictures that are counted", art, len(found), len(counts))
    for row, people in found:
        clip, cast = _clip(art, row), casts[row.split]
        if people == 0:
            cast.nobody.append(clip)
        elif people == 1:
            cast.one.append(clip)
        else:
            cast.several.append((people, clip))
    if not any(map(ready, casts.values())):
        raise SourceError(
            f"{art}: its manifest.csv names no counted picture without people, and every kind needs some; build it"
            " without --only and with a larger --limit"
        )
    return casts


def _clip(art: Path, row: Row) -> Clip:
    try:
        with Image.open(art / row.file, formats=READABLE) as picture:
            image = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:
        raise SourceError(f"{art / row.file}: cannot be read ({error}); build the folder again") from error
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return Clip(image.crop(image.getbbox()), row.author, row.licence)


def build(casts: Mapping[str, Cast], out: Path, limit: int | None = None) -> list[NegativeRow]:
    """Write the pictures, the manifest and a sheet of samples below `out`. A picture follows from its name."""

    def drawn() -> Iterator[Drawn]:
        for split, cast in casts.items():
            counts = {kind: round(KINDS[kind].count * SPLITS[split]) for kind in ready(cast)}
            for name, kind in plan(counts, limit):
                made = KINDS[kind].make(random.Random(f"people {split} {name}"), cast)
                yield Drawn(f"{split}_{name}", split, f"people_{kind}", "people", made)

    return write_set(drawn(), out, [f"{split}_{kind}" for split in casts for kind in KINDS])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--art", type=Path, default=Path("data/art"), help="folder of senga data build-art")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the pictures and manifest.csv")
    parser.add_argument("--limit", type=at_least_one, help="at most this many pictures of each kind, for a trial")


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        check_folders(out=args.out, art=args.art)
        rows = build(load_casts(args.art, read_counts()), args.out, args.limit)
    for (style, split), count in sorted(Counter((row.style, row.split) for row in rows).items()):
        logger.info("%-20s %-6s %5d", style, split, count)
    return 0
