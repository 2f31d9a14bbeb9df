"""The index of an MP4 or QuickTime file, looked at before FFmpeg makes room for it.

A few bytes can announce thousands of millions of samples of one size, and FFmpeg makes an entry of 24 bytes for each.
Boxes: ISO/IEC 14496-12, "ISO base media file format", sections 4.2, 8.6.1.2 (stts), 8.7.3.2 (stsz), 8.8.8 (trun).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import SengaError

# Boxes of boxes. FFmpeg takes an index in any of them.
OUTER = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"mvex", b"edts", b"udta", b"tref", b"dinf")
MOST_BOXES = 400_000  # ten hours in pieces of a second have 200,000
HEAD = 4096  # bytes of the beginning; FFmpeg would look for a video in the whole of a file of zeros
EACH = (1, 1)  # of stts: one entry, and a sample lasts one tick


def check_index(path: Path) -> None:
    """Raises SengaError, naming the file, where its samples cannot be in it: each has a byte at least. OSError."""
    size = path.stat().st_size
    announced = 0
    with path.open("rb") as file:
        if size and not any(file.read(HEAD)):
            raise SengaError(f"{path}: begins with zeros, as a file that was not downloaded to its end; fetch it again")
        for number, count in enumerate(_counts(file, size)):
            if count is None:
                raise SengaError(f"{path}: has a packed index, as QuickTime made it before 2000; save it as MP4")
            if number == MOST_BOXES:
                raise SengaError(f"{path}: has more than {MOST_BOXES:,} boxes; is it a video?")
            announced += count
            if announced > size:
                raise SengaError(
                    f"{path}: its index announces at least {announced} bytes of samples, the file has {size}; fetch it"
                    " again"
                )


def _counts(file: BinaryIO, size: int) -> Iterator[int | None]:
    """For each box, how many bytes the samples take at least that it announces; None for a packed index.

    Nothing for files of other kinds.
    """
    rest = [(0, size)]
    kind, ticks = b"", (0, 0)  # of the track: what it holds, and its first entry of stts with their number
    while rest:
        begin, end = rest.pop()
        file.seek(begin)
        head = file.read(16)
        if end - begin < 8 or len(head) < 8:
            continue
        length, name = struct.unpack(">I4s", head[:8])
        start = begin + 8
        if length == 1 and len(head) == 16:
            length, start = int.from_bytes(head[8:]), begin + 16
        after = min(end, begin + length) if length else end
        if after < start:  # of no file of this kind, or FFmpeg leaves it, too
            continue
        rest.append((after, end))
        if name in OUTER:
            rest.append((start, after))
        file.seek(start)
        content = file.read(min(16, after - start)).ljust(16, b"\0")
        words = struct.unpack(">4I", content)
        if name == b"hdlr":
            kind = content[8:12]
        elif name == b"stts":
            ticks = (words[1], words[3])
        # Old sound is counted in ticks, of which one byte holds several; FFmpeg makes no entry for each of them.
        counted = kind == b"soun" and ticks == EACH and words[1] == 1
        if name == b"stsz" and not counted:
            yield words[2] * max(1, words[1])
        else:
            yield None if name == b"cmov" else words[1] if name == b"trun" else 0
