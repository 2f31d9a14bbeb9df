"""Build pictures that teach a tagger what is not there: nobody, and colour in drawings of all kinds.

    senga data build-negatives --out data/negatives

Empty grounds, noise, objects, landscapes and procedural drawings without people, whose labels are complete for the
tags of `senga data build-avatars` and for `no_humans`; and drawings of which only the colour is known. Add them to a
training by `data.more = ["data/negatives"]`. The drawings are Open Clip Art's, from Debian's package (public domain).
"""

import argparse
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..avatars.build import CLIP_FOLDERS, drawn_clip
from ..avatars.figures import split_of
from ..avatars.grounds import Clip
from ..avatars.sheet import write_sheet
from ..drawing import at_least_one, check_folders, evenly, remove_others, require_resvg, save_webp
from ..fetch import SourceError
from ..manifest import Row, write_manifest
from ..openclipart import list_openclipart, openclipart_folder
from .pictures import KINDS

logger = logging.getLogger("senga")

CLIPS = {"things": 400, "all": 700}  # drawings that are rendered
SPLITS = ("train", "val", "test")
OWN = "CC0-1.0"  # of pictures that we draw by program

# use -> split -> drawings
Clips = Mapping[str, Mapping[str, Sequence[Clip]]]


@dataclass(frozen=True)
class NegativeRow(Row):
    """One line of manifest.csv; tags are separated by spaces. Where `known` has tags, all others are unknown."""

    style: str
    tags: str
    unknown: str
    known: str


def load_clips(cache: Path, limit: int | None) -> Clips:
    """Drawings by what they are for; no drawing is in two splits. Raises SourceError."""
    listed = list_openclipart(openclipart_folder(cache))
    clips: dict[str, dict[str, list[Clip]]] = {}
    for use, most in CLIPS.items():
        found = [picture for picture in listed if use == "all" or picture.name.startswith(CLIP_FOLDERS)]
        clips[use] = {split: [] for split in SPLITS}
        for picture in evenly(found, most if limit is None else min(most, 20 * limit)):
            if (clip := drawn_clip(picture)) is not None:
                clips[use][split_of(picture.name)].append(clip)
    return clips


def build(clips: Clips, out: Path, limit: int | None = None) -> list[NegativeRow]:
    """Write the pictures, the manifest and a sheet of samples below `out`. A picture follows from its name."""
    rows: list[NegativeRow] = []
    plans = [
        (f"{name}_{number:04d}", name)
        for name, kind in KINDS.items()
        for number in range(min(limit or kind.count, kind.count))
    ]
    for name, kind in tqdm(plans, unit="picture", disable=None):
        split = split_of(name)
        drawings = clips.get(KINDS[kind].clips, {}).get(split, ())
        if KINDS[kind].clips and not drawings:
            raise SourceError(
                f"openclipart: has no drawing for {kind} in {split}; raise --limit, or look at the package"
            )
        made = KINDS[kind].make(random.Random(name), drawings)
        target = out / split / f"{name}.webp"
        target.parent.mkdir(parents=True, exist_ok=True)
        save_webp(made.image, target)
        rows.append(
            NegativeRow(
                file=target.relative_to(out).as_posix(),
                split=split,
                source="openclipart" if made.clips else "procedural",
                author="; ".join(dict.fromkeys(clip.author for clip in made.clips)),
                licence=" AND ".join(dict.fromkeys(clip.licence for clip in made.clips)) or OWN,
                sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
                width=made.image.width,
                height=made.image.height,
                style=f"negative_{kind}",
                tags=" ".join(sorted(made.tags)),
                unknown=" ".join(sorted(made.unknown)),
                known=" ".join(sorted(made.known)),
            )
        )
    remove_others([out / split for split in SPLITS], {out / row.file for row in rows}, KINDS)
    digest = write_manifest(rows, out / "manifest.csv", NegativeRow)
    logger.info("%s: %d pictures, sha256 %s", out / "manifest.csv", len(rows), digest)
    write_sheet([(out / row.file, row.tags, "") for row in evenly(rows, 70)], out / "sheet.png")
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the pictures and manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), help="folder for what is fetched")
    parser.add_argument("--limit", type=at_least_one, help="at most this many pictures of each kind, for a trial")


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        check_folders(out=args.out, cache=args.cache)
        require_resvg()
        rows = build(load_clips(args.cache.resolve(), args.limit), args.out, args.limit)
    for (style, split), count in sorted(Counter((row.style, row.split) for row in rows).items()):
        logger.info("%-20s %-6s %5d", style, split, count)
    return 0
