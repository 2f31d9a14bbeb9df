"""Upscale pictures of any size with any upscaling model, tile by tile: the function behind node and command."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .borrowed.spandrel_upscalers import UNKNOWN_FLOATS, UNKNOWN_HALO, BorrowedUpscaler, wrapped
from .engine import Engine, choose
from .errors import SengaError, Stopped
from .image import bleed, check_pictures, pad_to_multiple, resize, to_bchw, within_neighbours
from .memory import BYTES_PER_FLOAT, LARGEST_TILE_ELSEWHERE, SHARE, free_memory, tile_that_fits
from .overflow import finite
from .precision import autocast, pick_precision
from .preview import Watch
from .repeats import Repeats
from .sizes import LARGEST_SIDE, pass_sizes, target_size
from .tiling import MIN_TILE, Tile, TileGrid, is_out_of_memory, run_tiles


@dataclass(frozen=True)
class ModelSpec:
    """What the loop needs to know about a model, ours or another program's descriptor."""

    scale: int
    channels: int
    device: torch.device
    half: bool
    bf16: bool
    halo: int
    border: int
    alignment: int
    least: int  # side of a window that the network takes without padding
    floats: int
    largest_tile: int  # side of a tile that is of use; 0 is the device's own

    @classmethod
    def of(cls, model: Any) -> "ModelSpec":
        scale = int(model.scale)
        first = next(model.model.parameters())
        channels = getattr(model, "input_channels", 3)
        if channels not in (1, 3) or getattr(model, "output_channels", channels) != channels:
            raise SengaError(f"the model takes {channels} channels; expected a model that takes and returns 1 or 3")
        sizes = getattr(model, "size_requirements", None)
        return cls(
            scale=scale,
            channels=channels,
            device=first.device,
            half=bool(getattr(model, "supports_half", False)),
            bf16=bool(getattr(model, "supports_bfloat16", False)),
            halo=getattr(model, "default_halo", UNKNOWN_HALO),
            border=getattr(model, "border", 0),
            alignment=getattr(model, "alignment", getattr(sizes, "multiple_of", 1)),
            least=getattr(sizes, "minimum", 0),
            floats=getattr(model, "floats_per_pixel", UNKNOWN_FLOATS * scale**2),
            largest_tile=LARGEST_SIDE if getattr(model, "whole_preferred", False) else 0,
        )


def upscale(
    model: Any,
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    tile: int = 0,
    halo: int = -1,
    precision: str = "auto",
    self_ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Upscale a batch of pictures without seams.

    Args:
        model: an UpscaleModel, spandrel's descriptor, or anything with `.model`, `.scale` and `__call__`. It runs on
            its own device.
        image: (B, H, W, C) float32 in [0, 1], C = 1, 3, or 4 (the fourth is alpha), any size from 1x1.
        scale: output pixels per input pixel and side; None is the model's own.
        size: (width, height) of the result in pixels, instead of `scale`.
        tile: largest side of a tile in input pixels, without its halo: 16 or more, or 0 to fit the free memory.
        halo: context around each tile in input pixels; -1 is the model's default, which keeps the error below half a
            level of 255. At the receptive radius the result equals that of the whole picture (both in float32).
            Networks that look at the whole picture have no such halo; the log says so.
        precision: "auto" (the fastest that is native to the device), "fp32", "bf16" or "fp16".
        self_ensemble: average over the eight flips and rotations: slightly better, eight times slower.
        progress: called with (done, total) input pixels after each tile.
        should_stop: called before each tile; True stops.
        watch: called with each finished tile of colour, before `progress`; see preview.Preview.add.

    Returns:
        (B, H', W', C) float32 in [0, 1] on the CPU. Sizes that are not a power of the model's scale are reached by
        repeated passes and one antialiased bicubic resize. Alpha runs through the same model as a grey picture (bicubic
        alpha leaves a blurred rim around the network's sharp lines), and its flat parts stay exactly as they are;
        colour is first bled under transparent pixels.

    Raises:
        SengaError: an argument is out of range, the network's output is not finite in float32 (in half precision it
            goes on in float32), or the smallest tile does not fit into the device's memory (the model is then moved to
            the CPU).
        Stopped: `should_stop` returned True.
    """
    model = wrapped(model)
    spec = ModelSpec.of(model)
    _check(image, tile, halo)
    frames, height, width, channels = image.shape
    target = target_size(width, height, spec.scale, scale, size)
    sizes = pass_sizes(width, height, spec.scale, target)
    if isinstance(model, BorrowedUpscaler) and max(sizes[-1]) > (tile or _room(spec, spec.halo)):
        model.before_tiling()
        spec = ModelSpec.of(model)
    precision = pick_precision(
        precision,
        spec.device,
        half=spec.half,
        bf16=spec.bf16,
        full_last_layer=getattr(model, "full_last_layer", False),
    )
    pixels = sum(w * h for w, h in sizes) * (8 if self_ensemble else 1)
    run = _Run(
        model=model,
        spec=spec,
        precision=precision,
        engine=choose(model, precision, pixels),
        pixels=pixels,
        halo=spec.halo if halo < 0 else halo,
        tile=tile,
        ensemble=self_ensemble,
        total=frames * sum(w * h for w, h in sizes) * (2 if channels == 4 else 1),
        progress=progress,
        should_stop=should_stop,
        watch=watch,
    )
    out = torch.empty((frames, target[1], target[0], channels), dtype=torch.float32)
    with torch.inference_mode():
        for i in range(frames):
            frame = to_bchw(image[i : i + 1])
            colour, alpha = frame[:, :3], frame[:, 3:]
            if channels == 4:
                colour = bleed(colour, alpha)
            parts = [colour, alpha] if channels == 4 else [frame]
            slot, begin = to_bchw(out[i : i + 1]), 0
            for part in parts:
                run.alpha = alpha if channels == 4 and part is colour else None
                run.passes(part, len(sizes), slot[:, begin : begin + part.shape[1]], held=part is alpha)
                begin += part.shape[1]
    run.repeats.log()
    return out


def memory_needed(model: Any, tile: int, halo: int) -> int:
    """Bytes that the device should have free for the activations of the tiles that `upscale` prefers."""
    spec = ModelSpec.of(model)
    side = (tile or LARGEST_TILE_ELSEWHERE // 2) + 2 * (spec.halo if halo < 0 else halo) + 2 * spec.border
    return int(side**2 * spec.floats * BYTES_PER_FLOAT / SHARE)


def _room(spec: ModelSpec, halo: int) -> int:
    """The largest tile that fits the free memory."""
    free, around = free_memory(spec.device), halo + spec.border
    return tile_that_fits(free, spec.floats, around, spec.device, spec.largest_tile)


def _check(image: Tensor, tile: int, halo: int) -> None:
    check_pictures(image)
    if tile != 0 and tile < MIN_TILE:
        raise SengaError(f"tile is {tile}; expected 0 (chosen from the free memory), or {MIN_TILE} or more")
    if halo < -1:
        raise SengaError(f"halo is {halo}; expected -1 (the model's default), 0 or more")


def _enlarged(image: Tensor, scale: int) -> Tensor:
    return image.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


@dataclass
class _Run:
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
    watch: Watch | None
    done: int = 0
    alpha: Tensor | None = None  # (1, 1, H, W) of the picture whose colour is being upscaled
    repeats: Repeats = field(default_factory=Repeats)

    def passes(self, image: Tensor, count: int, out: Tensor, held: bool) -> None:
        """Run `count` passes and resize to the size of `out`. image: (1, C, H, W); held: see within_neighbours."""
        scale = self.spec.scale
        for i in range(count):
            height, width = image.shape[-2] * scale, image.shape[-1] * scale
            exact = i == count - 1 and out.shape[-2:] == (height, width)
            larger = out if exact else torch.empty((1, image.shape[1], height, width))
            self.one_pass(image, larger, held)
            image = larger
            if not exact:
                self.repeats.forget()  # what is kept are parts of `larger`
        if image is not out:
            out.copy_(resize(image, out.shape[-2], out.shape[-1]))

    def one_pass(self, image: Tensor, out: Tensor, held: bool) -> None:
        spec = self.spec
        height, width = image.shape[-2:]
        tile = self.tile or _room(spec, self.halo)
        grid = TileGrid(height, width, tile, self.halo, spec.alignment, spec.least)

        def fill(core: Tile, window: Tile) -> None:
            part, target = window.of(image), core.of(out, spec.scale)
            if self.alpha is not None and self.repeats.invisible(
                core, window, self.alpha, height // self.alpha.shape[-2], grid.halo
            ):
                # Shown nowhere, so the network is skipped.
                target.copy_(_enlarged(core.of(image), spec.scale))
                return
            key = self.repeats.key(part, core, window, held)
            if (same := self.repeats.find(key, core)) is not None:
                target.copy_(same)
                return
            target.copy_(core.inside(window).of(self.process(part, held), spec.scale))
            self.repeats.keep(key, target)

        def shown(core: Tile, window: Tile) -> None:
            fill(core, window)
            if self.watch is not None and not held:
                shrink = 1 if self.alpha is None else height // self.alpha.shape[-2]
                alpha = None if self.alpha is None else core.shrunk(shrink).of(self.alpha)
                self.watch(core, core.of(out, spec.scale), height, width, alpha)

        try:
            used = run_tiles(grid, shown, self.before_tile, self.after_tile)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            device = str(spec.device)
            self.model.to("cpu")
            raise SengaError(
                f"{device} has too little memory for a tile of {MIN_TILE} with a halo of {grid.halo} of the"
                f" {width}x{height} picture; lower the halo, free memory on the device or use another one"
            ) from error
        if used.tile < tile:
            self.tile = used.tile

    def process(self, part: Tensor, held: bool) -> Tensor:
        """(1, C, h, w) -> (1, C, scale * h, scale * w) on the CPU."""
        if held and part.min() == part.max():
            # Flat alpha stays as it is, so the network can be skipped: an opaque picture costs nothing extra.
            return _enlarged(part, self.spec.scale).cpu()
        part = part.to(self.spec.device)
        result = finite(self, part)
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
