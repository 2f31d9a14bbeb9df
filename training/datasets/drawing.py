"""SVG to pixels, and pictures to files: what every builder of pictures does."""

import argparse
import io
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ...arch.errors import SengaError, brief, install
from ...arch.files.atomic import replacing
from .fetch import SourceError

logger = logging.getLogger("senga")

Kind = TypeVar("Kind")


class PictureError(SengaError):
    """A picture cannot be used; the message says why."""


def require_resvg(way_out: str = "") -> None:
    """Raise SourceError, with the builder's own way out, where SVG cannot be drawn."""
    try:
        import resvg_py  # noqa: F401
    except ImportError as error:
        raise SourceError(
            f"the module 'resvg_py' is needed to draw SVG and was not found; in the repository, run: {install('train')}"
            f"{way_out}"
        ) from error


def render_page(svg: Path, width: int) -> Image.Image:
    """The whole page of an SVG, `width` px wide, RGBA. Raises PictureError."""
    import resvg_py

    try:
        # dpi: without it sizes in mm or pt come out as zero. No system fonts: it must not depend on the machine.
        png = resvg_py.svg_to_bytes(svg_path=str(svg), width=width, dpi=96.0, skip_system_fonts=True)
        return Image.open(io.BytesIO(bytes(png)), formats=("PNG",)).convert("RGBA")
    except (ValueError, OSError) as error:
        raise PictureError(f"cannot be drawn: {error}") from error


def drawn_part(page: Image.Image) -> Image.Image:
    """The page without its transparent margins. Raises PictureError when nothing was drawn on it."""
    box = page.getchannel("A").point([0] * 9 + [255] * 247).getbbox()  # an alpha of 8 or less is invisible
    if box is None:
        raise PictureError("is blank")
    return page.crop(box)


def save_webp(image: Image.Image, target: Path) -> None:
    """Lossless; whole or not at all, so that an interrupted build leaves no broken picture behind."""
    with replacing(target) as temporary:
        image.save(temporary, "WEBP", lossless=True, quality=60, method=2)


def at_least_one(text: str) -> int:
    """The value of an option that counts. Raises argparse's own error."""
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{brief(text)} is not a number of pictures; expected 1 or more")
    return count


def check_folders(**options: Path) -> None:
    """Raises SourceError for an option that names a file where a folder is to be."""
    for name, path in options.items():
        if path.exists() and not path.is_dir():
            raise SourceError(f"--{name} {path}: is a file; expected a folder")


def remove_others(folders: Sequence[Path], kept: Collection[Path], ours: Collection[str]) -> None:
    """Remove pictures of an older build: a folder must not hold more than its manifest names.

    A build calls its pictures NAME_NUMBER with a NAME of `ours`; what is called otherwise is somebody else's and stays.
    """
    for path in sorted(path for folder in folders for path in folder.glob("*.webp")):
        name, _, number = path.stem.rpartition("_")
        if path in kept:
            continue
        if name in ours and number.isdigit():
            path.unlink()
        else:
            logger.warning("%s: is not of this set and stays; move it elsewhere", path)


def evenly(pictures: Sequence[Kind], limit: int | None) -> list[Kind]:
    """At most `limit` pictures spread over the whole sequence, so that a small build has some of everything."""
    if limit is None or limit >= len(pictures):
        return list(pictures)
    return [pictures[index * len(pictures) // limit] for index in range(limit)]
