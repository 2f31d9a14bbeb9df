"""`senga degrade IN... -o OUT`: damage pictures by a preset, a recipe or a report; keeps alpha, writes 8-bit PNG."""

import argparse
import dataclasses
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...arch.files.reading import PICTURE_ENDINGS, read_text
from ...nodes import NODE_CLASS_MAPPINGS
from ...training.degradation import Recipe, Report, degrade, preset, preset_names, read_document
from ..errors import SengaError, UsageError
from ..files.formats import write_picture
from ..files.pictures import Frame, decode, read_frames, read_picture, rounded_levels, write_png
from ..files.plan import Job, is_one, make_plan, planned
from ..files.results import written
from ..files.sheet import draw_sheet
from ..log import logger
from ..pipes import PIPE, piped
from ..processes import Processes, processes
from ..progress import BatchLine
from ..stdout import say
from ..workflow.options import add_options, flag, read_options
from .batch import Output, Work, max_pixels, run_batch
from .batch import add_arguments as add_batch_arguments
from .batch_cluster import add_cluster, on_cluster, run_on_cluster
from .batch_worker import Prepared, Shown

DEGRADER = "SengaDegradeImage"
DEFAULT_PRESET, DEFAULT_SCALE = "web_repost", 2.0
# Options that are inputs of the node: type, and name of the value in the help.
NODE_OPTIONS: dict[str, tuple[type, str]] = {"seed": (int, "N"), "scale": (float, "S"), "strength": (float, "0-1")}

Array = NDArray[np.float32]
Files = Mapping[Path, bytes]  # the content of each


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="*", metavar="IN", help="pictures, folders of them, patterns like '*.png'")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="a .png, which is replaced, or a folder; a folder for several IN"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--preset", metavar="NAME", help=f"one of {', '.join(preset_names())} (default: {DEFAULT_PRESET})"
    )
    what.add_argument(
        "--recipe", type=Path, metavar="FILE", help="a recipe, or a report to replay, as JSON (default: the preset)"
    )
    add_options(parser, NODE_CLASS_MAPPINGS[DEGRADER], NODE_OPTIONS)
    parser.add_argument(
        "--report", action="store_true", help="write what was done into NAME.json next to each result (default: no)"
    )
    parser.add_argument(
        "--sheet",
        nargs=2,
        type=Path,
        metavar=("IN", "OUT.png"),
        help="draw one picture under every preset instead (default: no)",
    )
    add_batch_arguments(
        parser, workers="processes that damage pictures; the files are the same with any number", count=1
    )
    add_cluster(parser)


def run(args: argparse.Namespace) -> int:
    if args.report and args.output == PIPE:
        raise UsageError("--report writes a file next to the result; name a file or a folder with -o")
    with piped(args, ".png") as changed:
        return _run(changed)


def _run(args: argparse.Namespace) -> int:
    recipe = what_to_do(args)
    seed = args.seed or 0
    largest = max_pixels(args)
    if args.sheet is not None:
        return _sheet(args, seed, largest)
    if not args.pictures or args.output is None:
        raise UsageError("name pictures or folders, and an output with -o; or use --sheet IN OUT.png")
    if on_cluster(args):
        if several(recipe):
            raise UsageError(f"--recipe {args.recipe}: a report of several pictures goes by place; leave out --cluster")
        return run_on_cluster(args, prepare, PICTURE_ENDINGS)
    by_place = several(recipe)
    jobs = plan(args.pictures, args.output, recursive=args.recursive, report=args.report, by_place=by_place)
    jobs = [dataclasses.replace(job, settings=settings_of(recipe, seed, job.index)) for job in jobs]
    with ExitStack() as until_done:

        def begin() -> Work[Any, Any]:
            count = min(args.workers, len(jobs))
            if count == 1:
                return work(recipe, seed, largest)
            return shared_work(until_done.enter_context(processes(count)), recipe, seed, largest)

        return run_batch(jobs, begin, force=args.force, workers=args.workers)


def prepare(args: argparse.Namespace, _: Shown) -> Prepared:
    """What is done on each machine of a cluster. Raises UsageError as `what_to_do` does."""
    recipe, seed, largest = what_to_do(args), args.seed or 0, max_pixels(args)

    def job(source: Path, own: str, lone: bool, out: Path | None) -> Job:
        assert out is not None
        planned_job = with_index(planned(source, own, out, "png", lone=lone), index_of(own), args.report)
        return dataclasses.replace(planned_job, settings=settings_of(recipe, seed, planned_job.index))

    return Prepared(job, lambda: work(recipe, seed, largest), settings_of(recipe, seed, 0))


def several(recipe: Recipe | Report) -> bool:
    """Whether it has an entry for each of several pictures, which goes by their places in sorted order."""
    return isinstance(recipe, Report) and len(recipe.entries) > 1


def what_to_do(args: argparse.Namespace) -> Recipe | Report:
    """The preset or the file's recipe at the scale and strength given. Raises UsageError for faulty options."""
    read_options(args, NODE_CLASS_MAPPINGS[DEGRADER], tuple(NODE_OPTIONS))
    try:
        found = _read(args.recipe) if args.recipe else preset(args.preset or DEFAULT_PRESET)
        if isinstance(found, Report):
            given = [flag(name) for name in NODE_OPTIONS if getattr(args, name) is not None]
            if given:
                raise UsageError(f"--recipe {args.recipe}: a report is replayed as it is; leave out {', '.join(given)}")
            for difference in found.differences():
                logger.warning("%s: made with other versions (%s): the result may differ", args.recipe, difference)
            return found
        scale = args.scale or (found.scale if args.recipe else DEFAULT_SCALE)
        return found.with_scale(scale).weakened(1.0 if args.strength is None else args.strength)
    except SengaError as error:
        raise UsageError(str(error)) from error


def _read(path: Path) -> Recipe | Report:
    try:
        return read_document(read_text(path), str(path))
    except OSError as error:
        raise UsageError(
            f"--recipe {path}: the file cannot be read ({error.strerror}); name a recipe's JSON"
        ) from error


def plan(pictures: list[str], output: str, *, recursive: bool, report: bool, by_place: bool) -> list[Job]:
    """The jobs in sorted order, `by_place` each with its place as its index, else with that of its name.

    Raises UsageError for results other than PNG.
    """
    folder = Path(output).is_dir() or output.endswith(("/", os.sep)) or not is_one(pictures)
    jobs = make_plan(pictures, output, "png" if folder else None, recursive=recursive)  # of animations too
    if jobs[0].format != "png":
        raise UsageError(f"-o {output}: damaged pictures are written as PNG; end the name in .png, or a folder's in /")
    return [
        with_index(job, place if by_place else index_of(job.name), report)
        for place, job in enumerate(sorted(jobs, key=lambda job: job.source.as_posix()))
    ]


def with_index(job: Job, index: int, report: bool) -> Job:
    """The job with what it takes to damage its picture, and to write a `report`."""
    return dataclasses.replace(job, index=index, also=(job.target.with_suffix(".json"),) if report else ())


def index_of(name: str) -> int:
    """48 bits of a hash of a picture's name below its folder: the same damage whatever other pictures are there.

    JSON readers that hold numbers as doubles read it as it is.
    """
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:6])


def settings_of(recipe: Recipe | Report, seed: int, index: int) -> dict[str, object]:
    """All that a result depends on besides its picture."""
    text = hashlib.sha256(recipe.to_json().encode()).hexdigest()
    return {"command": "degrade", "recipe": text, "seed": seed, "index": index}


def work(recipe: Recipe | Report, seed: int, largest: int) -> Work[Array, Files]:
    """One picture after the other in this process."""

    def read(job: Job) -> Array:
        picture, remarks = read_first(job, largest)
        for remark in remarks:
            logger.warning("%s", remark)
        return picture

    def make(ready: Sequence[tuple[Job, Array]], _: BatchLine) -> list[Files]:
        return [damaged(job, image, recipe, seed) for job, image in ready]

    return Work(read=read, make=make, encode=output)


def shared_work(others: Processes, recipe: Recipe | Report, seed: int, largest: int) -> Work[Files, Files]:
    """Pictures in several processes: each is read, damaged and encoded there, and its file is written here."""

    def read(job: Job) -> Files:
        files, remarks = others.call(whole_job, job, recipe, seed, largest)
        for remark in remarks:
            logger.warning("%s", remark)
        return files

    def make(ready: Sequence[tuple[Job, Files]], _: BatchLine) -> list[Files]:
        return [files for _, files in ready]

    return Work(read=read, make=make, encode=output)


def whole_job(job: Job, recipe: Recipe | Report, seed: int, largest: int) -> tuple[Files, list[str]]:
    """The files of a job, and what is to be said about its picture. Raises SengaError as the parts do."""
    picture, remarks = read_first(job, largest)
    return damaged(job, picture, recipe, seed), remarks


def read_first(job: Job, largest: int) -> tuple[Array, list[str]]:
    """The first frame, and what is to be said about others."""
    picture = read_picture(job.source, take="first", max_pixels=largest)
    remarks = []
    if picture.count > 1:
        frames = f"it has {picture.count} frames; only the first is degraded (a workflow takes all)"
        remarks.append(f"{job.source}: {frames}")
    return as_colour(decode(picture.pages[0])), remarks


def damaged(job: Job, image: Array, recipe: Recipe | Report, seed: int) -> Files:
    """The content of each file that a picture becomes."""
    result, report = degrade(image, recipe, seed=seed, index=job.index)
    buffer = io.BytesIO()
    write_picture(buffer, [rounded_levels(torch.from_numpy(result))], job.format, job.target)
    reports = {path: (report.to_json() + "\n").encode() for path in job.also}
    return {**reports, job.target: buffer.getvalue()}


def output(job: Job, files: Files) -> Output:
    return Output(str(job.target), written(files))


def as_colour(frame: Frame) -> Array:
    """(H, W, 3), or 4 with alpha; grey becomes colour, since much damage is coloured."""
    parts = [frame.rgb] if frame.alpha is None else [frame.rgb, frame.alpha[:, :, None]]
    return torch.cat(parts, dim=2).numpy()


def _sheet(args: argparse.Namespace, seed: int, largest: int) -> int:
    source, target = args.sheet
    if args.pictures or args.output or args.recipe or args.preset or args.report:
        raise UsageError(
            "--sheet draws one picture under every preset; give it alone, with --seed, --scale, --strength"
        )
    if target.suffix.lower() != ".png":
        raise UsageError(f"--sheet {target}: the sheet is written as PNG; end the name in .png")
    strength = 1.0 if args.strength is None else args.strength
    picture = as_colour(read_frames(source, take="first", max_pixels=largest)[0])
    write_png(target, draw_sheet(picture, seed=seed, scale=args.scale or DEFAULT_SCALE, strength=strength))
    say(str(target))
    return 0
