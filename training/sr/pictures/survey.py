"""Look once at every picture of a set, so that broken ones are known before a training begins.

The findings are kept with the pictures (a CSV for a folder, one for each shard), or in ~/.cache/senga where that is not
writable. They hold while size and time of change of the file, or of the shard, stay the same.
"""

import csv
import hashlib
import io
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ....arch import SengaError
from ....arch.files.atomic import replacing
from ...run.pictures import BROKEN
from .picture_files import WHITE, Member, Picture, decode, flatten, list_shard

logger = logging.getLogger("senga")

COLUMNS = [
    *("file", "offset", "size", "split", "source", "licence", "stamp", "sha256", "width", "height", "difficulty"),
    "fault",
]
CHUNK = 10_000  # files looked at before the findings are saved: what an interrupted first look may lose
MEASURED = 512  # pixels a side that a picture's difficulty is measured on
FLAT = 8  # levels of 255; a picture whose values are closer together has one colour


@dataclass(frozen=True)
class Facts:
    """What was found out about a picture; `fault` is "" for one that can be used."""

    member: Member
    stamp: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    difficulty: float = 0.0  # see `difficulty_of`
    fault: str = ""


def survey_folder(members: Sequence[Member], path: Path) -> list[Facts]:
    """Facts of each member, in order. `path` holds those of an earlier look and receives the new ones."""
    known = {facts.member.file: facts for facts in read_survey(path, path.parent)}
    found: dict[str, Facts] = {}
    new: list[tuple[Member, str]] = []
    for member in members:
        stamp = stamp_of(member.path)
        old = known.get(member.file)
        if not stamp:
            found[member.file] = Facts(member, stamp, fault="is missing")
        elif old and old.stamp == stamp:
            found[member.file] = old
        else:
            new.append((member, stamp))
    for begin in range(0, len(new), CHUNK):
        found |= {facts.member.file: facts for facts in _look_at(new[begin : begin + CHUNK], path.parent.name)}
        write_survey([facts for facts in found.values() if facts.stamp], path)
    return [found[member.file] for member in members]


def survey_shard(path: Path) -> list[Facts]:
    """Facts of each picture in a tar. Raises SengaError for what is not a tar file."""
    stamp = stamp_of(path)
    findings = path.with_name(f".{path.name}.senga_survey.csv")
    known = read_survey(findings, path)
    if known and all(facts.stamp == stamp for facts in known):
        return known
    found = _look_at([(member, stamp) for member in list_shard(path)], path.name)
    write_survey(found, findings)
    return found


def stamp_of(path: Path) -> str:
    """Size and time of change; "" for a file that is not there."""
    try:
        stat = path.stat()
    except (OSError, ValueError):  # a name with a NUL in it
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _look_at(new: Sequence[tuple[Member, str]], name: str) -> list[Facts]:
    # Pillow decodes without Python's lock, so threads use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = pool.map(look, *zip(*new, strict=True)) if new else iter(())
        return list(tqdm(looked, total=len(new), desc=f"looking at {name}", unit="picture", disable=len(new) < 100))


def look(member: Member, stamp: str) -> Facts:
    """Read and decode a picture whole."""
    try:
        data = member.read()
        if not data:
            return Facts(member, stamp, fault="is empty")
        picture = decode(data)
    except BROKEN as error:
        return Facts(member, stamp, fault=f"cannot be read ({type(error).__name__}: {error})")
    height, width = picture.shape[:2]
    fault = "has one colour" if has_one_colour(picture) else ""
    return Facts(member, stamp, hashlib.sha256(data).hexdigest(), width, height, difficulty_of(picture), fault)


def difficulty_of(picture: Picture) -> float:
    """Mean square error (of 255²) of the luma after Pillow's bicubic to half the size and Lanczos back.

    Over white, in the middle MEASURED pixels a side: more would take as long as decoding.
    """
    top, left = (max(0, (side - MEASURED) // 2) for side in picture.shape[:2])
    grey = Image.fromarray(flatten(picture[top : top + MEASURED, left : left + MEASURED], WHITE)).convert("L")
    half = (max(1, grey.width // 2), max(1, grey.height // 2))
    back = grey.resize(half, Image.Resampling.BICUBIC).resize(grey.size, Image.Resampling.LANCZOS)
    return float(np.square(np.asarray(grey, dtype=np.float32) - np.asarray(back, dtype=np.float32)).mean())


def has_one_colour(picture: Picture) -> bool:
    """No shape is to be seen: colour and alpha are flat, or everything is clear."""
    # By channel: numpy takes twenty times as long over the short axis.
    levels = [picture[..., channel] for channel in range(picture.shape[2])]
    if len(levels) == 4:
        clearest, fullest = int(levels[3].min()), int(levels[3].max())
        if fullest < FLAT or fullest - clearest >= FLAT:
            return fullest < FLAT
    return all(int(level.max()) - int(level.min()) < FLAT for level in levels[:3])


def places(path: Path) -> tuple[Path, Path]:
    """Where findings meant for `path` may be: there, or in the user's cache."""
    name = hashlib.sha256(path.absolute().as_posix().encode(errors="surrogatepass")).hexdigest()[:16]
    return path, Path.home() / ".cache" / "senga" / f"survey-{name}.csv"


def read_survey(path: Path, where: Path) -> list[Facts]:
    """An earlier look's findings, [] where there are none or others than this version's. `where`: folder or shard."""
    for place in places(path):
        try:
            with place.open(newline="", encoding="utf-8") as file:
                table = csv.reader(file)
                if next(table, None) == COLUMNS:
                    return [_facts(dict(zip(COLUMNS, line, strict=True)), where) for line in table]
        except (OSError, ValueError, csv.Error):
            continue
    return []


def _facts(line: dict[str, str], where: Path) -> Facts:
    size = int(line["size"])
    path = where / line["file"] if size < 0 else where
    member = Member(line["file"], path, int(line["offset"]), size, line["split"], line["source"], line["licence"])
    return Facts(
        member,
        line["stamp"],
        line["sha256"],
        int(line["width"]),
        int(line["height"]),
        float(line["difficulty"]),
        line["fault"],
    )


def write_survey(found: Sequence[Facts], path: Path) -> None:
    """Whole or not at all: several processes may do it at once."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for f in found:
        m = f.member
        about = (m.file, m.offset, m.size, m.split, m.source, m.licence)
        writer.writerow([*about, f.stamp, f.sha256, f.width, f.height, repr(float(f.difficulty)), f.fault])
    for place in places(path):
        try:
            if place is not path:
                place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as temporary:
                temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
        except (OSError, SengaError) as error:
            logger.info("%s: cannot be written (%s)", place, error)
        else:
            return
    logger.warning("%s: cannot be written; the next start will look at every picture again", path)
