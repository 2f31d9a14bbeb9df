"""Fonts to draw text with: those of Debian packages under free licences, found on the system or in a folder.

A file is known by its name. Where nothing can be installed, matplotlib's data folder has DejaVu.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from ....arch import SengaError

__all__ = ["PACKAGES", "FontFile", "Package", "find_font", "list_fonts", "load_font"]

SYSTEM = Path("/usr/share/fonts")  # where Debian's packages put them


@dataclass(frozen=True)
class Package:
    """A Debian package, the SPDX licence of its fonts by its copyright file, their files and their scripts."""

    name: str
    licence: str
    files: tuple[str, ...]
    scripts: tuple[str, ...]


WEST = ("latin", "accented")
EUROPE = (*WEST, "greek", "cyrillic")
JAPAN = ("latin", "japanese")
VL_GOTHIC = "LicenseRef-MplusFont AND LicenseRef-SazanamiFont AND BSD-3-Clause"

# Not listed: fonts-liberation, whose files have had two licences under the same names.
PACKAGES: tuple[Package, ...] = (
    Package("fonts-comic-neue", "OFL-1.1", ("ComicNeue-Bold.otf", "ComicNeue-Regular.otf"), WEST),
    Package("fonts-dancingscript", "OFL-1.1", ("DancingScript-Bold.otf", "DancingScript-Regular.otf"), ("latin",)),
    Package(
        "fonts-dejavu-core",
        "Bitstream-Vera",
        ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif.ttf"),
        EUROPE,
    ),
    Package("fonts-dotgothic16", "OFL-1.1", ("DotGothic16-Regular.ttf",), JAPAN),
    Package("fonts-ipafont-gothic", "IPA", ("ipag.ttf", "ipagp.ttf"), JAPAN),
    Package("fonts-ipafont-mincho", "IPA", ("ipam.ttf", "ipamp.ttf"), JAPAN),
    Package("fonts-klee", "OFL-1.1", ("KleeOne-Regular.ttf", "KleeOne-SemiBold.ttf"), JAPAN),
    Package("fonts-kouzan-mouhitsu", "LicenseRef-Public-Domain", ("kouzan-mouhitsu.ttf",), ("japanese",)),
    Package("fonts-lato", "OFL-1.1", ("Lato-Black.ttf", "Lato-Light.ttf", "Lato-Regular.ttf"), WEST),
    Package(
        "fonts-nanum", "OFL-1.1", ("NanumGothic.ttf", "NanumGothicBold.ttf", "NanumMyeongjo.ttf"), ("latin", "korean")
    ),
    Package("fonts-noto-cjk", "OFL-1.1", ("NotoSansCJK-Bold.ttc", "NotoSerifCJK-Regular.ttc"), (*JAPAN, "chinese")),
    Package("fonts-reggae", "OFL-1.1", ("ReggaeOne-Regular.ttf",), JAPAN),
    Package("fonts-seto", "OFL-1.1", ("setofont.ttf",), JAPAN),
    Package("fonts-vlgothic", VL_GOTHIC, ("VL-Gothic-Regular.ttf", "VL-PGothic-Regular.ttf"), JAPAN),
    Package("fonts-yusei-magic", "OFL-1.1", ("YuseiMagic-Regular.ttf",), JAPAN),
)


@dataclass(frozen=True)
class FontFile:
    """A font that was found; package and licence are for the manifest of what is drawn with it."""

    path: Path
    package: str
    licence: str
    scripts: tuple[str, ...]


@lru_cache(maxsize=8)
def list_fonts(folder: Path | None = None) -> tuple[FontFile, ...]:
    """The fonts of PACKAGES under `folder` (the system's where None), always in the table's order.

    Raises:
        SengaError: there is none of them.
    """
    place = SYSTEM if folder is None else folder
    paths: dict[str, Path] = {}
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        paths.setdefault(path.name, path)
    found = tuple(
        FontFile(paths[name], package.name, package.licence, package.scripts)
        for package in PACKAGES
        for name in package.files
        if name in paths
    )
    if not found:
        names = " ".join(package.name for package in PACKAGES)
        raise SengaError(
            f"{place}: none of the fonts that text is drawn with was found; expected files of the Debian packages"
            f" {names}: apt-get install fonts-dejavu-core fonts-noto-cjk, or name a folder with such files"
        )
    return found


def find_font(name: str, folder: Path | None = None) -> Path:
    """The file of that name among `list_fonts`. Raises SengaError where it is not."""
    fonts = list_fonts(folder)
    for font in fonts:
        if font.path.name == name:
            return font.path
    package = next(package.name for package in PACKAGES if name in package.files)
    raise SengaError(
        f"{folder or SYSTEM}: {name} was not found among {len(fonts)} fonts; apt-get install {package}, or name a"
        " folder that has it"
    )


@lru_cache(maxsize=24)
def load_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """A font at a size in pixels, laid out by Pillow itself: the same picture with and without libraqm."""
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
