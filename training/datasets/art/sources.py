"""Where the training pictures come from: for each source, how to get it and which pictures of it are used.

A source is a function `(Request) -> list[Picture]`; SOURCES at the end names them. A picture's licence and its split
are decided here, from tables, before anything is drawn.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from ....arch.files.reading import open_text
from ..dicebear import DICEBEAR_STYLES, dicebear_licence, dicebear_packages, run_dicebear
from ..fetch import Picture, Request, SourceError, debian_package
from ..openclipart import list_openclipart, openclipart_folder


def openclipart(request: Request) -> list[Picture]:
    return list_openclipart(openclipart_folder(request.cache))


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
        raise SourceError(f"art_pack: {manifest} was not found; --art-pack expects the folder that holds MANIFEST.csv")
    with open_text(manifest) as file:
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
