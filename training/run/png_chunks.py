"""PNG files whose texts, profile or notes Pillow would refuse: the same picture without those chunks."""

import io
import struct
import zlib
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT")  # these decide about the picture
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LARGEST = 2**20  # bytes of a text or profile when expanded; Pillow's own limit
ALL_TEXTS = 32 * LARGEST  # of all together; half of Pillow's


def readable_png(file: IO[bytes]) -> IO[bytes]:
    """The file itself or, where it has such chunks, a copy in memory without them; both at their beginning."""
    start = file.tell()
    bad = _bad_chunks(file) if file.read(len(SIGNATURE)) == SIGNATURE else []
    file.seek(start)
    if not bad:
        return file
    parts, place = [], 0
    content = file.read()
    for begin, end in bad:
        parts.append(content[place : begin - start])
        place = end - start
    return io.BytesIO(b"".join([*parts, content[place:]]))


def _bad_chunks(file: IO[bytes]) -> list[tuple[int, int]]:
    """(begin, end) of each. A file that is cut short is left to Pillow to report."""
    bad: list[tuple[int, int]] = []
    texts = 0
    while len(head := file.read(8)) == 8:
        begin = file.tell() - 8
        length, name = struct.unpack(">I4s", head)
        end = begin + 12 + length
        if name == b"IEND":
            break
        if name not in PIXELS:
            data = file.read(length) if length <= ALL_TEXTS else b""
            whole = len(data) == length and file.read(4) == struct.pack(">I", zlib.crc32(name + data))
            size = _expanded(name, data) if texts <= ALL_TEXTS else LARGEST + 1
            texts += size if name in TEXTS else 0
            if not whole or size > LARGEST:
                bad.append((begin, end))
        file.seek(end)
    return bad


def _expanded(name: bytes, data: bytes) -> int:
    """Bytes of a text or profile when it is expanded, LARGEST + 1 for all that are more; 0 for other chunks."""
    if name not in (*TEXTS, b"iCCP"):
        return 0
    packed = data[data.find(b"\0") + 2 :] if name in (b"zTXt", b"iCCP") else b""
    if name == b"iTXt":
        rest = data[data.find(b"\0") + 1 :]  # whether it is packed, how, language, translated keyword, text
        packed = rest[2:].split(b"\0", 2)[-1] if rest[:1] == b"\1" else b""
    if not packed:
        return len(data)
    try:
        return len(zlib.decompressobj().decompress(packed, LARGEST + 1))
    except zlib.error:
        return 0  # Pillow leaves it out
