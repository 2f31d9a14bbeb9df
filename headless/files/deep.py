"""Pictures of 16 bits a sample, of which Pillow reads and writes the upper 8 alone where there are colours; TIFF files.

PNG: "PNG Specification (Third Edition)", W3C, 2025, chapter 9. TIFF: "TIFF Revision 6.0", Adobe, 1992, section 14.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from ...training.run.pictures import open_picture
from ..errors import SengaError
from .animations import chunk, png_parts
from .metadata import SUB_IFDS

AnyLevels = NDArray[np.uint8] | NDArray[np.uint16]

ROWS = 64  # of a picture, filtered and compressed at once
LARGEST_TIFF = 2**32 - 2**20  # bytes; its places have 32 bits
SIGNATURE_AND_IHDR = 8 + 25  # bytes of a PNG
ADOBE_DEFLATE, DIFFERENCES, STRAIGHT_ALPHA, INCHES = 8, 2, 2, 2
_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L", "N": "B" if _NATIVE == "L" else "L"}  # byte orders


def low_half(path: Path, max_pixels: int) -> Image.Image | None:
    """The lower bytes of a 16-bit PNG or TIFF in colour, upright and in the mode of the upper ones, else None.

    Pillow keeps the upper byte of each sample. Read in the other byte order, that is the lower one.
    """
    with open_picture(path, max_pixels) as image:
        tiles = getattr(image, "tile", [])
        if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA") or not tiles:
            return None
        swapped = [_swapped(tile) for tile in tiles]
        if None in swapped:
            return None
        image.tile = swapped  # pyright: ignore[reportAttributeAccessIssue] (of files, which these are)
        return ImageOps.exif_transpose(image)


def _swapped(tile: Any) -> Any:
    """The part of a file with its samples in the other byte order, None where they do not have 16 bits."""
    *place, args = tile
    mode, *rest = (args,) if isinstance(args, str) else args
    kind, mark, order = str(mode).partition(";16")
    if kind not in ("RGB", "RGBA") or not mark or order not in _OTHER:
        return None
    other = f"{kind};16{_OTHER[order]}"
    return type(tile)(*place, other if isinstance(args, str) else (other, *rest))


def write_deep_png(file: IO[bytes], levels: AnyLevels, **options: Any) -> None:
    """(H, W, C) levels of 16 bits, C 1, 3 or 4, as a PNG; `options` are those of Pillow's writer."""
    height, width, channels = levels.shape
    small = np.zeros((1, 1, channels), np.uint8)
    head, _ = png_parts(Image.fromarray(small[:, :, 0] if channels == 1 else small), options)
    file.write(head[:8])
    colours = {1: 0, 3: 2, 4: 6}[channels]
    chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0))
    file.write(head[SIGNATURE_AND_IHDR:])
    packer = zlib.compressobj(options.get("compress_level", 4))
    for rows in _filtered(levels):
        if packed := packer.compress(rows):
            chunk(file, b"IDAT", packed)
    chunk(file, b"IDAT", packer.flush())
    chunk(file, b"IEND", b"")


def _filtered(levels: AnyLevels) -> Iterator[bytes]:
    """The rows as PNG filters them, each by the filter that leaves the smallest differences."""
    height, width, channels = levels.shape
    step, length = 2 * channels, 2 * channels * width
    above = np.zeros((1, step + length), np.uint8)
    for top in range(0, height, ROWS):
        part = np.ascontiguousarray(levels[top : top + ROWS], ">u2").view(np.uint8).reshape(-1, length)
        padded = np.concatenate((above, np.pad(part, ((0, 0), (step, 0)))))
        left, up, corner = padded[1:, :-step], padded[:-1, step:], padded[:-1, :-step]
        filtered = np.stack((part, part - left, part - up, part - _paeth(left, up, corner)))  # modulo 256
        best = np.abs(filtered.view(np.int8).astype(np.int32)).sum(2).argmin(0)  # (rows,)
        kinds = np.array([0, 1, 2, 4], np.uint8)[best][:, None]
        yield np.concatenate((kinds, filtered[best, np.arange(len(part))]), 1).tobytes()
        above = padded[-1:]


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Whichever of the three is next to left + up - corner."""
    guess = left.astype(np.int16) + up - corner
    a, b, c = (np.abs(guess - other) for other in (left, up, corner))
    return np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))


def write_tiff(
    file: IO[bytes],
    levels: AnyLevels,
    path: Path,
    *,
    exif: bytes = b"",
    icc_profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """(H, W, C) levels, C 1, 3 or 4, of 8 or 16 bits as a TIFF, compressed without loss.

    Pillow writes no colours of 16 bits, and no EXIF beside compressed pixels. Raises SengaError for more than 4 GB.
    """
    height, width, channels = levels.shape
    strips = [_strip(levels[top : top + ROWS]) for top in range(0, height, ROWS)]
    if (size := sum(map(len, strips))) > LARGEST_TIFF:
        raise SengaError(f"{path}: {size / 1e9:.1f} GB are too many for a TIFF (at most 4.2 GB); choose png")
    ends = np.cumsum([0, *map(len, strips)])
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * levels.itemsize,) * channels,
        259: ADOBE_DEFLATE,
        262: 1 if channels == 1 else 2,  # black is 0; RGB
        273: tuple(map(int, ends[:-1])),  # behind the tags: Pillow adds their length
        277: channels,
        278: ROWS,
        279: tuple(map(len, strips)),
        317: DIFFERENCES,
        **({338: STRAIGHT_ALPHA} if channels == 4 else {}),
        **({282: dpi[0], 283: dpi[1], 296: INCHES} if dpi else {}),
        **({34675: icc_profile} if icc_profile else {}),
        **_tags_of(exif),
    }
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in sorted(tags.items()):
        directory[tag] = value
    file.write(b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8))
    file.writelines(strips)


def _strip(rows: AnyLevels) -> bytes:
    """Differences to the pixel on the left, compressed."""
    wide = rows.astype(f"<u{rows.itemsize}")
    wide[:, 1:] -= rows[:, :-1]  # modulo 2^bits
    return zlib.compress(wide.tobytes(), 4)


def _tags_of(exif: bytes) -> dict[int, Any]:
    found = Image.Exif()
    if exif:
        found.load(exif)
    return {tag: found.get_ifd(tag) if tag in SUB_IFDS else value for tag, value in found.items()}
