"""Picture files of kinds that Pillow reads and does not write: made byte by byte."""

import struct
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray


def tiff(
    samples: NDArray[np.generic],
    *,
    sample_format: int = 1,
    photometric: int = 1,
    bits: int = 0,
    orientation: int = 1,
) -> bytes:
    """A grey TIFF of (H, W) samples. `sample_format` 1 unsigned, 2 signed, 3 float; `photometric` 0 is WhiteIsZero."""
    height, width = samples.shape
    content = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    if bits == 12:  # two samples in three bytes, each row from a new byte
        rows = ["".join(f"{value:012b}" for value in row).ljust(-(-width * 12 // 8) * 8, "0") for row in samples]
        content = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    depth = bits or samples.dtype.itemsize * 8
    tags = [(256, width), (257, height), (258, depth), (259, 1), (262, photometric), (273, 8), (274, orientation)]
    tags += [(277, 1), (278, height), (279, len(content)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(content)) + content + struct.pack("<H", len(tags)) + entries + bytes(4)
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples: ArrayLike, bits: int, *, key: tuple[int, ...] = (), after: bytes = b"", before: bytes = b"") -> bytes:
    """A PNG of (H, W) grey or (H, W, 3) colour samples of `bits` bits; `key` is its transparent colour.

    `before` and `after` are chunks in front of the pixels and behind them.
    """
    values = np.asarray(samples)
    height, width = values.shape[:2]
    lines = []
    for row in values.reshape(height, -1):
        text = "".join(f"{value:0{bits}b}" for value in row)
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        lines.append(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big"))
    head = struct.pack(">IIBBBBB", width, height, bits, 2 if values.ndim == 3 else 0, 0, 0, 0)
    transparent = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    pixels = chunk(b"IDAT", zlib.compress(b"".join(lines)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + transparent + before + pixels + after + chunk(b"IEND", b"")
