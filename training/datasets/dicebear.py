"""DiceBear's drawn avatars: their licences and splits, and the packages that draw them (npm, node).

Two scripts draw with them: draw_avatars.mjs from seeds alone, draw_figures.mjs with every attribute chosen.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from .fetch import SourceError, run_tool


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
    "pixelArt": cc0(0),  # for the tagger alone: an upscaler learns nothing from squares
}


def dicebear_packages(cache: Path) -> Path:
    """The folder below `cache` that holds DiceBear's packages; they are fetched unless they are there."""
    packages = cache / "npm"
    packages.mkdir(parents=True, exist_ok=True)
    declared = packages / "node_modules/@dicebear/collection/package.json"
    if not declared.is_file() or json.loads(declared.read_text("utf-8"))["version"] != DICEBEAR_VERSION:
        specifiers = [f"@dicebear/{part}@{DICEBEAR_VERSION}" for part in ("core", "collection")]
        run_tool("dicebear", ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", *specifiers], packages)
    return packages


def run_dicebear(packages: Path, script: str, arguments: list[str]) -> None:
    """Run one of our scripts, which are in this folder, with DiceBear's packages."""
    # Node looks for packages in the script's folder, not in the working directory.
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
