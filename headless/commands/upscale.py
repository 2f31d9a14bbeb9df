"""`senga upscale IN... -o OUT`: pictures, folders and animations through one model, alpha and colour profile kept."""

import argparse
import dataclasses
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...arch.fitting import FITS
from ...arch.weights import check_file
from ...nodes import NODE_CLASS_MAPPINGS, host
from ..device import add_device, use_device
from ..errors import UsageError
from ..files.deep import AnyLevels
from ..files.formats import FORMATS, NOTHING, write_picture
from ..files.journal import sha256_of
from ..files.pictures import Picture, as_image, decode, deep_levels, read_picture, rounded_levels
from ..files.plan import DEFAULT_FORMAT, DEFAULT_NAME, Job, make_plan
from ..log import logger
from ..model_cache import shared_upscaler
from ..pipes import piped
from ..progress import BatchLine
from ..stream import Stream, made_ahead
from ..workflow.execute import call_node
from ..workflow.graph import sockets
from ..workflow.options import MODEL_FLAGS, UPSCALERS, add_options, find_model, flag, help_of, read_options
from .batch import Output, Work, max_pixels, run_batch
from .batch import add_arguments as add_batch_arguments

UPSCALER = "SengaUpscale"
# Options that are inputs of the node: type, and name of the value in the help.
NODE_OPTIONS: dict[str, tuple[type, str]] = {
    "scale": (float, "S"),
    "width": (int, "W"),
    "height": (int, "H"),
    "tile": (int, "N"),
    "halo": (int, "N"),
    "precision": (str, "P"),
    "fit": (str, "|".join(FITS)),
}
SAME_RESULT = ("tile",)  # options that change results by rounding only
DEPTHS = (8, 16)
FRAMES_WAITING = 2  # of an animation, between reading and the network, and between the network and writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pictures", nargs="+", metavar="IN", help="picture files, folders with their sub-folders, or patterns in quotes"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a picture file, which is replaced, or a folder; a folder for several IN. Names and sub-folders are kept",
    )
    known = f"a name of `senga models`, which says what each is for, or a file (default: {host.DEFAULT_UPSCALER})"
    parser.add_argument(*MODEL_FLAGS, metavar="NAME|PATH", help=known)
    node_class = NODE_CLASS_MAPPINGS[UPSCALER]
    add_options(parser, node_class, NODE_OPTIONS)
    ensemble = sockets(node_class)["self_ensemble"]
    parser.add_argument(flag("self_ensemble"), action="store_true", default=None, help=help_of(ensemble))
    parser.add_argument(
        "-f",
        "--format",
        choices=FORMATS,
        help="of the results (default: what the name of OUT says; in a folder png, and that of animations)",
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        help="of results in a folder, from {stem}, {scale}, {model} and {ext}, such as '{stem}_{scale}x{ext}'"
        f" (default: '{DEFAULT_NAME}')",
    )
    qualities = ", ".join(f"{name} {known.quality}" for name, known in FORMATS.items() if known.quality)
    parser.add_argument(
        "--quality", type=int, metavar="1-100", help=f"1 to 100; 100 is lossless for webp (default: {qualities})"
    )
    parser.add_argument(
        "--strip",
        action="store_true",
        help="drop EXIF, ICC profile, DPI and PNG texts (default: keep what the format can hold)",
    )
    parser.add_argument(
        "--depth",
        type=int,
        choices=DEPTHS,
        help="8 or 16 bits a sample; 16 for png and tiff (default: the picture's own, where the format has it)",
    )
    add_device(parser)
    add_batch_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with piped(args, FORMATS[args.format or DEFAULT_FORMAT].extension) as changed:
        return _run(changed)


def _run(args: argparse.Namespace) -> int:
    options = read_options(args, NODE_CLASS_MAPPINGS[UPSCALER], (*NODE_OPTIONS, "self_ensemble"))
    use_device(args.device)
    path = find_model(args.model, UPSCALERS)
    fields = fields_of(path, options) if args.name is not None else {}
    jobs = make_plan(args.pictures, args.output, args.format, recursive=args.recursive, name=args.name, fields=fields)
    kinds = dict.fromkeys(job.format for job in jobs)
    for kind in kinds:
        check_kind(args.quality, args.depth, kind)
    own = {"strip": args.strip, "depth": args.depth}
    settings = {kind: settings_of(path, options, args.quality, kind) | own for kind in kinds}
    jobs = [dataclasses.replace(job, settings=settings[job.format]) for job in jobs]
    largest = max_pixels(args)
    return run_batch(
        jobs,
        lambda: work(shared_upscaler(path), options, args.quality, largest, strip=args.strip, depth=args.depth),
        force=args.force,
        workers=args.workers,
    )


def fields_of(model: Path, options: dict[str, Any]) -> dict[str, str]:
    """What --name may contain besides {stem} and {ext}; {scale} is not known where a width or height is given."""
    fields = {"model": model.stem}
    if options.get("width") or options.get("height"):
        return fields
    scale = options.get("scale") or check_file(model).scale
    return fields if scale is None else {**fields, "scale": f"{scale:g}"}


def check_kind(quality: int | None, depth: int | None, name: str) -> None:
    """Raises UsageError for options that a format does not have."""
    if quality is not None and FORMATS[name].quality is None:
        raise UsageError(f"--quality {quality}: {name} has no quality; leave it out, or choose another --format")
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"--quality {quality}: expected 1 to 100")
    if depth == DEPTHS[-1] and not FORMATS[name].deep:
        deep = " and ".join(key for key, known in FORMATS.items() if known.deep)
        raise UsageError(f"--depth {depth}: {name} has 8 bits a sample; {deep} have 16")


def settings_of(model: Path, options: dict[str, Any], quality: int | None, format: str) -> dict[str, Any]:
    """All that a result depends on besides its picture; options that were not given are at their defaults."""
    declared = sockets(NODE_CLASS_MAPPINGS[UPSCALER])
    defaults = {name: declared[name].options.get("default") for name in (*NODE_OPTIONS, "self_ensemble")}
    chosen = {name: value for name, value in (defaults | options).items() if name not in SAME_RESULT}
    if not (chosen["width"] and chosen["height"]):
        del chosen["fit"]  # it changes nothing then
    quality = FORMATS[format].quality if quality is None else quality
    return {"command": "upscale", "model": sha256_of(model), **chosen, "format": format, "quality": quality}


@dataclass(frozen=True)
class Upscaled:
    """(H, W, C) levels of each frame, those of an animation on their way; and the picture that they come from."""

    frames: Sequence[AnyLevels] | Stream[AnyLevels]
    picture: Picture


def work(
    model: object, options: dict[str, Any], quality: int | None, largest: int, *, strip: bool, depth: int | None
) -> Work[Picture, Upscaled]:
    def make(ready: Sequence[tuple[Job, Picture]], batch: BatchLine) -> list[Upscaled]:
        return [upscaled(job, picture, model, options, batch, depth) for job, picture in ready]

    def encode(job: Job, made: Upscaled) -> Output:
        picture = made.picture

        def write(path: Path) -> None:
            with path.open("wb") as file:
                write_picture(
                    file,
                    made.frames,
                    job.format,
                    job.target,
                    durations=picture.durations,
                    plays=picture.plays,
                    meta=NOTHING if strip else picture.meta,
                    quality=quality,
                )

        return Output(str(job.target), {job.target: write})

    return Work(
        read=lambda job: read_picture(job.source, take="animation", max_pixels=largest),
        make=make,
        encode=encode,
        frames=lambda picture: len(picture.durations) or 1,
        stream=lambda made: made.frames if isinstance(made.frames, Stream) else None,
    )


def upscaled(
    job: Job, picture: Picture, model: object, options: dict[str, Any], batch: BatchLine, depth: int | None
) -> Upscaled:
    """The result of a still; of an animation, the stream that makes it. Raises SengaError."""
    source = job.source
    if picture.count > 1 and not picture.durations:
        logger.warning("%s: it has %d pages; only the first is upscaled (a workflow takes all)", source, picture.count)
    if picture.durations and depth == DEPTHS[-1]:
        logger.warning("%s: frames of animations have 8 bits a sample, not 16", job.target)
    deep = (depth or picture.depth) == DEPTHS[-1] and FORMATS[job.format].deep and not picture.durations
    if depth is None and picture.depth == DEPTHS[-1] and not deep:
        logger.warning("%s: %s has 8 bits a sample; the picture's 16 are rounded", job.target, job.format)
    frames = upscaled_frames(picture, model, options, batch, deep=deep)
    return Upscaled(Stream(frames, FRAMES_WAITING) if picture.durations else list(frames), picture)


def upscaled_frames(
    picture: Picture, model: object, options: dict[str, Any], batch: BatchLine, *, deep: bool = False
) -> Generator[AnyLevels, None, None]:
    """(H, W, C) levels of each frame, of 16 bits if `deep`. Raises SengaError."""
    frames = (decode(page, picture.low) for page in picture.frames())
    if picture.durations:
        frames = made_ahead(frames, FRAMES_WAITING, batch.waits)
    with closing(frames):
        for frame in frames:
            # Channels are those of the animation as a whole: a GIF's first frame may be opaque and the others not.
            image = as_image(frame, alpha=picture.clear, grey=not picture.durations)
            with torch.inference_mode():
                large, *_ = call_node(NODE_CLASS_MAPPINGS[UPSCALER], upscale_model=model, image=image[None], **options)
            yield deep_levels(large[0]) if deep else rounded_levels(large[0])
            batch.next_frame()
