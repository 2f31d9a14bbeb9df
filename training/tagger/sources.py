"""Tagged pictures from folders of captions and from tables, in the one form that `tagger_database.POSTS` describes."""

import csv
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...arch import SengaError
from ...arch.errors import amount
from ...arch.files.reading import csv_lines, has_text_name, is_file, read_text, walk
from ..run.grouping import first_of_groups
from ..run.pictures import BROKEN, eight_bits, open_picture
from .database import RATINGS

logger = logging.getLogger("senga")

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
COLUMNS = "file split kin source style licence rating tags characters mixed unknown known"
FIELDS: tuple[str, ...] = tuple(COLUMNS.split())
PRINT_SIDE = 16  # a fingerprint is PRINT_SIDE**2 bits
ALIKE = 7  # bits in which two fingerprints of one picture may differ; with 8 bands, no pair this near is missed
STEP = 3  # grey levels that a neighbour must be brighter to set a bit: flat areas and JPEG noise give none


@dataclass(frozen=True)
class Caption:
    """The tags of a caption. Names are as Danbooru writes them."""

    mixed: tuple[str, ...]
    characters: tuple[str, ...] = ()
    rating: str = ""


def parse_caption(text: str) -> Caption:
    r"""Tags between commas, with spaces or underscores, `\(` for `(`; `character:` and `rating:` name a category.

    kohya's separator for kept tags (`|||`) counts as a comma. Case is lowered, and a repeated tag counts once.
    """
    tags = [part.strip().lower() for part in text.replace("|||", ",").replace("\n", ",").split(",")]
    names = [tag.replace("\\(", "(").replace("\\)", ")").replace(" ", "_") for tag in tags if tag]
    found: dict[str, list[str]] = {"character": [], "rating": [], "": []}
    for name in names:
        prefix, _, rest = name.partition(":")
        if prefix in ("character", "rating") and rest.strip("_"):
            found[prefix].append(rest.strip("_"))
        else:
            found[""].append(name)
    mixed, characters = (tuple(dict.fromkeys(found[kind])) for kind in ("", "character"))
    return Caption(mixed, characters, found["rating"][0] if found["rating"] else "")


def read_captions(folder: Path, ratings: int, encoding: str = "") -> Iterator[dict[str, str]]:
    """A row of FIELDS for every picture below `folder` that has a `.txt` of its name. Similar pictures form a group.

    Args:
        encoding: of the captions, a name that Python knows; "": as `read_text` finds it.
    """
    found = [path for path in walk(folder, PICTURES) if path.with_suffix(".txt").is_file()] if folder.is_dir() else []
    if not found:
        raise SengaError(f"{folder}: has no picture with a .txt of the same name; expected captions")
    readable: list[Path] = []
    captions: list[Caption] = []
    prints: list[NDArray[np.uint8]] = []
    for path in found:
        if not has_text_name(path):
            logger.warning("%s: left out, its name is not UTF-8; rename it", path)
            continue
        try:
            caption, picture = parse_caption(read_text(path.with_suffix(".txt"), encoding)), fingerprint(path)
            prints.append(picture)
            captions.append(caption)
            readable.append(path)
        except BROKEN as error:
            logger.warning("%s: left out, cannot be read (%s)", path, error)
    if not readable:
        raise SengaError(f"{folder}: none of its {len(found)} pictures with captions can be read; look at the first")
    for path, caption, kin in zip(readable, captions, kinships(np.stack(prints)), strict=True):
        yield {
            "file": path.relative_to(folder).as_posix(),
            "kin": str(kin),
            "source": path.relative_to(folder).parts[0] if path.parent != folder else folder.name,
            "characters": " ".join(caption.characters),
            "mixed": " ".join(caption.mixed),
            "rating": rating_word(caption.rating, ratings),
        }


def rating_word(text: str, ratings: int) -> str:
    """A rating by name or letter, of the old three or the new four, as one of `ratings`; "" for none of them."""
    known = RATINGS.get(ratings, {})
    return text if text in known.values() else known.get(text[:1], "")


def fingerprint(path: Path) -> NDArray[np.uint8]:
    """A picture's bits, packed (32 bytes): where it grows brighter from left to right. Raises one of BROKEN."""
    with open_picture(path) as image:
        image.draft("L", (256, 256))  # JPEG alone: decode no more than is needed
        grey = eight_bits(image).convert("L").resize((PRINT_SIDE + 1, PRINT_SIDE), Image.Resampling.BOX)
    levels = np.asarray(grey, dtype=np.int16)
    return np.packbits(levels[:, 1:] > levels[:, :-1] + STEP)


def kinships(prints: NDArray[np.uint8]) -> list[int]:
    """For each of the (N, 32) fingerprints the least index among the similar ones, in chains.

    Two prints that differ in at most 7 bits agree in one of 8 bands, so only prints that share a band are compared;
    bands without content are passed over, since every picture with a plain margin shares those.
    """
    return first_of_groups(len(prints), _near(prints))


def _near(prints: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    bands = prints.reshape(len(prints), ALIKE + 1, -1)
    for band in range(ALIKE + 1):
        seen: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(bands[:, band].any(axis=1)).tolist():
            others = seen.setdefault(bands[i, band].tobytes(), [])
            near = np.bitwise_count(prints[others] ^ prints[i]).sum(axis=1) <= ALIKE
            yield from ((i, j) for j in np.asarray(others, dtype=int)[near].tolist())
            others.append(i)


def read_table(path: Path, ratings: int) -> Iterator[dict[str, str]]:
    """A row of FIELDS for every line of a CSV with the columns file and tags; the other columns may be absent."""
    if not path.is_file():
        raise SengaError(f"{path}: there is no such table; set data.folder and data.table")
    for _, line in csv_lines(path, ("file", "tags")):
        rating = rating_word(line.get("rating", ""), ratings)
        yield {name: line.get(name, "") for name in FIELDS} | {"kin": line.get("group", ""), "rating": rating}


def moved(rows: Iterable[dict[str, str]], folder: Path, other: Path) -> Iterator[dict[str, str]]:
    """Rows of a table in another folder, their files relative to `folder`; groups stay apart from that folder's."""
    try:
        way = Path(os.path.relpath(other, folder))
    except ValueError:  # another drive of Windows
        way = other.resolve()
    for row in rows:
        file = (way / row["file"]).as_posix()
        yield row | {"file": file, "kin": (way / row["kin"]).as_posix() if row["kin"] else ""}


def fill(database: duckdb.DuckDBPyConnection, rows: Iterable[dict[str, str]], folder: Path, scratch: Path) -> None:
    """Bring rows into the table `posts`, those alone whose picture is there. Raises SengaError if none is."""
    missing = 0
    with scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for row in rows:
            if is_file(folder / row["file"]):  # a table may name anything, even what is too long for a name
                writer.writerow(row)
            else:
                missing += 1
    if missing:
        logger.warning("%s: %s of its list left out, not there", folder, amount(missing, "picture"))
    try:
        database.execute(
            """
            insert into posts by name
            select (select coalesce(max(post), 0) from posts) + row_number() over (order by file) as post,
                   file, coalesce(nullif(kin, ''), file) as kin,
                   nullif(split, '') as split, coalesce(source, '') as source, coalesce(style, '') as style,
                   coalesce(licence, '') as licence, nullif(rating, '') as rating,
                   words(coalesce(tags, '')) as general, words(coalesce(characters, '')) as character,
                   words(coalesce(mixed, '')) as mixed, words(coalesce(unknown, '')) as unknown,
                   words(coalesce(known, '')) as known
            from read_csv($path, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')
            """,
            {"path": scratch.as_posix()},
        )
    finally:
        scratch.unlink()
