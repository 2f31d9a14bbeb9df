"""What a picture file says besides its pixels, and what of it each format can keep.

EXIF: JEITA CP-3451X, "Exchangeable image file format for digital still cameras: Exif Version 2.32", 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from ...training.run.pictures import BROKEN
from ..errors import one_line
from ..log import logger

# What describes a picture. Left out: orientation, which is applied; sizes, places and thumbnails, which would be wrong;
# resolution, which is kept as such; makers' notes, whose places in the file are part of them.
DESCRIBING = (270, 271, 272, 305, 306, 315, 316, 33432)  # text, make, model, software, time, artist, host, rights
SUB_IFDS = (0x8769, 0x8825)  # how it was taken; where
WRONG = (0xA002, 0xA003, 0x927C)  # width and height; maker's note
MOST_DPI = 30_000  # fields of formats have 16 bits
MOST_JPEG_EXIF = 65_000  # bytes; a segment has 65,533
SCREENS = (72, 96)  # dots per inch that programs write where nobody has chosen any

# What each format has room for; JPEG and others keep texts in EXIF only where a program has put them there.
KEPT: dict[str, tuple[str, ...]] = {
    "png": ("EXIF", "ICC profile", "DPI", "text"),
    "jpeg": ("EXIF", "ICC profile", "DPI"),
    "webp": ("EXIF", "ICC profile"),
    "avif": ("EXIF", "ICC profile"),
    "tiff": ("EXIF", "ICC profile", "DPI"),
    "bmp": ("DPI",),
    "gif": (),
}


@dataclass(frozen=True)
class Metadata:
    exif: bytes = b""
    profile: bytes | None = None  # ICC
    dpi: tuple[float, float] | None = None  # across and down
    text: Mapping[str, str] = field(default_factory=dict)  # of a PNG

    @property
    def there(self) -> dict[str, bool]:
        chosen = self.dpi is not None and not all(round(value) in SCREENS for value in self.dpi)
        return {
            "EXIF": bool(self.exif),
            "ICC profile": self.profile is not None,
            "DPI": chosen,
            "text": bool(self.text),
        }


def metadata_of(picture: Image.Image) -> Metadata:
    """That of an opened picture whose pages have been read: PNG may have texts behind the pixels."""
    texts = picture.info.items() if picture.format == "PNG" else ()
    return Metadata(
        exif=_describing(picture),
        profile=picture.info.get("icc_profile"),
        dpi=_resolution(picture.info.get("dpi")),
        text={key: value for key, value in texts if isinstance(key, str) and isinstance(value, str)},
    )


def _resolution(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = map(float, dpi)
    except (TypeError, ValueError):
        return None
    return (across, down) if 0 < across <= MOST_DPI and 0 < down <= MOST_DPI else None


def _describing(picture: Image.Image) -> bytes:
    kept = Image.Exif()
    try:
        exif = picture.getexif()
        for tag in DESCRIBING:
            if tag in exif:
                kept[tag] = exif[tag]
        for place in SUB_IFDS:
            if found := {tag: value for tag, value in exif.get_ifd(place).items() if tag not in WRONG}:
                kept[place] = found
        return kept.tobytes() if len(kept) else b""
    except (*BROKEN, AttributeError) as error:  # the picture itself is whole
        logger.warning("EXIF of a picture is damaged and was dropped (%s)", one_line(error))
        return b""


def save_options(meta: Metadata, name: str, path: Path) -> dict[str, Any]:
    """Pillow's options that keep what the format `name` can; says what it cannot."""
    room = [kind for kind in KEPT[name] if not (kind == "EXIF" and name == "jpeg" and len(meta.exif) > MOST_JPEG_EXIF)]
    if lost := [kind for kind, there in meta.there.items() if there and kind not in room]:
        logger.warning("%s: %s cannot hold the picture's %s, dropped; png can", path, name, " and ".join(lost))
    options: dict[str, Any] = {}
    if meta.exif and "EXIF" in room:
        options["exif"] = meta.exif
    if meta.profile is not None and "ICC profile" in room:
        options["icc_profile"] = meta.profile
    if meta.dpi is not None and "DPI" in room:
        options["dpi"] = meta.dpi
    if meta.text and "text" in room:
        options["pnginfo"] = chunks = PngImagePlugin.PngInfo()
        for key, value in meta.text.items():
            if isinstance(value, PngImagePlugin.iTXt):
                chunks.add_itxt(key, value, value.lang or "", value.tkey or "")
            else:
                chunks.add_text(key, value)
    return options
