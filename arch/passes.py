"""The passes of a picture through a network, tile by tile and strip by strip."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .engines.engine import Engine, choose
from .errors import SengaError, Stopped
from .image import pad_to_multiple, within_neighbours
from .memory import BUDGET, BYTES_PER_FLOAT, REUSED, SHARE, STRIP, free_memory, tile_that_fits
from .overflow import finite
from .pictures.bleeding import Bled
from .pictures.resizing import resized
from .pictures.strips import Canvas, Made, Source
from .precision import DTYPES, autocast
from .repeats import Repeats, key_of, pixels_needed
from .spec import ModelSpec
from .tiling import MIN_TILE, Tile, TileGrid, cheapest, edges, is_out_of_memory, run_tiles

WORTH = 1.3  # times the pixels that may be computed to have no fresh memory pages: these cost 40 % in Compact
FINER = 0.8  # what smaller tiles may cost of what larger ones do; below 1, since the cost is an estimate
CORES = (4, 8)  # times the halo: sides of smaller tiles, which have 2.25 and 1.56 times the pixels with their context
LEAST_CORE = 64

# (core, its result, height and width of the pass's input, opacity of the core at any scale or None)
Watch = Callable[[Tile, Tensor, int, int, Tensor | None], None]


@dataclass
class Run:
    """The arguments of an `upscale` call, and its progress."""

    model: Any
    spec: ModelSpec
    precision: str
    engine: Engine
    pixels: int  # of a frame, over all passes: what the engine is chosen by
    halo: int
    tile: int  # 0: chosen for each pass; reduced for good when memory runs out
    ensemble: bool
    total: int
    progress: Callable[[int, int], None] | None
    should_stop: Callable[[], bool] | None
    watch: Watch | None = None
    done: int = 0
    alpha: Source | None = None  # of the picture whose colour is being upscaled
    repeats: Repeats = field(default_factory=Repeats)

    def passes(self, source: Source, count: int, canvas: Canvas, held: bool) -> None:
        """Run `count` passes and resize to the size of the canvas. held: see within_neighbours."""
        scale, channels = self.spec.scale, canvas.result.shape[1]
        for _ in range(count - 1):
            strips = self.one_pass(source, channels, None, held)
            source = Made(source.height * scale, source.width * scale, strips)
        exact = (canvas.height, canvas.width) == (source.height * scale, source.width * scale)
        strips = self.one_pass(source, channels, canvas if exact else None, held, shown=not held)
        if exact:
            for _ in strips:
                pass
            return
        for top, strip in resized(Made(source.height * scale, source.width * scale, strips), *canvas.size):
            canvas.place(strip, top)

    def one_pass(
        self, source: Source, channels: int, canvas: Canvas | None, held: bool, *, shown: bool = False
    ) -> Iterator[Tensor]:
        """(1, C, rows, scale * width) of each row of tiles, top to bottom. They are written to a canvas, if given.

        shown: whether `watch` is called.
        """
        scale, height, width = self.spec.scale, source.height, source.width
        grid = self.grid(height, width, 0 if canvas is not None else channels * scale * width * BYTES_PER_FLOAT)
        if not isinstance(source, Made):
            grid = self.finer(grid, source)
        for top, bottom in pairwise(edges(0, height, grid.tile, grid.alignment)):
            rows = Tile(top, 0, bottom, width)
            source.drop(grid.window(rows).top)
            there = None if canvas is None else canvas.rows(top * scale, bottom * scale)
            strip = torch.empty((1, channels, (bottom - top) * scale, width * scale)) if there is None else there
            grid = self.tiles(grid, rows, source, strip, held, lasting=there is not None, shown=shown)
            if canvas is not None and there is None:
                canvas.place(strip, top * scale)
            yield strip

    def grid(self, height: int, width: int, row: int) -> TileGrid:
        """row: bytes of a row of the picture's result that are held; 0 for none."""
        spec = self.spec
        grid = TileGrid(height, width, self.tile or MIN_TILE, self.halo, spec.alignment, spec.least)
        if self.tile:
            return grid
        if self.engine.name == "plain":
            return replace(grid, tile=room(spec, self.halo))
        halo = grid.halo
        context, item = halo + spec.inner_border(halo), DTYPES[self.precision].itemsize * self.engine.holds
        most = int(min(free_memory(spec.device) * SHARE, BUDGET) / (spec.trunk_floats * item))
        tallest = max(4 * halo, MIN_TILE, STRIP // (row * spec.scale)) if row else height
        tall, wide, pixels = cheapest(height, width, context, spec.border, most, tallest)
        if self.engine.name == "torch":
            few = min(most, int(2 * REUSED / (spec.trunk_floats * item)))
            tall_few, wide_few, pixels_few = cheapest(height, width, context, spec.border, few, tallest)
            if pixels_few <= WORTH * pixels:
                tall, wide = tall_few, wide_few
        tall, wide = (math.ceil(side / spec.alignment) * spec.alignment for side in (tall, wide))
        return replace(grid, tile=tall, wide=wide)

    def finer(self, grid: TileGrid, source: Source) -> TileGrid:
        """A grid of smaller tiles, where so many of them are flat, transparent or alike that it costs less.

        A picture is judged by itself, and not by others of its batch: tiles change the rounding. Small tiles are slow
        on a GPU, and show in networks that look at the whole picture.
        """
        if self.tile or self.spec.device.type != "cpu" or self.spec.largest_tile:
            return grid
        source = source.colour if isinstance(source, Bled) else source
        cost = FINER * pixels_needed(grid, source, self.alpha, math.inf)
        for times in CORES:
            side = max(LEAST_CORE, times * grid.halo)
            if 2 * side <= max(grid.height, grid.width):
                fine = replace(grid, tile=math.ceil(side / grid.alignment) * grid.alignment, wide=0)
                if (less := pixels_needed(fine, source, self.alpha, cost)) < cost:
                    grid, cost = fine, less
        return grid

    def tiles(
        self, grid: TileGrid, rows: Tile, source: Source, strip: Tensor, held: bool, *, lasting: bool, shown: bool
    ) -> TileGrid:
        """Fill a strip with the tiles of these rows; gives the grid that fitted the memory."""
        spec = self.spec

        def fill(core: Tile, window: Tile) -> None:
            part, target = source.of(window), core.inside(rows).of(strip, spec.scale)
            if self.alpha is not None and self.repeats.invisible(
                core, window, self.alpha, grid.height // self.alpha.height, grid.halo
            ):
                # Shown nowhere, so the network is skipped.
                target.copy_(_enlarged(core.inside(window).of(part), spec.scale))
                return
            borders = window.borders(grid.height, grid.width, spec.border, spec.inner_border(grid.halo))
            key = key_of(part, core, window, (held, borders))
            if (same := self.repeats.find(key, core)) is not None:
                target.copy_(same)
                return
            target.copy_(core.inside(window).of(self.process(part, borders, held), spec.scale))
            self.repeats.keep(key, target, lasting)

        def fill_and_show(core: Tile, window: Tile) -> None:
            fill(core, window)
            if self.watch is not None and shown:
                alpha = None if self.alpha is None else self.alpha.of(core.shrunk(grid.height // self.alpha.height))
                self.watch(core, core.inside(rows).of(strip, spec.scale), grid.height, grid.width, alpha)

        try:
            used = run_tiles(grid, rows, fill_and_show, self.before_tile, self.after_tile)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            device = str(spec.device)
            self.model.to("cpu")
            raise SengaError(
                f"{device} has too little memory for a tile of {MIN_TILE} with a halo of {grid.halo} of the"
                f" {grid.width}x{grid.height} picture; lower the halo, free memory on the device or use another one"
            ) from error
        if used is not grid:
            self.tile = min(used.tile, used.wide)
        return used

    def process(self, part: Tensor, borders: tuple[int, int, int, int], held: bool) -> Tensor:
        """(1, C, h, w) -> (1, C, scale * h, scale * w) on the CPU. borders: pixels to repeat, see Tile.borders."""
        scale = self.spec.scale
        if held and part.min() == part.max():
            # Flat alpha stays as it is, so the network can be skipped: an opaque picture costs nothing extra.
            return _enlarged(part, scale).cpu()
        part = part.to(self.spec.device)
        result = finite(self, F.pad(part, borders, mode="replicate") if any(borders) else part)
        (left, _, top, _), (height, width) = borders, part.shape[-2:]
        result = result[..., top * scale : (top + height) * scale, left * scale : (left + width) * scale]
        return (within_neighbours(result, part) if held else result).cpu()

    def call(self, x: Tensor) -> Tensor:
        """(1, C, H, W) -> (1, C, scale * H, scale * W): match the model's channels, average the flips."""
        channels = x.shape[1]
        if self.spec.channels == 1:
            x = x.transpose(0, 1)  # each channel as a picture of its own
        elif channels == 1:
            x = x.expand(-1, 3, -1, -1)
        if self.engine.precision != self.precision:  # it overflowed, see overflow.py
            self.engine = choose(self.model, self.precision, self.pixels)
        with autocast(x.device, self.precision):
            y = self.ensembled(x) if self.ensemble else self.engine.run(x)
        if self.spec.channels == 1:
            return y.transpose(0, 1)
        return y.mean(1, keepdim=True) if channels == 1 else y

    def ensembled(self, x: Tensor) -> Tensor:
        """The mean over eight flips and rotations, each undone."""
        height, width = x.shape[-2] * self.spec.scale, x.shape[-1] * self.spec.scale
        # Pad to the alignment first: a flip must not move the blocks of pixels that the network works on.
        x = pad_to_multiple(x, self.spec.alignment)
        total: Tensor | None = None
        for turns in range(4):
            for flip in (False, True):
                view = torch.rot90(x, turns, (2, 3))
                y = self.engine.run((view.flip(3) if flip else view).contiguous()).float()
                y = torch.rot90(y.flip(3) if flip else y, -turns, (2, 3))
                total = y if total is None else total.add_(y)
        assert total is not None
        return (total / 8)[..., :height, :width]

    def before_tile(self) -> None:
        if self.should_stop is not None and self.should_stop():
            raise Stopped("stopped by the caller")

    def after_tile(self, pixels: int) -> None:
        self.done += pixels
        if self.progress is not None:
            self.progress(self.done, self.total)


def room(spec: ModelSpec, halo: int) -> int:
    """The largest tile that fits the free memory."""
    free = free_memory(spec.device)
    return tile_that_fits(free, spec.floats, halo + spec.inner_border(halo), spec.device, spec.largest_tile)


def _enlarged(image: Tensor, scale: int) -> Tensor:
    return image.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
