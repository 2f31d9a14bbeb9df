"""Tiles whose halo is cut away: each output pixel is written once, by a tile with enough surrounding context.

No feathering: it blends border pixels that are wrong in both tiles. With a halo of the receptive radius, the tiled
picture equals the whole one.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

MIN_TILE = 16
# Messages of allocators that raise a plain RuntimeError, in lower case.
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",  # CPU, Linux
    "not enough memory",  # CPU, Windows
    "not enough gpu video memory",  # DirectML
    "could not create a memory object",  # oneDNN
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
)


@dataclass(frozen=True)
class Tile:
    """The core of a tile, which no other tile writes. Input pixels; `bottom` and `right` are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(f"empty or negative tile: {self}")

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, image: Tensor, scale: int = 1) -> Tensor:
        """This part of (B, C, H, W), of a picture that is `scale` times as large. A view."""
        return image[..., self.top * scale : self.bottom * scale, self.left * scale : self.right * scale]

    def inside(self, window: "Tile") -> "Tile":
        """Where it is in a window that contains it."""
        return Tile(self.top - window.top, self.left - window.left, self.bottom - window.top, self.right - window.left)

    def shrunk(self, factor: int) -> "Tile":
        """The part that covers it in a picture that is `factor` times as small."""
        return Tile(self.top // factor, self.left // factor, -(-self.bottom // factor), -(-self.right // factor))

    def window(self, halo: int, height: int, width: int) -> "Tile":
        """The core with its context, clipped to the picture."""
        return Tile(
            max(0, self.top - halo),
            max(0, self.left - halo),
            min(height, self.bottom + halo),
            min(width, self.right + halo),
        )


def edges(start: int, stop: int, tile: int, alignment: int) -> list[int]:
    """Cut [start, stop) into the fewest parts of at most `tile`, equal to within one alignment step.

    `start` and every edge except the last are multiples of `alignment`. A tile smaller than the alignment counts as
    one alignment step.
    """
    steps = math.ceil((stop - start) / alignment)
    parts = math.ceil(steps / max(1, tile // alignment))
    return [start + i * steps // parts * alignment for i in range(parts)] + [stop]


def cut(area: Tile, tile: int, alignment: int) -> list[Tile]:
    """The balanced grid over an area, row by row: 513 pixels at tile 512 give 256 and 257, not a sliver."""
    rows = edges(area.top, area.bottom, tile, alignment)
    columns = edges(area.left, area.right, tile, alignment)
    return [Tile(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


@dataclass(frozen=True)
class TileGrid:
    """How a picture is cut into tiles, in integers.

    Attributes:
        height, width: of the picture, input pixels.
        tile: largest side of a core, without its halo.
        halo: context on each side, rounded up to the alignment.
        alignment: cores and windows start on multiples of it.
        least: side that windows have at least, as far as the picture goes, for networks that would pad smaller ones.
    """

    height: int
    width: int
    tile: int
    halo: int
    alignment: int = 1
    least: int = 0

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.tile, self.alignment) < 1 or self.halo < 0:
            raise ValueError(f"sizes must be positive and the halo 0 or more: {self}")
        object.__setattr__(self, "halo", math.ceil(self.halo / self.alignment) * self.alignment)

    def __iter__(self) -> Iterator[Tile]:
        return iter(cut(Tile(0, 0, self.height, self.width), self.tile, self.alignment))

    def window(self, core: Tile) -> Tile:
        window = core.window(self.halo, self.height, self.width)
        top, bottom = self.widened(window.top, window.bottom, self.height)
        left, right = self.widened(window.left, window.right, self.width)
        return Tile(top, left, bottom, right)

    def widened(self, start: int, stop: int, length: int) -> tuple[int, int]:
        """One side of a window, widened to `least` after its end, then before its start."""
        stop = max(stop, min(length, start + self.least))
        return min(start, max(0, stop - self.least) // self.alignment * self.alignment), stop

    @property
    def smallest(self) -> bool:
        return self.tile <= max(MIN_TILE, self.alignment)

    def halved(self) -> "TileGrid":
        return TileGrid(
            self.height,
            self.width,
            max(MIN_TILE, self.alignment, self.tile // 2),
            self.halo,
            self.alignment,
            self.least,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device is out of memory; torch has no common class for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in OUT_OF_MEMORY)


def empty_cache() -> None:
    """Release torch's cached memory, so that the smaller tile finds a contiguous block."""
    for backend in (torch.cuda, torch.mps, torch.xpu):
        if backend.is_available():
            backend.empty_cache()


def run_tiles(
    grid: TileGrid,
    fill: Callable[[Tile, Tile], None],
    before_tile: Callable[[], None],
    after_tile: Callable[[int], None],
) -> TileGrid:
    """Go through the tiles. If memory runs out, halve the tile and go on with the rest.

    Args:
        grid: the tiles.
        fill: (core, window) -> computes the window and writes the core; each pixel is written once.
        before_tile: may raise to stop.
        after_tile: called with the number of input pixels of the tile.

    Returns:
        The grid that fitted, with a smaller tile if memory ran out.

    Raises:
        The device's out-of-memory error, if the tile cannot be halved any further.
    """
    pending = list(grid)[::-1]
    while pending:
        before_tile()
        core = pending.pop()
        fits = True
        try:
            fill(core, grid.window(core))
        except (RuntimeError, MemoryError) as error:
            if grid.smallest or not is_out_of_memory(error):
                raise
            grid = grid.halved()
            # Finished tiles stay; only the pending ones are cut again.
            pending = [part for tile in [*pending, core] for part in cut(tile, grid.tile, grid.alignment)[::-1]]
            fits = False
        if fits:
            after_tile(core.pixels)
        else:
            # Not in the except block: its traceback still holds the failed tile's tensors.
            empty_cache()
    return grid
