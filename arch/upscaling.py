"""Upscale pictures of any size with any upscaling model, tile by tile: the functions behind node and command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .borrowed.spandrel_upscalers import BorrowedUpscaler, wrapped
from .engines.engine import choose
from .errors import SengaError
from .image import Opacity, check_pictures, mask_of, to_bchw
from .memory import BYTES_PER_FLOAT, LARGEST_TILE_ELSEWHERE, SHARE
from .passes import Run, Watch, room
from .pictures.bleeding import Bled
from .pictures.fitting import Fit
from .pictures.sizes import pass_sizes, target_size
from .pictures.strips import Canvas, Whole
from .precision import pick_precision
from .spec import ModelSpec
from .tiling import MIN_TILE


@dataclass(frozen=True)
class Options:
    """Those of `upscale`, which says what they mean."""

    tile: int = 0
    halo: int = -1
    precision: str = "auto"
    self_ensemble: bool = False
    progress: Callable[[int, int], None] | None = None
    should_stop: Callable[[], bool] | None = None
    watch: Watch | None = None


@dataclass(frozen=True)
class Frame:
    """A picture, and where its result is written."""

    colour: Tensor  # (1, 1 or 3, H, W)
    alpha: Opacity | None
    result: Canvas
    alpha_result: Canvas | None


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
        watch: called with each finished tile of colour of the last pass, before `progress`: its core in pixels of the
            pass's input, its result (1, C, H, W), height and width of that input, and its opacity (1, 1, h, w) at any
            scale, None without alpha.

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
    check_pictures(image)
    count, height, width, channels = image.shape
    model = wrapped(model)
    target = target_size(width, height, int(model.scale), scale, size)
    out = torch.empty((count, target[1], target[0], channels), dtype=torch.float32)

    def frame(i: int) -> Frame:
        picture, result = to_bchw(image[i : i + 1]), to_bchw(out[i : i + 1])
        colour = Canvas(result[:, :3], target[1], target[0])
        if channels < 4:
            return Frame(picture, None, colour, None)
        opacity = Opacity(picture[:, 3:], None)
        return Frame(picture[:, :3], opacity, colour, Canvas(result[:, 3:], target[1], target[0]))

    options = Options(tile, halo, precision, self_ensemble, progress, should_stop, watch)
    _upscale(model, [frame(i) for i in range(count)], target, options)
    return out


def upscale_masked(
    model: Any,
    image: Tensor,
    mask: Tensor | None,
    options: Options,
    *,
    scale: float | None = None,
    fit: Fit | None = None,
) -> tuple[Tensor, Tensor]:
    """The same for a picture and ComfyUI's mask, which is its transparency, and for results of a given shape.

    Args:
        image: as of `upscale`.
        mask: see image.mask_of.
        scale: as of `upscale`.
        fit: which part becomes a result of which size, in place of `scale`.

    Returns:
        (B, H', W', C) with the image's channels, and its mask (B, H', W'), zeros if there is none. Where `fit` adds to
        the picture, the image is black (and transparent) and the mask is 1.

    Raises:
        As `upscale`; SengaError: the mask has neither one frame nor as many as the image.
    """
    check_pictures(image)
    model = wrapped(model)
    holes = mask_of(image, mask)
    if fit is None:
        count, height, width, _ = image.shape
        fit = Fit.whole((width, height), target_size(width, height, int(model.scale), scale, None))
    image, holes = fit.before(image), None if holes is None else fit.before(holes)
    count, *_, channels = image.shape
    clear = channels == 4 or holes is not None
    shape = count, fit.result[1], fit.result[0]
    out, out_mask = torch.zeros((*shape, channels)), torch.zeros(shape) if clear else fit.added(count)

    def frame(i: int) -> Frame:
        picture, result = to_bchw(image[i : i + 1]), to_bchw(out[i : i + 1])
        colour = fit.canvas(result[:, :3])
        if not clear:
            return Frame(picture, None, colour, None)
        own = picture[:, 3:] if channels == 4 else None
        hole = None if holes is None else holes[i % len(holes)][None, None]
        alpha = result[:, 3:] if channels == 4 else out_mask[i][None, None]
        return Frame(picture[:, :3], Opacity(own, hole), colour, fit.canvas(alpha))

    _upscale(model, [frame(i) for i in range(count)], fit.size, options)
    if channels == 4:
        torch.sub(1, out[..., 3], out=out_mask)
    elif clear:
        torch.sub(1, out_mask, out=out_mask)
    return out, out_mask


def _upscale(model: Any, frames: Sequence[Frame], target: tuple[int, int], options: Options) -> None:
    """Fill the results of frames of one shape, whose pictures become `target` (width, height)."""
    tile, halo, ensemble = options.tile, options.halo, options.self_ensemble
    if tile != 0 and tile < MIN_TILE:
        raise SengaError(f"tile is {tile}; expected 0 (chosen from the free memory), or {MIN_TILE} or more")
    if halo < -1:
        raise SengaError(f"halo is {halo}; expected -1 (the model's default), 0 or more")
    spec = ModelSpec.of(model)
    height, width = frames[0].colour.shape[-2:]
    sizes = pass_sizes(width, height, spec.scale, target)
    if isinstance(model, BorrowedUpscaler) and max(sizes[-1]) > (tile or room(spec, spec.halo)):
        model.before_tiling()
        spec = ModelSpec.of(model)
    precision = pick_precision(
        options.precision,
        spec.device,
        half=spec.half,
        bf16=spec.bf16,
        full_last_layer=getattr(model, "full_last_layer", False),
    )
    pixels = sum(w * h for w, h in sizes)
    parts = sum(1 if frame.alpha is None else 2 for frame in frames)
    run = Run(
        model=model,
        spec=spec,
        precision=precision,
        engine=choose(model, precision, pixels * (8 if ensemble else 1)),
        pixels=pixels * (8 if ensemble else 1),
        halo=spec.halo if halo < 0 else halo,
        tile=tile,
        ensemble=ensemble,
        total=parts * pixels,
        progress=options.progress,
        should_stop=options.should_stop,
        watch=options.watch,
    )
    with torch.inference_mode():
        for frame in frames:
            colour, run.alpha = Whole(frame.colour), frame.alpha
            run.passes(
                colour if frame.alpha is None else Bled(colour, frame.alpha), len(sizes), frame.result, held=False
            )
            if frame.alpha is not None and frame.alpha_result is not None:
                run.alpha = None
                run.passes(frame.alpha, len(sizes), frame.alpha_result, held=True)
    run.repeats.log()


def memory_needed(model: Any, tile: int, halo: int) -> int:
    """Bytes that the device should have free for the activations of the tiles that `upscale` prefers."""
    spec = ModelSpec.of(model)
    side = (tile or LARGEST_TILE_ELSEWHERE // 2) + 2 * (spec.halo if halo < 0 else halo) + 2 * spec.border
    return int(side**2 * spec.floats * BYTES_PER_FLOAT / SHARE)
