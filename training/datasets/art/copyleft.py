"""The sources under GPL and CC BY-SA, used only with `--copyleft`: whether weights trained on such art
carry its licence is for their users to decide, so no file of ours is trained on it without saying so in its name.

Pictures of two Wesnoth campaigns are the validation domain "painted" (`val.sets`), whichever set is trained on.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ....arch.files.reading import READABLE
from ..fetch import Picture, Request, debian_package, npm_package

# --- Battle for Wesnoth -----------------------------------------------------------------------------------------------

WESNOTH = "wesnoth-1.16-"
WESNOTH_PARTS = (  # of the Debian packages; "trow" and "utbs" are kept for the final benchmark
    *("data", "did", "dm", "dw", "ei", "httt", "l", "low", "nr", "sof", "sota", "sotbe", "thot", "tsg", "ttb"),
)
WESNOTH_HELD_OUT = ("dm", "httt")  # campaigns whose portraits are measured on and never trained on
WESNOTH_FOLDERS = {"portraits": 400, "story": 512}  # -> px, the least short side: smaller ones were scaled down
WESNOTH_EXCLUDED = ("map", "title", "overlay", "black")
WESNOTH_AUTHORS = "artists of The Battle for Wesnoth (not named by picture)"


def wesnoth(request: Request) -> list[Picture]:
    roots = [debian_package("wesnoth", WESNOTH + part, request.cache) for part in WESNOTH_PARTS]
    return list_wesnoth(roots)


def list_wesnoth(roots: list[Path]) -> list[Picture]:
    """Portraits and story paintings below the packages' roots, large ones alone, equal files once."""
    pictures: list[Picture] = []
    seen: set[str] = set()
    for root in roots:
        for path in sorted(path for kind in ("png", "webp", "jpg") for path in root.rglob(f"images/**/*.{kind}")):
            least = next((px for folder, px in WESNOTH_FOLDERS.items() if folder in path.parts), None)
            if least is None or any(word in path.stem.lower() for word in WESNOTH_EXCLUDED):
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            with Image.open(path, formats=READABLE) as image:
                large = min(image.size) >= least
            if large and digest not in seen:
                seen.add(digest)
                name = f"{root.name.removeprefix(WESNOTH)}-{path.stem}-{digest[:6]}"
                split = "val" if root.name.removeprefix(WESNOTH) in WESNOTH_HELD_OUT else "train"
                pictures.append(Picture("wesnoth", name, split, WESNOTH_AUTHORS, "GPL-2.0-or-later", path))
    return pictures


# --- OpenMoji ---------------------------------------------------------------------------------------------------------

OPENMOJI_VERSION = "17.0.0"
OPENMOJI_EXCLUDED = ("component", "flags", "symbols")  # groups with nothing drawn in them; "extras-*" as well


def openmoji(request: Request) -> list[Picture]:
    return list_openmoji(npm_package("openmoji", "openmoji", OPENMOJI_VERSION, request.cache))


def list_openmoji(root: Path) -> list[Picture]:
    """The coloured drawings, in one skin tone."""
    rows = json.loads((root / "data/openmoji.json").read_text("utf-8"))
    return [
        Picture(
            "openmoji",
            row["hexcode"].lower(),
            "train",
            row["openmoji_author"],
            "CC-BY-SA-4.0",
            root / f"color/svg/{row['hexcode']}.svg",
        )
        for row in rows
        if not row["skintone"] and row["group"] not in OPENMOJI_EXCLUDED and not row["group"].startswith("extras")
    ]


COPYLEFT_SOURCES: dict[str, Callable[[Request], list[Picture]]] = {"wesnoth": wesnoth, "openmoji": openmoji}
