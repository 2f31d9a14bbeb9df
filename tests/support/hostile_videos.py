"""Videos as strangers might make them. HOSTILE is one row a file: (name, what writes it, words of the refusal)."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

from hostile_pictures import PAGE, of
from sample_videos import Film, draw

Write = Callable[[Path], object]
MANY = 2**31 - 1
ONES = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)  # a matrix that turns nothing


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", flags), *parts)


def mp4(count: int, size: int = 1, side: int = 64, *, kind: bytes = b"vide", ticks: int = 1) -> bytes:
    """A track of `count` samples of `size` bytes each, of which none is there."""
    head = full(b"mvhd", struct.pack(">IIIIIH10x", 0, 0, 1000, 1000, 0x10000, 0x100), ONES, bytes(24), b"\0\0\0\2")
    track = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, 1000), bytes(16), ONES, struct.pack(">II", side, side))
    media = full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, 1000, 0x55C4, 0))
    what = full(b"hdlr", bytes(4), kind, bytes(12), b"x\0")
    sides = struct.pack(">HHIIIH", side, side, 0x480000, 0x480000, 0, 1)
    entry = box(b"mp4v", bytes(6), b"\0\1", bytes(16), sides, bytes(32), b"\0\x18\xff\xff")
    table = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), entry),
        full(b"stts", struct.pack(">III", 1, count, ticks)),
        full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        full(b"stsz", struct.pack(">II", size, count)),
        full(b"stco", struct.pack(">II", 1, 40)),
    )
    where = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1)))
    inside = box(b"minf", full(b"vmhd", bytes(8), flags=1), where, table)
    movie = box(b"moov", head, box(b"trak", track, box(b"mdia", media, what, inside)))
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", bytes(64)) + movie


def pieces(count: int) -> bytes:
    """A movie in pieces, the first of which has `count` samples."""
    run = box(b"traf", full(b"tfhd", struct.pack(">I", 1)), full(b"trun", struct.pack(">I", count)))
    return mp4(0) + box(b"moof", full(b"mfhd", bytes(4)), run)


def cut(share: float) -> Write:
    def write(path: Path) -> None:
        draw(Film(path))
        os.truncate(path, int(path.stat().st_size * share))

    return write


def changed(found: bytes, instead: bytes) -> Write:
    def write(path: Path) -> None:
        draw(Film(path))
        content = path.read_bytes()
        assert found in content
        path.write_bytes(content.replace(found, instead))

    return write


def sdp(path: Path) -> None:
    """A description of a stream that anybody may send to this machine."""
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 127.0.0.1", "t=0 0", "m=video 5004 RTP/AVP 96"]
    path.write_text("\n".join([*lines, "a=rtpmap:96 H264/90000", ""]))


def script(text: str) -> Write:
    """A list of other files under a video's name; the other file is there."""

    def write(path: Path) -> None:
        draw(Film(path.with_name("other.mp4")))
        path.write_text(text)

    return write


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n"

HOSTILE: list[tuple[str, Write, str]] = [
    # what FFmpeg would follow elsewhere
    ("list.mp4", script("ffconcat version 1.0\nfile other.mp4\n"), "cannot be read as a video"),
    ("playlist.mp4", script(PLAYLIST), "cannot be read as a video"),
    ("stream.mkv", sdp, "cannot be read as a video"),
    # an index that fits no file
    ("samples.mp4", of(mp4(MANY)), "its index announces at least 2147483647 bytes"),
    ("sizes.mov", of(mp4(3, MANY)), "its index announces"),
    ("sound.mp4", of(mp4(MANY, kind=b"soun", ticks=2)), "its index announces"),
    ("pieces.mp4", of(pieces(MANY)), "its index announces"),
    ("packed.mov", of(box(b"moov", box(b"cmov", bytes(99)))), "has a packed index"),
    ("nested.mp4", of(box(b"moov", box(b"udta", full(b"stsz", struct.pack(">II", 1, MANY))))), "its index announces"),
    ("boxes.mp4", of(box(b"free") * 400_001), "has more than 400,000 boxes"),
    (
        "endless.mp4",
        of(box(b"ftyp", b"isom", bytes(4)) + struct.pack(">I4sQ", 1, b"moov", 2**63)),
        "has no pictures in it; name",
    ),
    # pictures
    ("wide.mp4", of(mp4(1, 60, 60_000)), "the size of its frames is unknown, or far over 250,000,000 pixels"),
    ("nothing.mp4", of(mp4(0)), "the size of its frames is unknown"),
    ("zeros.mp4", of(mp4(1, 60)), "the size of its frames is unknown"),
    ("codec.mkv", changed(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XXX"), "a codec that FFmpeg does not know"),
    # damage
    ("half.mp4", cut(0.5), "cannot be read as a video"),
    ("half.mkv", cut(0.02), "cannot be read as a video"),
    ("page.webm", of(PAGE), "cannot be read as a video"),
    ("empty.mp4", of(b""), "cannot be read as a video"),
    ("sparse.mp4", lambda path: (path.touch(), os.truncate(path, 64 * 10**9)), "begins with zeros"),
    ("pipe.mp4", lambda path: os.mkfifo(path), "is a pipe; expected a file"),
    ("folder.mp4", lambda path: path.mkdir(), "no picture was found"),
    ("loop.mp4", lambda path: path.symlink_to(path.name), "cannot be opened (Too many levels of symbolic links)"),
]
