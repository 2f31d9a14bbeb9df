"""Where pictures are: a folder with a manifest.csv, a plain folder, or WebDataset shards; and how one is decoded.

Shards are read by offset, not streamed: a stream shuffles through a buffer whose content depends on where and how often
it was started, so the batch of a step could not be made again without all the steps before it.
"""

import glob
import hashlib
import io
import logging
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....arch.errors import SengaError, amount, install
from ....arch.files.reading import below, csv_lines, has_text_name, parse_json, sides, walk
from ...run.pictures import eight_bits, open_picture

logger = logging.getLogger("senga")

Picture = NDArray[np.uint8]  # (H, W, 3), or (H, W, 4) where some of it is clear

COLUMNS = ("file", "split", "source", "licence", "width", "height")  # of a manifest; others are only recorded
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".avif", ".bmp", ".gif", ".tif", ".tiff")
MANIFEST = "manifest.csv"
SURVEY = ".senga_survey.csv"  # in the folder of the pictures: what was found out about each file
WHITE = np.full(3, 255, np.uint8)


class UnreadableError(SengaError):
    """A picture that cannot be used."""


@dataclass(frozen=True)
class Row:
    file: str
    split: str
    source: str
    licence: str
    side: int  # pixels, the shorter one
    sha256: str = ""  # of the file, as the manifest has it
    difficulty: float = 0.0  # how much of it a plain filter loses; see survey.py
    width: int = 0  # as found, not as a manifest has it
    height: int = 0


@dataclass(frozen=True)
class Member:
    """A picture's place: a file of its own, or a stretch of a shard."""

    file: str  # its name in the set, with slashes
    path: Path
    offset: int = 0
    size: int = -1  # bytes; -1 is the whole file
    split: str = ""  # as its shard has it; "" where it has none
    source: str = ""
    licence: str = ""

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def decode(data: bytes) -> Picture:
    """(H, W, 4) uint8, or (H, W, 3) if nothing is clear. Raises one of BROKEN."""
    with open_picture(io.BytesIO(data)) as image:
        picture = eight_bits(image)
    opaque = picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 255
    return np.asarray(picture.convert("RGB") if opaque else picture)


def flatten(picture: Picture, background: NDArray[np.uint8]) -> Picture:
    """Composite (H, W, 4) over one colour (3,); (H, W, 3) is given back as it is."""
    if picture.shape[2] == 3:
        return picture
    image = Image.fromarray(picture)
    ground = Image.new("RGB", image.size, tuple(background.tolist()))
    ground.paste(image, mask=image)
    return np.asarray(ground)


def read_manifest(path: Path) -> list[Row]:
    """The lines of a manifest.csv. Raises SengaError with the column or the line that is wrong."""
    rows = []
    for where, line in csv_lines(path, COLUMNS):
        if missing := [name for name in ("file", "split") if not line[name]]:
            raise SengaError(f"{where}: has no {missing[0]}; expected {','.join(COLUMNS)}")
        side = min(sides(where, line))
        rows.append(Row(line["file"], line["split"], line["source"], line["licence"], side, line.get("sha256", "")))
    return rows


def list_folder(folder: Path) -> list[Member]:
    """Every picture below a folder, as `walk` finds them, sorted by name; names that are not UTF-8 are left out."""
    found = [Member(path.relative_to(folder).as_posix(), path) for path in walk(folder, SUFFIXES)]
    return sorted(_text_names(found, folder), key=lambda member: member.file)


def _text_names(members: list[Member], where: Path) -> list[Member]:
    """Those that can be written into the survey, a manifest and reports; says how many cannot."""
    good = [member for member in members if has_text_name(member.file)]
    if len(good) < len(members):
        lost = amount(len(members) - len(good), "picture")
        logger.warning("%s: %s left out, with a name that is not UTF-8; rename what is to be used", where, lost)
    return good


def find_shards(pattern: str) -> list[Path]:
    """`shards-{000..012}.tar`, `shards/*.tar` or one file -> the shards, in order. Raises SengaError."""
    if "://" in pattern or pattern.startswith("pipe:"):
        raise SengaError(f"{pattern}: shards are read at random places; copy them to a disk or mount")
    paths = [Path(name) for name in (sorted(glob.glob(pattern)) if "*" in pattern else _expand(pattern))]  # noqa: PTH207
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise SengaError(f"{missing[0] if missing else pattern}: there is no such shard; check the name")
    return paths


def _expand(pattern: str) -> list[str]:
    if "{" not in pattern:
        return [pattern]
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise SengaError(
            f"{pattern}: braces need the package webdataset; {install('train')}, or name the shards with *"
        ) from error
    return expand_urls(pattern)


def list_shard(path: Path) -> list[Member]:
    """The pictures of a tar, with the JSON of the same key of each. Raises SengaError for what is not a tar file."""
    members: list[Member] = []
    notes: dict[str, dict[str, str]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for info in _members(tar, path):
                if info.name.lower().endswith(SUFFIXES):
                    members.append(Member(info.name, path, info.offset_data, info.size))
                elif info.name.endswith(".json"):
                    notes[_key(info.name)] = _note(Member(info.name, path, info.offset_data, info.size).read())
    except tarfile.TarError as error:
        raise SengaError(f"{path}: is not a tar file ({error}); shards are uncompressed tar files") from error
    return [_with_note(member, notes.get(_key(member.file), {})) for member in _text_names(members, path)]


def _members(tar: tarfile.TarFile, path: Path) -> Iterable[tarfile.TarInfo]:
    """The files of a tar up to its end or to where it was cut off."""
    try:
        yield from (info for info in tar if info.isfile())
    except tarfile.ReadError as error:
        logger.warning("%s: is cut short (%s); what comes before is used", path, error)


def _key(name: str) -> str:
    """WebDataset's key: the path up to the first dot of the file's name."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _note(data: bytes) -> dict[str, str]:
    try:
        note = parse_json(data)
    except SengaError:
        return {}
    texts = {name: value for name, value in note.items() if isinstance(value, str)} if isinstance(note, dict) else {}
    return {name: text for name, text in texts.items() if has_text_name(text)}  # JSON may hold half a character


def _with_note(member: Member, note: dict[str, str]) -> Member:
    return Member(
        below(note.get("file", member.file)),
        member.path,
        member.offset,
        member.size,
        note.get("split", ""),
        note.get("source", ""),
        note.get("licence", ""),
    )


def distinct(names: Iterable[str]) -> list[str]:
    """The names of results: one that an earlier one has too, but for the case of its letters, gets a number."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        free = next(one for one in chain([name], (f"{name}-{n}" for n in count(2))) if one.casefold() not in taken)
        taken.add(free.casefold())
        found.append(free)
    return found


def place(file: str) -> float:
    """Where a name falls in [0, 1): the split of a set without a manifest, whatever else is in it."""
    return int.from_bytes(hashlib.sha256(file.encode()).digest()[:8], "big") / 2**64
