"""Where the training pictures come from: for each source, how to get it and which pictures of it are used.

A source is a function `(Request) -> list[Picture]`; SOURCES at the end names them. A picture's licence and its split
are decided here, from tables, before anything is drawn.
"""

import csv
import hashlib
import html
import json
import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger("senga")


class SourceError(RuntimeError):
    """A source cannot be had; the message is one sentence that says what is missing and how to go on."""


@dataclass(frozen=True)
class Picture:
    """One picture that is wanted: `path` is an SVG (drawn), a PNG (converted) or a WebP (copied as it is)."""

    source: str
    name: str  # unique within the source, without suffix
    split: str  # "train" | "val"
    author: str
    licence: str  # SPDX identifier, or "Public-Domain"
    path: Path
    sha256: str | None = None  # of `path`, where the source declares it


@dataclass(frozen=True)
class Request:
    cache: Path
    art_pack: Path | None = None
    copyleft: bool = False
    selected: tuple[str, ...] = ()  # the sources of this build


# --- getting packages -----------------------------------------------------------------------------------------------


def run_tool(source: str, command: list[str], cwd: Path) -> None:
    """Run `command` in `cwd`. Raises SourceError when the program is missing or fails."""
    others = " ".join(name for name in SOURCES if name != source)
    way_out = f"to build without this source, name the others: --only {others}"
    program = shutil.which(command[0])  # finds npm.cmd on Windows, which subprocess alone does not
    if program is None:
        raise SourceError(f"{source}: the program '{command[0]}' is needed and was not found; {way_out}")
    done = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise SourceError(f"{source}: '{' '.join(command[:3])}' ended with {done.returncode} ({last}); {way_out}")


def debian_package(source: str, package: str, cache: Path) -> Path:
    """The unpacked Debian package; a .deb that lies in the cache already is used instead of fetching one."""
    folder = cache / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / package
    if unpacked.is_dir():
        return unpacked
    if not list(folder.glob(f"{package}_*.deb")):
        run_tool(source, ["apt-get", "download", package], folder)
    archive = sorted(folder.glob(f"{package}_*.deb"))[-1]
    partial = folder / f"{package}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    run_tool(source, ["dpkg-deb", "-x", archive.name, partial.name], folder)
    return partial.replace(unpacked)  # whole or not at all: an interrupted unpacking leaves no half package


def npm_package(source: str, package: str, version: str, cache: Path) -> Path:
    """The folder of an npm package of that version, fetched unless it is in the cache."""
    # A prefix of its own: npm removes from a folder what it did not put there with the last command.
    prefix = cache / "npm" / package.replace("/", "-")
    prefix.mkdir(parents=True, exist_ok=True)
    root = prefix / "node_modules" / package
    declared = root / "package.json"
    if not declared.is_file() or json.loads(declared.read_text("utf-8"))["version"] != version:
        wanted = f"{package}@{version}"
        run_tool(source, ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", wanted], prefix)
    return root


# --- Open Clip Art ----------------------------------------------------------------------------------------------------

OPENCLIPART_FOLDERS = (
    *("animals", "buildings", "containers", "decorations", "education", "electronics", "food", "office", "people"),
    *("plants", "recreation", "science", "tools", "transportation", "unsorted"),
)
# Cards and bullet holes differ by a few dots; the others hold no drawing worth learning from.
OPENCLIPART_EXCLUDED = (
    *("electronics/battery", "people/clothing/pantyhose", "people/stickmen", "recreation/games/cards"),
    *("recreation/games/chess", "tools/weapons/bullet_hole", "transportation/aiga-symbols", "transportation/roadsigns"),
)
# Two of the seven held-out authors also signed as "Andrew Fitzsimon" and "Jonadab the Unsightly One".
OPENCLIPART_HELD_OUT = (
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


def openclipart(request: Request) -> list[Picture]:
    root = debian_package("openclipart", "openclipart-svg", request.cache) / "usr/share/openclipart/svg"
    return list_openclipart(root)


def list_openclipart(root: Path) -> list[Picture]:
    """The usable clips below `root`, in the order of their paths, equal files once."""
    pictures: list[Picture] = []
    seen: set[str] = set()
    for path in sorted(root.rglob("*.svg"), key=lambda path: path.relative_to(root).as_posix()):
        relative = path.relative_to(root)
        if relative.parts[0] not in OPENCLIPART_FOLDERS or relative.as_posix().startswith(OPENCLIPART_EXCLUDED):
            continue
        content = path.read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        svg = content.decode("utf-8", "replace")
        if digest in seen or len(content) >= MAX_SVG_BYTES or not is_usable_clip(svg):
            continue
        seen.add(digest)
        author = openclipart_author(svg)
        held_out = any(name in author.lower() for name in OPENCLIPART_HELD_OUT)
        name = re.sub(r"[^a-z0-9_]+", "-", "-".join(relative.with_suffix("").parts).lower()).strip("-")
        # The digest keeps names apart that differ in case or punctuation only (and would collide on Windows).
        name = f"{name}-{digest[:6]}"
        split = "val" if held_out else "train"
        pictures.append(Picture("openclipart", name, split, author or "unknown", "Public-Domain", path))
    return pictures


# --- DiceBear ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AvatarStyle:
    count: int
    split: str
    licence: str  # what the package declares; a package that declares something else is refused
    spdx: str


def cc0(count: int, split: str = "train") -> AvatarStyle:
    return AvatarStyle(count, split, "CC0 1.0", "CC0-1.0")


def cc_by(count: int, split: str = "train") -> AvatarStyle:
    return AvatarStyle(count, split, "CC BY 4.0", "CC-BY-4.0")


DICEBEAR_VERSION = "9.4.3"
DICEBEAR_STYLES = {
    "lorelei": cc0(60),
    "notionists": cc0(40),
    "adventurer": cc_by(60),
    "bigEars": cc_by(30),
    "bigSmile": cc_by(30),
    "croodles": cc_by(40),
    "dylan": cc_by(20),
    "micah": cc_by(30),
    "miniavs": cc_by(20),
    "personas": cc_by(30),
    "openPeeps": cc0(12, "val"),
    "toonHead": cc_by(12, "val"),
    "pixelArt": cc0(0),  # for the tagger alone: squares teach an upscaler nothing
}


def dicebear_packages(cache: Path) -> Path:
    """The folder below `cache` that holds DiceBear's packages; they are fetched unless they are there."""
    packages = cache / "npm"
    packages.mkdir(parents=True, exist_ok=True)
    declared = packages / "node_modules/@dicebear/collection/package.json"
    if not declared.is_file() or json.loads(declared.read_text("utf-8"))["version"] != DICEBEAR_VERSION:
        wanted = [f"@dicebear/{part}@{DICEBEAR_VERSION}" for part in ("core", "collection")]
        run_tool("dicebear", ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", *wanted], packages)
    return packages


def run_dicebear(packages: Path, script: str, arguments: list[str]) -> None:
    """Run one of our scripts, which lie beside this file, with DiceBear's packages."""
    # Node looks for packages beside the script, not in the working directory.
    shutil.copyfile(Path(__file__).with_name(script), packages / script)
    run_tool("dicebear", ["node", script, *arguments], packages)


def dicebear_licence(name: str, declared: str) -> str:
    """The SPDX identifier of a style. Raises SourceError where the package declares another licence than we know."""
    style = DICEBEAR_STYLES[name]
    if declared != style.licence:
        raise SourceError(
            f"dicebear: style '{name}' declares the licence '{declared}', not '{style.licence}';"
            f" check it and correct DICEBEAR_STYLES, or install version {DICEBEAR_VERSION}"
        )
    return style.spdx


def dicebear(request: Request) -> list[Picture]:
    packages = dicebear_packages(request.cache)
    drawn = packages / "avatars"
    drawn.mkdir(exist_ok=True)
    counts = json.dumps({name: style.count for name, style in DICEBEAR_STYLES.items() if style.count})
    run_dicebear(packages, "draw_avatars.mjs", [drawn.name, counts])
    return list_avatars(drawn)


def list_avatars(folder: Path) -> list[Picture]:
    """The avatars that `folder`/index.json names. Raises SourceError where a style declares another licence."""
    pictures = []
    for row in json.loads((folder / "index.json").read_text("utf-8")):
        spdx = dicebear_licence(row["style"], row["licence"])
        path = folder / row["file"]
        split = DICEBEAR_STYLES[row["style"]].split
        pictures.append(Picture("dicebear", path.stem, split, row["creator"], spdx, path))
    return pictures


# --- Ren'Py demo ------------------------------------------------------------------------------------------------------

# Credits as the demo's own closing scene (script.rpy) gives them. `lucy` is the README's example: never trained on.
RENPY_PICTURES = {
    "eileen happy": ("train", "Piroshki"),
    "eileen vhappy": ("train", "Piroshki"),
    "eileen concerned": ("train", "Piroshki"),
    "concert1": ("val", "Mugenjohncel"),
    "concert2": ("val", "Mugenjohncel"),
    "concert3": ("val", "Mugenjohncel"),
    "lucy happy": ("val", "Mugenjohncel"),
    "lucy mad": ("val", "Mugenjohncel"),
}
SAME_EILEEN = "eileen happy"  # the art pack holds this drawing larger


def renpy_demo(request: Request) -> list[Picture]:
    folder = debian_package("renpy_demo", "renpy-demo", request.cache) / "usr/share/games/renpy/demo/game/images"
    pack_has_eileen = "art_pack" in request.selected
    return [
        Picture("renpy_demo", name.replace(" ", "_"), split, author, "MIT", folder / f"{name}.png")
        for name, (split, author) in RENPY_PICTURES.items()
        if not (pack_has_eileen and name == SAME_EILEEN)
    ]


# --- the art pack -----------------------------------------------------------------------------------------------------

COPYLEFT_PREFIXES = ("GPL", "LGPL", "AGPL", "CC-BY-SA")
ART_PACK_HELD_OUT = (
    "duelyst_general_f3",
    "duelyst_general_f5",
    "duelyst_head_f3",
    "duelyst_head_f5",
    "duelyst_head_rook",
    "duelyst_scene_vanar",
)


def art_pack(request: Request) -> list[Picture]:
    """A folder of lossless WebP pictures with MANIFEST.csv (columns file, author, licence, sha256 at least)."""
    if request.art_pack is None:
        raise SourceError("art_pack: no folder was given; add --art-pack DIR, or leave art_pack out of --only")
    manifest = request.art_pack / "MANIFEST.csv"
    if not manifest.is_file():
        raise SourceError(f"art_pack: {manifest} was not found; --art-pack wants the folder that holds MANIFEST.csv")
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Picture(
            source="art_pack",
            name=Path(row["file"]).stem,
            split="val" if row["file"].startswith(ART_PACK_HELD_OUT) else "train",
            author=row["author"],
            licence=row["licence"],
            path=request.art_pack / row["file"],
            sha256=row["sha256"],
        )
        for row in rows
        if request.copyleft or not row["licence"].startswith(COPYLEFT_PREFIXES)
    ]


SOURCES: dict[str, Callable[[Request], list[Picture]]] = {
    "openclipart": openclipart,
    "dicebear": dicebear,
    "renpy_demo": renpy_demo,
    "art_pack": art_pack,
}
