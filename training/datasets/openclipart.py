"""Open Clip Art: which of its clips are used, and who drew them. Public domain."""

import hashlib
import html
import re
from pathlib import Path

from .fetch import Picture, debian_package

FOLDERS = (
    *("animals", "buildings", "containers", "decorations", "education", "electronics", "food", "office", "people"),
    *("plants", "recreation", "science", "tools", "transportation", "unsorted"),
)
# Cards and bullet holes differ by a few dots; the others hold no drawing worth learning from.
EXCLUDED = (
    *("electronics/battery", "people/clothing/pantyhose", "people/stickmen", "recreation/games/cards"),
    *("recreation/games/chess", "tools/weapons/bullet_hole", "transportation/aiga-symbols", "transportation/roadsigns"),
)
# Two of the seven held-out authors also signed as "Andrew Fitzsimon" and "Jonadab the Unsightly One".
HELD_OUT = (
    "jarno vasamaa",
    "benji park",
    "jose hevia",
    "nathan eady",
    "jonadab",
    "linda kim",
    "abiclipart",
    "andy fitzsimon",
    "andrew fitzsimon",
)
MIN_PATHS = 10
MAX_SVG_BYTES = 2_000_000
LICENCE_PATTERN = re.compile(r'<(?:cc:)?license\b[^>]*rdf:resource="([^"]*)"')
CREATOR_PATTERN = re.compile(r"<dc:creator>.*?<dc:title>(.*?)</dc:title>", re.DOTALL)
PATH_PATTERN = re.compile(r"<(?:svg:)?path\b")
IMAGE_PATTERN = re.compile(r"<(?:svg:)?image\b")


def openclipart_author(svg: str) -> str:
    found = CREATOR_PATTERN.search(svg)
    return " ".join(html.unescape(found.group(1)).split()) if found else ""


def is_usable_clip(svg: str) -> bool:
    """Public domain by every licence statement of its own RDF, no embedded raster, and more than a mere shape."""
    licences = LICENCE_PATTERN.findall(svg)
    return (
        bool(licences)
        and all(licence.endswith("/PublicDomain") for licence in licences)
        and IMAGE_PATTERN.search(svg) is None
        and len(PATH_PATTERN.findall(svg)) >= MIN_PATHS
    )


def openclipart_folder(cache: Path) -> Path:
    """The folder of the clips, from the Debian package, fetched unless it is in the cache. Raises SourceError."""
    return debian_package("openclipart", "openclipart-svg", cache) / "usr/share/openclipart/svg"


def list_openclipart(root: Path) -> list[Picture]:
    """The usable clips below `root`, in the order of their paths, equal files once."""
    pictures: list[Picture] = []
    seen: set[str] = set()
    for path in sorted(root.rglob("*.svg"), key=lambda path: path.relative_to(root).as_posix()):
        relative = path.relative_to(root)
        if relative.parts[0] not in FOLDERS or relative.as_posix().startswith(EXCLUDED):
            continue
        content = path.read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        svg = content.decode("utf-8", "replace")
        if digest in seen or len(content) >= MAX_SVG_BYTES or not is_usable_clip(svg):
            continue
        seen.add(digest)
        author = openclipart_author(svg)
        held_out = any(name in author.lower() for name in HELD_OUT)
        name = re.sub(r"[^a-z0-9_]+", "-", "-".join(relative.with_suffix("").parts).lower()).strip("-")
        # The digest keeps names apart that differ in case or punctuation only (and would collide on Windows).
        name = f"{name}-{digest[:6]}"
        split = "val" if held_out else "train"
        pictures.append(Picture("openclipart", name, split, author or "unknown", "Public-Domain", path))
    return pictures
