"""Tiles that need no network: those whose window was seen before, and those that are transparent throughout.

Flat parts of pages, repeated parts of a picture, and the still parts of a batch of frames have equal windows. A result
depends on its window alone, so the same bytes can be copied from where they were written first.
"""

import hashlib
import logging

import torch
from torch import Tensor

from .pictures.strips import Source
from .tiling import EACH, Tile, TileGrid

logger = logging.getLogger("senga.engine")

LEAST_HALO = 4  # a transparent tile this far from visible pixels is not mixed into them by the resize at the end
KEPT = 4096  # results; those written first go first
LOOKED_AT = 8  # every so many rows of a window, where it is only estimated what tiles would cost
COPIED = 128 * 2**20  # bytes of results that are kept as copies


class Repeats:
    """Of one call of `upscale`. What is kept are views of the result, and copies of what is resized afterwards."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Tensor] = {}
        self._copies: dict[bytes, Tensor] = {}
        self._copied = 0  # bytes
        self._computed = self._repeated = self._hidden = 0  # input pixels

    def find(self, key: bytes, core: Tile) -> Tensor | None:
        """The result of such a tile: (1, C, scale * h, scale * w)."""
        found = self._kept.get(key, self._copies.get(key))
        if found is None:
            self._computed += core.pixels
        else:
            self._repeated += core.pixels
        return found

    def keep(self, key: bytes, result: Tensor, lasting: bool) -> None:
        """lasting: whether the memory of `result` is held anyway, until the end of the call."""
        if lasting:
            self._kept[key] = result
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
            return
        self._copies[key] = result.clone(memory_format=torch.contiguous_format)
        self._copied += result.nbytes
        while self._copied > COPIED:
            self._copied -= self._copies.pop(next(iter(self._copies))).nbytes

    def invisible(self, core: Tile, window: Tile, alpha: Source, scale: int, halo: int) -> bool:
        """See `invisible`, which is counted here."""
        if not invisible(window, alpha, scale, halo):
            return False
        self._hidden += core.pixels
        return True

    def log(self) -> None:
        """Say how much was saved."""
        total = self._computed + self._repeated + self._hidden
        if self._repeated or self._hidden:
            logger.info(
                "%.0f %% of the pixels did not need the network: %.0f %% repeated, %.0f %% transparent",
                100 * (self._repeated + self._hidden) / total,
                100 * self._repeated / total,
                100 * self._hidden / total,
            )


def key_of(part: Tensor, core: Tile, window: Tile, kind: object) -> bytes:
    """Equal for windows of equal content and shape whose cores are at the same place in them.

    Args:
        part: (1, C, h, w), the window's pixels.
        kind: what else the result depends on.
    """
    digest = hashlib.blake2b(part.contiguous().cpu().numpy().data, digest_size=16)
    digest.update(f"{core.inside(window)} {tuple(part.shape)} {kind}".encode())
    return digest.digest()


def invisible(window: Tile, alpha: Source, scale: int, halo: int) -> bool:
    """Whether nothing of a window can be seen.

    Args:
        alpha: of the picture before the first pass.
        scale: how many times larger the picture is in which the window is.
        halo: its context, in pixels of that picture.
    """
    if halo < LEAST_HALO * scale:
        return False
    first = Tile(window.top // scale, window.left // scale, -(-window.bottom // scale), -(-window.right // scale))
    return bool(alpha.of(first).max() <= 0)


def pixels_needed(grid: TileGrid, source: Source, alpha: Source | None, limit: float) -> float:
    """About how many pixels, context included, go through the network: a few rows of each window are looked at.

    Args:
        alpha: of the same picture, for its colours; None for what has none, and for alpha itself.
        limit: from which the number does not matter.
    """
    seen: set[bytes] = set()
    total = 0.0
    for core in grid:
        window = grid.window(core)
        if alpha is None or not invisible(window, alpha, 1, grid.halo):
            part = source.of(window)[:, :, ::LOOKED_AT]
            key = key_of(part, core, window, None)
            if key not in seen:
                seen.add(key)
                total += window.pixels + EACH
                if total >= limit:
                    break
    return total
