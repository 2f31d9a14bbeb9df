"""Animations written frame by frame: one frame is held, and what the format's encoder needs.

Pillow's own writers of GIF and PNG hold all frames as they are until the last has come. Here each frame is compressed
by Pillow as a picture of its own, and its data is put into the animation's file. The writers of WebP and AVIF hold
compressed frames; they get a Reel, since they would make a list of all frames otherwise.

PNG: "PNG Specification (Third Edition)", W3C, 2025, chapter 11.3.6. GIF: "Graphics Interchange Format 89a",
CompuServe, 1990.
"""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNTIMED = 10  # milliseconds; viewers show frames of up to 10 ms for 100 ms, whatever the format
MOST = 65535  # of a field of 16 bits
LONGEST_GIF = MOST * 10  # milliseconds of one frame
LONGEST_PNG = MOST  # the same; longer times are written in whole seconds

Levels = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom
Timed = tuple[Image.Image, int]  # a frame and the time that it is shown, in ms


class Reel:
    """The frames of an animation as one picture of many frames, which holds the last one asked for."""

    def __init__(self, frames: Iterator[Image.Image], count: int) -> None:
        self.n_frames = count
        self.is_animated = True
        self._frames = frames
        self._at = -1
        self.seek(0)

    def seek(self, number: int) -> None:
        """Go to a frame: the same, or the next. Raises EOFError after the last one, as Pillow's pictures do."""
        if number not in (self._at, self._at + 1):
            raise ValueError(f"frame {number} is asked for after frame {self._at}; frames are made once and in order")
        if number == self.n_frames:
            raise EOFError(f"the animation has {number} frames")
        if number == self._at + 1:
            page = next(self._frames, None)
            if page is None:
                raise ValueError(f"the animation ends after {number} of {self.n_frames} frames")
            self._page, self._at = page, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._page, name)


def timed(pages: Iterable[Image.Image], times: Iterable[int], longest: int) -> Iterator[Timed]:
    """Each frame with its time in ms; equal frames that follow each other become one of at most `longest` ms."""
    before: Timed | None = None
    for page, time in zip(pages, times, strict=True):
        if before is None:
            before = page, time
        elif before[1] + time <= longest and _same(before[0], page):
            before = before[0], before[1] + time
        else:
            yield before
            before = page, time
    if before is not None:
        yield before


def _same(one: Image.Image, other: Image.Image) -> bool:
    return one.tobytes() == other.tobytes() and one.getpalette() == other.getpalette()


def write_gif(file: IO[bytes], frames: Iterable[Timed], plays: int) -> None:
    """Pages of mode "P" and their times, as a GIF that plays so often, 0 endlessly.

    Each frame clears the one before, so that it may be clear where that was not. Pages whose info has "transparency"
    are clear where they have that index.
    """
    empty = True
    for page, ms in frames:
        index = page.info.get("transparency")
        left, top, right, bottom = box = (0, 0, *page.size) if empty else _drawn(page, index)
        colours, pixels = _gif_parts(page.crop(box))
        if empty:
            file.write(b"GIF89a" + struct.pack("<HHBBB", *page.size, 0x80 | _table_bits(colours), 0, 0) + colours)
            if plays != 1:  # it counts repeats
                repeats = struct.pack("<BBHB", 3, 1, min(MOST, max(0, plays - 1)), 0)
                file.write(b"!\xff\x0bNETSCAPE2.0" + repeats)
        flags = 2 << 2 | (index is not None)  # clear it when it has been shown
        file.write(b"!\xf9\x04" + struct.pack("<BHBB", flags, min(MOST, ms // 10), index or 0, 0))
        local = 0 if empty else 0x80 | _table_bits(colours)
        file.write(b"," + struct.pack("<HHHHB", left, top, right - left, bottom - top, local))
        file.write((b"" if empty else colours) + pixels)
        empty = False
    file.write(b";")


def _drawn(page: Image.Image, clear: int | None) -> Box:
    """The smallest box that holds all that is not clear; one pixel where nothing is drawn."""
    if clear is None:
        return (0, 0, *page.size)
    return _box(np.asarray(page) != clear) or (0, 0, 1, 1)


def _box(mask: NDArray[np.bool_]) -> Box | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _table_bits(colours: bytes) -> int:
    """A table of 2^(n + 1) colours has the number n."""
    return (len(colours) // 3).bit_length() - 2


def _gif_parts(page: Image.Image) -> tuple[bytes, bytes]:
    """A page's table of colours and its compressed pixels, out of the file that Pillow makes of it."""
    page.info.pop("transparency", None)
    whole = io.BytesIO()
    page.save(whole, format="GIF", optimize=False, interlace=0)
    data = whole.getvalue()
    begin = 13 + 3 * (2 << (data[10] & 7))
    colours, place = data[13:begin], begin
    while data[place] == ord("!"):  # extensions: two bytes, then blocks up to an empty one
        place += 2
        while data[place]:
            place += 1 + data[place]
        place += 1
    return colours, data[place + 10 : -1]


def write_png_animation(file: IO[bytes], frames: Iterable[Timed], plays: int, **options: Any) -> None:
    """Pages of one mode, "RGB" or "RGBA", and their times as an animated PNG that plays so often, 0 endlessly.

    Each frame replaces the part of the one before in which they differ, alpha included. `options` are those of Pillow's
    writer. `file` can seek: the number of frames is filled in at the end.
    """
    before: Levels | None = None
    count = sequence = place = 0
    for page, ms in frames:
        levels = np.asarray(page)
        box = (0, 0, *page.size) if before is None else _box((levels != before).any(2)) or (0, 0, 1, 1)
        head, pixels = png_parts(page.crop(box), options)
        if before is None:
            file.write(head)
            place = file.tell()
            chunk(file, b"acTL", struct.pack(">II", 0, plays))
        chunk(file, b"fcTL", _frame_control(sequence, box, ms))
        sequence += 1
        for part in pixels:
            if before is None:
                chunk(file, b"IDAT", part)
            else:
                chunk(file, b"fdAT", struct.pack(">I", sequence) + part)
                sequence += 1
        before = levels
        count += 1
    chunk(file, b"IEND", b"")
    file.seek(place)
    chunk(file, b"acTL", struct.pack(">II", count, plays))
    file.seek(0, io.SEEK_END)


def _frame_control(sequence: int, box: Box, ms: int) -> bytes:
    left, top, right, bottom = box
    seconds = Fraction(ms, 1000)
    if seconds.numerator > MOST:
        seconds = Fraction(min(MOST, round(seconds)))
    size_and_place = struct.pack(">IIII", right - left, bottom - top, left, top)
    return (
        struct.pack(">I", sequence)
        + size_and_place
        + struct.pack(">HHBB", seconds.numerator, seconds.denominator, 0, 0)
    )


def chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    """Write one chunk of a PNG."""
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def png_parts(page: Image.Image, options: dict[str, Any]) -> tuple[bytes, list[bytes]]:
    """What is in front of a page's compressed pixels (signature, header, profile), and the pixels, in parts."""
    whole = io.BytesIO()
    page.save(whole, format="PNG", **options)
    data, place, head, pixels = whole.getvalue(), 8, 8, []
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            pixels.append(data[place + 8 : place + 8 + length])
        elif not pixels:
            head = place + 12 + length
        place += 12 + length
    return data[:head], pixels
