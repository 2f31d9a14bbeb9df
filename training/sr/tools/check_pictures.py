"""Look at a folder of pictures before training on it: sizes, duplicates, JPEG, enlarged pictures, empty ones.

    senga data check pictures/ --out report.html [--small 192]

Writes an HTML page, or Markdown with a folder of thumbnails beside it. Nothing in the folder is changed. What it finds
are signs: look at the thumbnails before you remove something.
"""

import argparse
import hashlib
import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch import SengaError
from ...run.grouping import first_of_groups
from ...run.pictures import BROKEN, open_picture
from ..pictures.picture_files import WHITE, Member, decode, flatten, list_folder
from ..pictures.picture_set import VALIDATION_CROP
from .check_report import Entry, Report, Section, write_report
from .signs import blockiness, content_of, enlargement, hash_of, luma_of, pixel_size, quality_of

logger = logging.getLogger("senga")

ALIKE = 6  # bits of 64 that the hashes of duplicates may differ by
THUMBNAIL = 128  # pixels a side
# Blockiness from which JPEG is called so; see signs.blockiness.
DAMAGE = ((2.2, "strong"), (1.5, "visible"), (1.2, "slight"))
LOW_QUALITY = 90  # of a JPEG file; below it it is listed even if no blocks are seen
LITTLE = 0.1  # share of squares with content below which a picture has little
CHUNK = 1024  # hashes compared with all others at once


@dataclass(frozen=True)
class Look:
    """What was seen of one picture; `fault` is "" for one that can be read."""

    file: str
    width: int = 0
    height: int = 0
    kind: str = ""  # its format
    sha256: str = ""
    hash: int = 0
    blocks: float = 0.0
    quality: int = 0  # of a JPEG file's own table; 0 for other formats
    factor: float = 1.0  # that it seems enlarged by
    repeated: int = 1  # pixels a side that each of its pixels has
    content: float = 1.0
    thumbnail: bytes = field(default=b"", repr=False)  # JPEG
    fault: str = ""


def look(member: Member) -> Look:
    try:
        data = member.read()
        if not data:
            return Look(member.file, fault="is empty")
        with open_picture(io.BytesIO(data)) as image:
            kind = image.format or ""
            tables = image.quantization if isinstance(image, JpegImagePlugin.JpegImageFile) else {}
        picture = decode(data)
    except BROKEN as error:
        return Look(member.file, fault=f"cannot be read ({error})")
    luma = luma_of(picture)
    repeated = pixel_size(luma)
    factor = 1.0 if repeated > 1 else enlargement(luma)
    small = Image.fromarray(flatten(picture, WHITE))
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    thumbnail = io.BytesIO()
    small.save(thumbnail, "JPEG", quality=80)
    return Look(
        member.file,
        picture.shape[1],
        picture.shape[0],
        kind,
        hashlib.sha256(data).hexdigest(),
        hash_of(picture),
        blockiness(luma) if repeated == 1 and factor < 4 else 0.0,  # the edges of large pixels look like a codec's
        quality_of(list(tables[0])) if 0 in tables else 0,
        factor,
        repeated,
        content_of(luma),
        thumbnail.getvalue(),
    )


def duplicates(looks: Sequence[Look]) -> list[list[Look]]:
    """Groups of pictures whose hashes differ by at most ALIKE bits, each picture in one, the largest picture first."""
    hashes: NDArray[np.uint64] = np.array([one.hash for one in looks], np.uint64)
    groups: dict[int, list[Look]] = {}
    for first, one in zip(first_of_groups(len(looks), _alike(hashes)), looks, strict=True):
        groups.setdefault(first, []).append(one)
    return [sorted(group, key=lambda one: -one.width * one.height) for group in groups.values() if len(group) > 1]


def _alike(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    for begin in range(0, len(hashes), CHUNK):
        differ = np.bitwise_count(hashes[begin : begin + CHUNK, None] ^ hashes[None, begin:])
        for row, column in np.argwhere(np.triu(differ <= ALIKE, 1)):
            yield begin + int(row), begin + int(column)


def report_of(where: str, looks: Sequence[Look], small: int) -> Report:
    good = [one for one in looks if not one.fault]
    groups = duplicates(good)
    jpeg = [one for one in good if damage_of(one.blocks) or 0 < one.quality < LOW_QUALITY]
    enlarged = [one for one in good if one.factor > 1 or one.repeated > 1]
    little = [one for one in good if one.content < LITTLE]
    sections = [
        Section(
            "Cannot be read",
            "A training leaves them out.",
            [Entry(one.file, f"{one.file} {one.fault}", b"") for one in looks if one.fault],
        ),
        Section(
            "Duplicates",
            "The same drawing, perhaps at another size or quality, the largest of a group first. Keep one of each.",
            [
                _entry(one, f"group {number}{', the same file' if one.sha256 in _twice(group) else ''}")
                for number, group in enumerate(groups, 1)
                for one in group
            ],
        ),
        Section(
            "JPEG damage",
            "The edges of 8 x 8 blocks are seen (WebP has such, too), or the file's own quality is low: a net learns to"
            " draw what HR shows.",
            [_entry(one, _jpeg(one)) for one in sorted(jpeg, key=lambda one: (-one.blocks, one.quality, one.file))],
        ),
        Section(
            "Look enlarged",
            "They lose next to nothing when they are reduced and enlarged again, or each pixel is a square of several."
            " Reduce them by this factor, or leave them out. Pictures out of focus are among them.",
            [_entry(one, _enlarged(one)) for one in sorted(enlarged, key=lambda one: (-one.factor, one.file))],
        ),
        Section(
            "Little in them",
            f"Less than {LITTLE:.0%} of their squares of 16 x 16 pixels show anything.",
            [_entry(one, f"{one.content:.1%}") for one in sorted(little, key=lambda one: (one.content, one.file))],
        ),
        Section(
            "Small",
            f"Their shorter side has less than {small} pixels.",
            [_entry(one, "") for one in good if min(one.width, one.height) < small],
        ),
    ]
    return Report(where, _facts(looks, good, len(groups)), sections)


def damage_of(blocks: float) -> str:
    return next((word for least, word in DAMAGE if blocks >= least), "")


def _jpeg(one: Look) -> str:
    parts = [f"{damage_of(one.blocks)} ({one.blocks:.1f})" if damage_of(one.blocks) else "no blocks seen"]
    return ", ".join([*parts, *([f"file of quality {one.quality}"] if one.quality else [])])


def _enlarged(one: Look) -> str:
    if one.repeated > 1:
        return f"each pixel is {one.repeated} x {one.repeated}"
    return f"about {one.factor:g} times"


def _twice(group: Iterable[Look]) -> set[str]:
    return {sha256 for sha256, count in Counter(one.sha256 for one in group).items() if count > 1}


def _entry(one: Look, text: str) -> Entry:
    return Entry(one.file, f"{one.width} x {one.height} {one.kind}{f': {text}' if text else ''}", one.thumbnail)


def _facts(looks: Sequence[Look], good: Sequence[Look], groups: int) -> list[tuple[str, str]]:
    facts = [("pictures", str(len(looks))), ("that can be read", str(len(good))), ("groups of duplicates", str(groups))]
    if good:
        sides = sorted(min(one.width, one.height) for one in good)
        middle = sides[len(sides) // 2]
        kinds = Counter(one.kind for one in good).most_common()
        facts += [
            ("shorter side", f"{sides[0]} to {sides[-1]} pixels, half of them up to {middle}"),
            ("together", f"{sum(one.width * one.height for one in good) / 1e6:.1f} megapixels"),
            ("formats", ", ".join(f"{count} {kind}" for kind, count in kinds)),
        ]
    return facts


def check(folder: Path, out: Path, small: int) -> Report:
    """Look at every picture below the folder and write the report. Raises SengaError."""
    if out.suffix.lower() not in (".html", ".md"):
        raise SengaError(f"--out {out}: the report is HTML or Markdown; end the name in .html or .md")
    members = list_folder(folder) if folder.is_dir() else []
    if not members:
        found = "no pictures are in it" if folder.is_dir() else "there is no such folder"
        raise SengaError(f"{folder}: {found}; name a folder of pictures")
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow and numpy work without Python's lock
        shown = {"total": len(members), "desc": "looking", "unit": "picture", "disable": len(members) < 100}
        looks = list(tqdm(pool.map(look, members), **shown))
    report = report_of(str(folder), looks, small)
    write_report(report, out)
    return report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="pictures, also in folders below it")
    parser.add_argument("--out", type=Path, required=True, help="report that is written: .html, or .md")
    parser.add_argument(
        "--small",
        type=int,
        default=VALIDATION_CROP,
        help="pixels of the shorter side below which a picture is listed as small (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    with logging_redirect_tqdm([logger]):
        report = check(args.folder, args.out, args.small)
    found = ", ".join(f"{len(section.entries)} {section.title.lower()}" for section in report.sections)
    logger.info("%s: %s; %s", args.folder, found, args.out)
    return 0
