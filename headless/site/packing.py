"""Compressed copies of a site's files: gzip always, Brotli where its library is there."""

import gzip
from collections.abc import Callable
from functools import partial

from ...arch.errors import install
from ..log import logger

ENDINGS = {"br": "br", "gz": "gzip"}  # of a copy, and what HTTP calls its encoding; the smallest first
# Of Brotli's levels the highest takes a second for each megabyte, which is too long for WebAssembly of 27 MB.
BEST, LARGE = 11, 9
LARGE_FROM = 2 * 10**6  # bytes

Packer = Callable[[bytes], bytes]


def packers() -> dict[str, Packer]:
    """How to compress, by the ending of the copy. Without Brotli's library the log says how to get it."""
    found: dict[str, Packer] = {
        "gz": partial(gzip.compress, compresslevel=9, mtime=0)
    }  # no time: always the same bytes
    try:
        import brotli
    except ImportError:
        logger.info("no .br files beside the .gz, since brotli is not installed; to have them: %s", install("page"))
        return found
    return found | {
        "br": lambda data: brotli.compress(data, quality=BEST if len(data) < LARGE_FROM else LARGE, lgwin=24)
    }
