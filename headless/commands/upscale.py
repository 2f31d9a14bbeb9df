"""`senga upscale IN... -o OUT`: pictures, folders and animations through one model, alpha and colour profile kept."""

import argparse
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...nodes import NODE_CLASS_MAPPINGS, host
from ..errors import UsageError
from ..files.formats import FORMATS, write_picture
from ..files.pictures import Picture, as_image, decode, read_picture, rounded_levels
from ..files.plan import Job, is_done, make_plan
from ..log import logger
from ..model_cache import shared_upscaler
from ..progress import BatchLine, ProgressLine, progress_line
from ..workflow.execute import call_node
from ..workflow.graph import Socket, sockets
from ..workflow.values import convert, listed_model, suggest
from .batch import FAILURES, default_workers, named, workers_fault

UPSCALER = "SengaUpscale"
# Options of the command that are inputs of the node: what converts their text, and their name in the help.
NODE_OPTIONS: dict[str, tuple[type, str]] = {
    "scale": (float, "S"),
    "width": (int, "W"),
    "height": (int, "H"),
    "tile": (int, "N"),
    "halo": (int, "N"),
    "precision": (str, "P"),
}

Levels = NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pictures", nargs="+", metavar="IN", help="picture files, folders with their sub-folders, or patterns in quotes"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a picture file, or a folder; a folder for several IN. Names and sub-folders are kept",
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="a name that `senga models` lists, or a file")
    declared = sockets(NODE_CLASS_MAPPINGS[UPSCALER])
    for name, (kind, metavar) in NODE_OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=_help(declared[name]))
    parser.add_argument("--self-ensemble", action="store_true", default=None, help=_help(declared["self_ensemble"]))
    parser.add_argument("--format", choices=FORMATS, help="default: what the name of OUT says, png in a folder")
    qualities = ", ".join(f"{name} {known.quality}" for name, known in FORMATS.items() if known.quality)
    parser.add_argument("--quality", type=int, metavar="1-100", help=f"default: {qualities}; 100 is lossless for webp")
    parser.add_argument("--force", action="store_true", help="do again what is there already and not older than IN")
    parser.add_argument(
        "--workers",
        type=int,
        default=default_workers(),
        metavar="N",
        help="threads that read and write pictures beside the network (default: %(default)s)",
    )


def _help(socket: Socket) -> str:
    return str(socket.options.get("tooltip", "")).replace("%", "%%")  # argparse fills in %(...)s


def run(args: argparse.Namespace) -> int:
    options = node_options(args)
    jobs = make_plan(args.pictures, args.output, args.format)
    for fault in (quality_fault(args.quality, jobs[0].format), workers_fault(args.workers)):
        if fault:
            raise UsageError(fault)
    left = jobs if args.force else [job for job in jobs if not is_done(job)]
    if done := len(jobs) - len(left):
        logger.info("%d of %d pictures are done already, by whatever model; --force does them again", done, len(jobs))
    if not left:
        return 0
    model = load(args.model)
    with progress_line() as line:
        failed = run_jobs(left, model, options, line, quality=args.quality, workers=args.workers)
    if failed and len(jobs) > 1:
        logger.error("%d of %d pictures failed: %s", len(failed), len(jobs), ", ".join(map(str, failed)))
    return int(bool(failed))


def quality_fault(quality: int | None, name: str) -> str:
    if quality is None:
        return ""
    if FORMATS[name].quality is None:
        return f"--quality {quality}: {name} has no quality; leave it out, or choose another --format"
    return "" if 1 <= quality <= 100 else f"--quality {quality}: 1 to 100 is wanted"


def node_options(args: argparse.Namespace) -> dict[str, object]:
    """The options given, checked as the node's inputs are in a workflow. Raises UsageError with one line a fault."""
    declared = sockets(NODE_CLASS_MAPPINGS[UPSCALER])
    options: dict[str, object] = {}
    faults: list[str] = []
    for name in (*NODE_OPTIONS, "self_ensemble"):
        if (value := getattr(args, name)) is not None:
            options[name], fault = convert(declared[name], value)
            faults += [f"--{name.replace('_', '-')}: {fault}"] if fault else []
    if faults:
        raise UsageError("\n".join(faults))
    return options


def load(model: str | None) -> object:
    """The model by name or path, or the default one. Raises UsageError for one that does not exist."""
    names = host.upscale_model_names()
    if model is None:
        if not names:
            raise UsageError("no model was found in weights/; name a file with --model")
        model = names[0]
    model = listed_model(model, names)
    if model in names:
        return shared_upscaler(host.upscale_model_path(model))
    path = Path(model)
    if not path.is_file():
        raise UsageError(f"--model {model}: there is no model of that name and no such file; {suggest(model, names)}")
    return shared_upscaler(path)


@dataclass
class _Running:
    """A picture between the network and the disk."""

    job: Job
    written: "Future[None]"


def run_jobs(
    jobs: list[Job],
    model: object,
    options: dict[str, object],
    line: ProgressLine,
    *,
    quality: int | None = None,
    workers: int = 1,
) -> list[Path]:
    """Upscale one picture after the other while `workers` threads read the next ones and write the last ones.

    Prints each result in the order of `jobs`, logs each failure, and returns the sources that failed.
    """
    batch = BatchLine(line, len(jobs))
    failed: list[Path] = []
    running: list[_Running] = []

    def fail(job: Job, error: BaseException) -> None:
        logger.error("%s", named(job.source, error))
        failed.append(job.source)

    def settle(most: int) -> None:
        """Wait until no more than `most` pictures are being written."""
        while len(running) > most:
            oldest = running.pop(0)
            try:
                oldest.written.result()
            except FAILURES as error:
                fail(oldest.job, error)
            else:
                line.result(str(oldest.job.target))

    pool = ThreadPoolExecutor(workers, thread_name_prefix="senga")
    before = host.standalone.progress
    host.standalone.progress = batch.part
    try:
        for job, read in _read_ahead(pool, jobs, workers):
            try:
                picture = read.result()
                batch.start(job.source.name, len(picture.durations) or 1)
                frames = upscale_frames(job.source, picture, model, options, batch)
            except FAILURES as error:
                settle(0)  # so that messages stand in the order of the pictures
                fail(job, error)
            else:
                write = partial(_write, job, frames, picture, quality)
                running.append(_Running(job, pool.submit(write)))
                settle(workers)
            batch.end()
        settle(0)
    finally:
        host.standalone.progress = before
        pool.shutdown()  # after Ctrl-C too: what the network has done is written, no temporary name stays behind
    return failed


def _read_ahead(pool: ThreadPoolExecutor, jobs: list[Job], ahead: int) -> Iterator[tuple[Job, "Future[Picture]"]]:
    """Each job with its picture on the way, at most `ahead` pictures being held before their turn."""
    rest = iter(jobs)
    waiting = [(job, pool.submit(read_picture, job.source)) for job in islice(rest, ahead)]
    while waiting:
        first = waiting.pop(0)
        waiting += [(job, pool.submit(read_picture, job.source)) for job in islice(rest, 1)]
        yield first


def _write(job: Job, frames: list[Levels], picture: Picture, quality: int | None) -> None:
    write_picture(
        job.target,
        frames,
        job.format,
        durations=picture.durations,
        plays=picture.plays,
        profile=picture.profile,
        quality=quality,
    )


def upscale_frames(
    source: Path, picture: Picture, model: object, options: dict[str, object], batch: BatchLine
) -> list[Levels]:
    """The upscaled frames of an animation, or the one of a still: (H, W, C) levels. Raises SengaError."""
    pages = picture.pages
    if len(pages) > 1 and not picture.durations:
        logger.warning("%s: it has %d pages; only the first is upscaled (a workflow takes all)", source, len(pages))
        pages = pages[:1]
    # Channels are those of the animation as a whole: a GIF's first frame may be opaque and the others not.
    clear = any(page.has_transparency_data for page in pages)
    frames: list[Levels] = []
    for page in pages:
        frame = decode(page)
        image = as_image(frame, alpha=clear, grey=len(pages) == 1)
        with torch.inference_mode():
            large, *_ = call_node(NODE_CLASS_MAPPINGS[UPSCALER], upscale_model=model, image=image[None], **options)
        frames.append(rounded_levels(large[0]))
        batch.next_frame()
    return frames
