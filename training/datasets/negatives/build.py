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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch.errors import amount
from ..avatars.build import CLIP_FOLDERS, drawn_clip
from ..avatars.figures import split_of
from ..avatars.grounds import Clip
from ..avatars.sheet import write_sheet
from ..drawing import at_least_one, check_folders, evenly, remove_others, require_resvg, save_webp
from ..fetch import SourceError
from ..manifest import Row, write_manifest
from ..openclipart import list_openclipart, openclipart_folder
from .pictures import KINDS, Negative

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

    def drawn() -> Iterator[Drawn]:
        for name, kind in plan({kind: row.count for kind, row in KINDS.items()}, limit):
            split = split_of(name)
            drawings = clips.get(KINDS[kind].clips, {}).get(split, ())
            if KINDS[kind].clips and not drawings:
                raise SourceError(
                    f"openclipart: has no drawing for {kind} in {split}; raise --limit, or look at the package"
                )
            made = KINDS[kind].make(random.Random(name), drawings)
            yield Drawn(name, split, f"negative_{kind}", "openclipart" if made.clips else "procedural", made)

    return write_set(drawn(), out, KINDS)


def plan(counts: Mapping[str, int], limit: int | None) -> list[tuple[str, str]]:
    """(name, kind) of every picture, at most `limit` of a kind."""
    return [
        (f"{kind}_{number:04d}", kind) for kind, count in counts.items() for number in range(min(limit or count, count))
    ]


@dataclass(frozen=True)
class Drawn:
    """A picture on its way into a set."""

    name: str
    split: str
    style: str
    source: str
    made: Negative


def write_set(drawn: Iterable[Drawn], out: Path, kinds: Collection[str]) -> list[NegativeRow]:
    """Write the pictures, the manifest and a sheet of samples below `out`, and remove pictures of an older build."""
    rows: list[NegativeRow] = []
    for one in tqdm(drawn, unit="picture", disable=None):
        target = out / one.split / f"{one.name}.webp"
        target.parent.mkdir(parents=True, exist_ok=True)
        save_webp(one.made.image, target)
        clips = one.made.clips
        rows.append(
            NegativeRow(
                file=target.relative_to(out).as_posix(),
                split=one.split,
                source=one.source,
                author="; ".join(dict.fromkeys(clip.author for clip in clips)),
                licence=" AND ".join(dict.fromkeys(clip.licence for clip in clips)) or OWN,
                sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
                width=one.made.image.width,
                height=one.made.image.height,
                style=one.style,
                tags=" ".join(sorted(one.made.tags)),
                unknown=" ".join(sorted(one.made.unknown)),
                known=" ".join(sorted(one.made.known)),
            )
        )
    remove_others([out / split for split in SPLITS], {out / row.file for row in rows}, kinds)
    digest = write_manifest(rows, out / "manifest.csv", NegativeRow)
    logger.info("%s: %s, sha256 %s", out / "manifest.csv", amount(len(rows), "picture"), digest)
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
