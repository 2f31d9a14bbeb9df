"""Pictures as strangers might make them: each tiny to write, and none may take much time or memory.

HOSTILE is one row a file: (name, what writes it, words of the sentence that refuses it).
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from sample_pictures import chunk

Write = Callable[[Path], object]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
OVER, DENSE, UNDER = 16_000, 15_000, 9_900  # sides of squares: more pixels than are read, than in few bytes, fewer
COMMAND = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(executed) (w) file closefile\nshowpage\n"
PAGE = b"<!DOCTYPE html><html><head><title>404</title></head></html>"
SCANS = 20_000


def of(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (8, 8), 77 if mode == "L" else None).save(file, kind, **options)
    return file.getvalue()


def patched(data: bytes, found: bytes, instead: bytes) -> bytes:
    assert found in data
    return data.replace(found, instead, 1)


# --- PNG


def png_head(width: int, height: int, bits: int = 8, colours: int = 2) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))


def flat_png(side: int) -> bytes:
    """A black square of 1 bit a pixel."""
    packer = zlib.compressobj(9)
    line = b"\0" + bytes(-(-side // 8))
    pixels = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    return png_head(side, side, 1, 0) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def apng(frames: int) -> bytes:
    """An animation that says it has so many frames, each of which would have 4000x4000 pixels."""
    control = chunk(b"acTL", struct.pack(">II", frames, 0))
    first = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 4000, 4000, 0, 0, 1, 10, 0, 0))
    return png_head(4000, 4000) + control + first + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


# --- others


def webp(side: int) -> bytes:
    """The head of a lossless WebP without pixels: 36 bytes, as found in the wild."""
    body = b"WEBPVP8L" + struct.pack("<IBI", 16, 0x2F, (side - 1) | (side - 1) << 14) + bytes(11)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_animation(side: int, frames: int) -> bytes:
    """A large canvas, on which each frame draws a pixel."""
    small = io.BytesIO()
    Image.new("RGB", (1, 1)).save(small, "WEBP", lossless=True)
    pixel = small.getvalue()[12:]
    sides = (side - 1).to_bytes(3, "little") * 2
    frame = bytes(6) + bytes(6) + (50).to_bytes(3, "little") + b"\0" + pixel
    parts = [(b"VP8X", b"\x02\0\0\0" + sides), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames]
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(side: int, frames: int = 1) -> bytes:
    """A canvas of `side` pixels, on which each frame draws one."""
    frame = b"!\xf9\x04\x00\x05\x00\x00\x00," + bytes(4) + b"\1\0\1\0\0\2\2\x44\1\0"
    return b"GIF89a" + side.to_bytes(2, "little") * 2 + b"\x80\0\0" + bytes(6) + frame * frames + b";"


def bmp(side: int) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(16)


def jpeg(side: int, marker: int = 0xC0, scans: int = 0) -> bytes:
    """A grey JPEG that says it has so many pixels. With `scans` it is progressive, each scan refining nothing."""
    small = bytearray(saved("JPEG", "L", progressive=bool(scans)))
    place = small.index(bytes([0xFF, 0xC2 if scans else 0xC0]))
    small[place + 1] = 0xC2 if scans else marker
    small[place + 5 : place + 9] = struct.pack(">HH", side, side)
    if not scans:
        return bytes(small)
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0) + b"\0"
    return bytes(small[:-2]) + scan * scans + b"\xff\xd9"


def tiff(entries: list[tuple[int, int, int, int]], after: int = 0) -> bytes:
    """A TIFF of one directory at byte 8, with entries of (tag, kind, count, value), followed by that at `after`."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + packed + struct.pack("<I", after)


def tiff_of(side: int, *more: tuple[int, int, int, int], after: int = 0) -> bytes:
    own = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: side * side}
    entries = {tag: (tag, 4, 1, value) for tag, value in own.items()} | {entry[0]: entry for entry in more}
    return tiff([*entries.values()], after)


def grey_tiff(value: bytes, sample_format: int) -> bytes:
    """A pixel of 32 bits."""
    place = 8 + 2 + 10 * 12 + 4
    more = [(258, 4, 1, 32), (273, 4, 1, place), (279, 4, 1, 4), (339, 3, 1, sample_format)]
    return tiff_of(1, *more) + value


def jp2(side: int, tile: int) -> bytes:
    """JPEG 2000 with sides and tiles that its few bytes do not have."""
    data = bytearray(saved("JPEG2000"))
    place = data.index(b"\xff\x51") + 6
    data[place : place + 32] = struct.pack(">8I", side, side, 0, 0, tile, tile, 0, 0)
    where = data.index(b"ihdr") + 4
    data[where : where + 8] = struct.pack(">II", side, side)
    return bytes(data)


def avif(side: int) -> bytes:
    data = bytearray(saved("AVIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", side, side)
    return bytes(data)


def psd(side: int) -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, side, side, 8, 3) + bytes(12) + b"\0\0"


def tga(side: int) -> bytes:
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0) + b"\xff\0\0\0"


def ico(side: int) -> bytes:
    inside = png_head(side, side) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inside), 22) + inside


def exif_loop() -> bytes:
    """An EXIF directory whose sub-directory is itself, in a PNG without pixels."""
    directory = tiff([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)], after=8)
    return png_head(8, 8) + chunk(b"eXIf", directory) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


IDAT = chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")

HOSTILE: list[tuple[str, Write, str]] = [
    # more pixels than are read
    ("over.webp", of(webp(16_383)), "has more than 250,000,000 pixels"),
    ("over.png", of(flat_png(OVER)), "has more than 250,000,000 pixels"),
    ("over.gif", of(gif(65_535)), "pixels"),
    ("over.bmp", of(bmp(60_000)), "pixels"),
    ("over.jpg", of(jpeg(65_500)), "pixels"),
    ("over.tif", of(tiff_of(OVER)), "has more than 250,000,000 pixels"),
    ("over.jp2", of(jp2(OVER, OVER)), "pixels"),
    ("over.psd", of(psd(30_000)), "pixels"),
    ("over.tga", of(tga(65_535)), "pixels"),
    ("over.ppm", of(b"P6 65000 65000 255\n" + bytes(9)), "pixels"),
    ("over.qoi", of(b"qoif" + struct.pack(">IIBB", OVER, OVER, 3, 0) + bytes(9)), "pixels"),
    ("most.png", of(png_head(2**31 - 1, 2**31 - 1) + IDAT), "pixels"),
    ("frames.png", of(apng(2**31 - 1)), "has 2147483647 frames of 4000x4000 pixels"),
    ("frames.gif", of(gif(UNDER, 400)), "has 400 frames of 9900x9900 pixels"),
    ("frames.webp", of(webp_animation(16_000, 40)), "pixels"),
    # as many as are read, by their heads alone
    ("dense.webp", of(webp(DENSE)), "has 15000x15000 pixels in 36 bytes"),
    ("under.png", of(png_head(UNDER, UNDER) + IDAT), "damaged"),
    ("under.bmp", of(bmp(UNDER)), "damaged"),
    ("under.jpg", of(jpeg(UNDER)[:-9]), "damaged"),
    ("under.tif", of(tiff_of(UNDER)), "damaged"),
    ("dense.png", of(png_head(DENSE, DENSE) + IDAT), "has 15000x15000 pixels in "),
    ("dense.tga", of(tga(DENSE)), "has 15000x15000 pixels in 22 bytes"),
    ("small.webp", of(webp(3900)), "damaged"),
    ("dense.jp2", of(jp2(DENSE, DENSE)), "has 15000x15000 pixels in "),
    ("under.psd", of(psd(UNDER)), "damaged"),
    ("under.tga", of(tga(UNDER)), "damaged"),
    ("under.ppm", of(b"P6 9900 9900 255\n" + bytes(9)), "damaged"),
    ("under.qoi", of(b"qoif" + struct.pack(">IIBB", UNDER, UNDER, 3, 0) + bytes(9)), "damaged"),
    ("dense.avif", of(avif(DENSE)), "has 15000x15000 pixels in "),
    ("under.ico", of(ico(UNDER)), "damaged"),
    ("tiles.jp2", of(jp2(3900, 1)), "damaged"),
    ("scans.jpg", of(jpeg(8000, scans=SCANS)), "scans"),
    # directories and chunks
    ("nothing.png", of(png_head(0, 0) + IDAT), "not a picture"),
    ("crc.png", of(patched(png_head(8, 8), b"IHDR", b"IHDS") + IDAT), "not a picture"),
    ("chunk.png", of(png_head(8, 8) + struct.pack(">I", 2**32 - 1) + b"IDAT" + bytes(9)), "damaged"),
    ("names.png", of(png_head(8, 8) + chunk(b"\xff\0\x1b[", b"") + IDAT), "not a picture"),
    ("exif.png", of(exif_loop()), "damaged"),
    ("bits.png", of(png_head(8, 8, 99, 77) + IDAT), "not a picture"),
    ("short.png", of(saved("PNG")[:44]), "damaged"),
    ("count.tif", of(tiff_of(8, (273, 4, 2**32 - 1, 8))), "not a picture"),
    ("sizes.tif", of(tiff_of(8, (256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1))), "pixels"),
    ("types.tif", of(tiff_of(8, (256, 2, 4, 0x41414141))), "damaged"),
    ("lines.tif", of(tiff_of(8, (278, 4, 1, 0))), "damaged"),
    ("nan.tif", of(grey_tiff(struct.pack("<f", float("nan")), 3)), "holds floats"),
    ("inf.tif", of(grey_tiff(struct.pack("<f", float("inf")), 3)), "holds floats"),
    ("white.tif", of(grey_tiff(struct.pack("<I", 2**32 - 1), 1)), "no known white"),
    ("signed.tif", of(grey_tiff(struct.pack("<i", -5), 2)), "no known white"),
    ("plain.ppm", of(b"P3 " + b"9" * 10**6), "damaged"),
    ("colours.ppm", of(b"P3 2 2 255 " + b"7" * 10**6), "damaged"),
    ("entries.ico", of(struct.pack("<HHH", 0, 1, 65_535) + bytes(64)), "not a picture"),
    ("block.gif", of(gif(8).replace(b"\2\2\x44\1", b"\x0c\xff")), "damaged"),
    # not pictures
    ("code.png", of(COMMAND), "not a picture"),
    (
        "code.eps.jpg",
        of(b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, len(COMMAND), 0, 0, 0, 0) + bytes(4) + COMMAND),
        "not a p",
    ),
    (
        "vectors.png",
        of(b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://127.0.0.1:9/'/></svg>"),
        "not a p",
    ),
    ("page.jpg", of(PAGE), "not a picture"),
    ("pointer.webp", of(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64), "not a picture"),
    ("empty.png", of(b""), "0 bytes"),
    ("zeros.png", lambda path: (path.touch(), os.truncate(path, 64 * 10**9)), "not a picture"),
    ("folder.png", lambda path: path.mkdir(), "no picture was found"),
    ("pipe.png", lambda path: os.mkfifo(path), "is a pipe; expected a file"),
    ("loop.png", loop, "cannot be opened (Too many levels of symbolic links)"),
    ("gone.png", lambda path: path.symlink_to("nowhere.png"), "does not exist"),
]
