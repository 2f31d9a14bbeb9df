"""Picture files through Pillow: the formats that we read, and samples of every kind as 8 bits or as greys in [0, 1].

Pillow's own conversions cut samples of more than 8 bits off at 255, read WhiteIsZero as its negative, and compare a
transparent colour with samples of another depth.
"""

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from ...arch import SengaError
from ...arch.files.reading import READABLE
from .png_chunks import readable_png

MAX_PIXELS = 250_000_000  # of all frames together; decoding takes 4 to 16 bytes for each that is held
# What Pillow is known to raise over broken files; found by feeding it some. Our own errors are ValueErrors.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
BROKEN = (*BROKEN, TypeError, IndexError, KeyError, OverflowError, MemoryError)

BITS, PHOTOMETRIC, ORIENTATION, SAMPLE_FORMAT = 258, 262, 274, 339  # tags of a TIFF
WHITE_IS_ZERO, SIGNED = 0, 2
DENSEST = 10_000  # pixels for each byte of a file; drawings have up to 500, a blank PNG of 1 bit has 8,000
QUICK, SLOW = 2.5, 16  # the largest picture, divided by what a file of any length may have
SLOW_FORMATS = ("WEBP", "AVIF", "JPEG2000")
SCAN = b"\xff\xda"  # begins one in a JPEG
MOST_SCANS = 200  # encoders make up to 14; a picture in the file's notes may have some, too
FLOAT_SLACK = 1.0  # how far a float's samples may be outside [0, 1]: resized pictures overshoot, levels go to 255
OPAQUE_MODES = ("RGB", "L", "CMYK", "YCbCr")


class TooLargeError(SengaError):
    """A picture of more pixels than are read."""


@contextmanager
def open_picture(source: Path | IO[bytes], max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """A picture, not decoded yet, if it has one of our formats.

    Raises:
        TooLargeError: one frame of it has more than `max_pixels`.
        SengaError: a JPEG that goes through its pixels many times; see `scaled`, too.
        What Pillow raises: BROKEN.
    """
    with ExitStack() as stack:
        stack.enter_context(_pillow_limit(max_pixels))
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        try:
            # By a file, not by its name: Pillow would map uncompressed files into memory, and then forgets the
            # orientation of a TIFF.
            image = stack.enter_context(Image.open(readable_png(file), formats=READABLE))
            check_pixels(image.size, 1, max_pixels)
            _check_density(file, image, max_pixels)
            if isinstance(image, PngImagePlugin.PngImageFile):
                _match_transparent_colour(image)
            elif image.info.get("progressive"):
                _check_scans(file)
            yield image
        except Image.DecompressionBombError as error:  # before there is a size, or in a later frame
            raise TooLargeError(f"has more than {max_pixels:,} pixels") from error
        except UnidentifiedImageError as error:  # Pillow's own message shows the open file, an object in memory
            raise UnidentifiedImageError("cannot identify its format; it is not a picture, or damaged") from error


def _check_density(file: IO[bytes], image: Image.Image, max_pixels: int) -> None:
    """A few bytes may take gigabytes before they turn out to be damaged, and some decoders work on them for minutes.

    Raises TooLargeError.
    """
    place = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(place)
    most = max(int(max_pixels / (SLOW if image.format in SLOW_FORMATS else QUICK)), length * DENSEST)
    if image.width * image.height > most:
        raise TooLargeError(
            f"has {image.width}x{image.height} pixels in {length} bytes; expected at most {most:,} pixels in so few"
        )


def _check_scans(file: IO[bytes]) -> None:
    """Each scan of a progressive JPEG goes through the whole picture, however few its bytes."""
    place = file.tell()
    file.seek(0)
    scans, last = 0, b""
    while piece := file.read(1 << 20):
        scans += (last + piece).count(SCAN)
        last = piece[-1:]
    file.seek(place)
    if scans > MOST_SCANS:
        raise SengaError(f"is a JPEG of {scans} scans; expected at most {MOST_SCANS}: save it again")


def check_pixels(size: tuple[int, int], frames: int, max_pixels: int) -> None:
    """Raises TooLargeError where `frames` of this size have more than `max_pixels` together."""
    width, height = size
    if width * height > max_pixels:
        raise TooLargeError(f"has {width}x{height} pixels; expected at most {max_pixels:,} pixels")
    if width * height * frames > max_pixels:
        raise TooLargeError(
            f"has {frames} frames of {width}x{height} pixels; expected at most {max_pixels:,} pixels together"
        )


class _Limit:
    """How many are reading, and what Pillow had before the first of them."""

    lock = threading.Lock()
    reading: ClassVar[int] = 0
    before: ClassVar[int | None] = None
    warnings: ClassVar[ExitStack] = ExitStack()


@contextmanager
def _pillow_limit(max_pixels: int) -> Iterator[None]:
    """Our limit in place of Pillow's, which is half as large, warns with a path of its own and is one for a process."""
    with _Limit.lock:
        if not _Limit.reading:
            _Limit.before = Image.MAX_IMAGE_PIXELS
            _Limit.warnings.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged tags: what is left is read or refused
            Image.MAX_IMAGE_PIXELS = 0
        _Limit.reading += 1
        # It refuses twice as many as it warns of. The largest limit counts while several read: each checks its own.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, -(-max_pixels // 2))
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.reading -= 1
            if not _Limit.reading:
                Image.MAX_IMAGE_PIXELS = _Limit.before
                _Limit.warnings.close()


def _match_transparent_colour(image: Image.Image) -> None:
    """Bring a PNG's transparent colour to the 8 bits that Pillow decodes these pixels to."""
    key, tiles = image.info.get("transparency"), getattr(image, "tile", [])
    raw = str(tiles[0].args) if tiles else ""  # "L;4": 4 bits; "RGB;16B": 16 bits, of which Pillow keeps the upper 8
    if image.mode == "L" and isinstance(key, int) and raw in ("L;2", "L;4"):
        image.info["transparency"] = key * 255 // (2 ** int(raw[-1]) - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and raw.startswith("RGB;16"):
        image.info["transparency"] = tuple(level >> 8 for level in key)


def is_deep(image: Image.Image) -> bool:
    """Whether it holds grey samples of more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def scaled(image: Image.Image) -> Image.Image:
    """Deep greys as mode "F" in [0, 1], black 0, with a transparent colour in the same unit; others as they are.

    To be called on the file's own frame: copies of it have lost the tags of a TIFF.

    Raises:
        SengaError: samples without a known white (32-bit and signed integers, floats far from [0, 1]).
    """
    if not is_deep(image):
        return image
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    white = 1.0 if image.mode == "F" else _white(tags)
    image.load()  # it may turn the picture
    samples = np.asarray(image).astype(np.float32)
    if image.mode == "F":
        _check_floats(samples)
    grey = np.clip(samples / np.float32(white), 0, 1)
    result = Image.fromarray(1 - grey if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else grey)
    result.info = {**image.info}
    if isinstance(key := image.info.get("transparency"), int):
        result.info["transparency"] = float(np.float32(key) / np.float32(white))
    if turned := image.getexif().get(ORIENTATION):
        result.getexif()[ORIENTATION] = turned
    return result


def _white(tags: "TiffImagePlugin.ImageFileDirectory_v2 | dict[int, object]") -> int:
    """The sample that is white, of unsigned integers."""
    bits, kind = tags.get(BITS, (16,)), tags.get(SAMPLE_FORMAT, (1,))
    bits, kind = (value[0] if isinstance(value, tuple) else value for value in (bits, kind))
    if kind == SIGNED or not isinstance(bits, int) or bits > 16:
        sign = "signed" if kind == SIGNED else "unsigned"
        raise SengaError(f"holds {sign} integers of {bits} bits, which have no known white; save it with 8 or 16 bits")
    return 2**bits - 1


def _check_floats(samples: NDArray[np.float32]) -> None:
    least, most = float(samples.min()), float(samples.max())
    if not (least >= -FLOAT_SLACK and most <= 1 + FLOAT_SLACK):  # this way round for NaN
        raise SengaError(f"holds floats from {least:g} to {most:g}; expected 0 (black) to 1 (white)")


def clear(image: Image.Image) -> NDArray[np.bool_] | None:
    """(H, W): where a `scaled` grey picture has its transparent colour; None if it has none."""
    key = image.info.get("transparency")
    return None if key is None else np.asarray(image) == np.float32(key)


def eight_bits(image: Image.Image) -> Image.Image:
    """Any picture as RGB, or RGBA if something may be clear. Raises SengaError as `scaled` does."""
    if is_deep(image):
        grey = scaled(image)
        levels = Image.fromarray(np.rint(np.asarray(grey) * 255).astype(np.uint8))
        holes = clear(grey)
        if holes is None:
            return levels.convert("RGB")
        alpha = Image.fromarray(np.where(holes, np.uint8(0), np.uint8(255)))
        return Image.merge("RGBA", (levels, levels, levels, alpha))
    opaque = image.mode in OPAQUE_MODES and "transparency" not in image.info
    return image.convert("RGB" if opaque else "RGBA")
