"""Tiles whose halo is cut away: each output pixel is written once, by a tile with enough surrounding context.

No feathering: it blends border pixels that are wrong in both tiles. With a halo of the receptive radius, the tiled
picture equals the whole one.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

MIN_TILE = 16
EACH = 1000  # pixels that can be computed in the time that a tile takes by itself
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

    def borders(self, height: int, width: int, outer: int, inner: int) -> tuple[int, int, int, int]:
        """Pixels on the left, right, top and bottom: `outer` where it reaches the edge of a picture, else `inner`."""
        reached = self.left == 0, self.right == width, self.top == 0, self.bottom == height
        left, right, top, bottom = (outer if side else inner for side in reached)
        return left, right, top, bottom

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


def cheapest(height: int, width: int, context: int, border: int, most: int, tallest: int) -> tuple[int, int, int]:
    """The grid whose windows have at most `most` pixels and together the fewest: they need not be square.

    Args:
        height, width: of the picture.
        context: pixels around a core that are computed with it.
        border: the same at the edges of the picture.
        tallest: the most rows of a core.

    Returns:
        Height and width of a core, MIN_TILE or more, and the pixels of all windows.
    """
    around = 2 * max(context, border)
    found: list[tuple[int, int, int]] = []
    for columns in range(1, max(1, width // MIN_TILE) + 1):
        wide = math.ceil(width / columns)
        across = min(width + 2 * border, wide + around)
        tall = min(height, tallest, most // across - (around if (height + 2 * border) * across > most else 0))
        if tall >= min(height, MIN_TILE):
            rows = math.ceil(height / tall)
            pixels = (width + 2 * border + 2 * context * (columns - 1)) * (
                height + 2 * border + 2 * context * (rows - 1)
            )
            found.append((pixels + EACH * rows * columns, math.ceil(height / rows), wide))
    pixels, tall, wide = min(found, default=(height * width, MIN_TILE, MIN_TILE))
    return tall, wide, pixels


@dataclass(frozen=True)
class TileGrid:
    """How a picture is cut into tiles, in integers.

    Attributes:
        height, width: of the picture, input pixels.
        tile: largest side of a core, without its halo, or its largest height where `wide` is given.
        halo: context on each side, rounded up to the alignment.
        alignment: cores and windows start on multiples of it.
        least: side that windows have at least, as far as the picture goes, for networks that would pad smaller ones.
        wide: largest width of a core; 0: as `tile`.
    """

    height: int
    width: int
    tile: int
    halo: int
    alignment: int = 1
    least: int = 0
    wide: int = 0

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.tile, self.alignment) < 1 or self.halo < 0:
            raise ValueError(f"sizes must be positive and the halo 0 or more: {self}")
        object.__setattr__(self, "halo", math.ceil(self.halo / self.alignment) * self.alignment)

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.cut(Tile(0, 0, self.height, self.width)))

    def cut(self, area: Tile) -> list[Tile]:
        """The cores of an area, row by row, balanced: 513 pixels at tile 512 give 256 and 257, not a sliver."""
        rows = edges(area.top, area.bottom, self.tile, self.alignment)
        columns = edges(area.left, area.right, self.wide or self.tile, self.alignment)
        return [Tile(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]

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
        return max(self.tile, self.wide) <= max(MIN_TILE, self.alignment)

    def halved(self) -> "TileGrid":
        tile, wide = (max(MIN_TILE, self.alignment, side // 2) for side in (self.tile, self.wide or self.tile))
        return replace(self, tile=tile, wide=wide)


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
    area: Tile,
    fill: Callable[[Tile, Tile], None],
    before_tile: Callable[[], None],
    after_tile: Callable[[int], None],
) -> TileGrid:
    """Go through the tiles of an area. If memory runs out, halve the tile and go on with the rest.

    Args:
        grid: how the picture is cut.
        area: a part of it, such as a row of tiles.
        fill: (core, window) -> computes the window and writes the core; each pixel is written once.
        before_tile: may raise to stop.
        after_tile: called with the number of input pixels of the tile.

    Returns:
        The grid that fitted, with a smaller tile if memory ran out.

    Raises:
        The device's out-of-memory error, if the tile cannot be halved any further.
    """
    pending = grid.cut(area)[::-1]
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
            pending = [part for tile in [*pending, core] for part in grid.cut(tile)[::-1]]
            fits = False
        if fits:
            after_tile(core.pixels)
        else:
            # Not in the except block: its traceback still holds the failed tile's tensors.
            empty_cache()
    return grid
