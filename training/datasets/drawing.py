"""SVG to pixels, and pictures to files: what every builder of pictures does."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ...arch.atomic import replacing
from ...arch.errors import SengaError, install
from .fetch import SourceError

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


def evenly(pictures: Sequence[Kind], limit: int | None) -> list[Kind]:
    """At most `limit` pictures spread over the whole sequence, so that a small build has some of everything."""
    if limit is None or limit >= len(pictures):
        return list(pictures)
    return [pictures[index * len(pictures) // limit] for index in range(limit)]
