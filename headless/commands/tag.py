"""`senga tag IN...`: captions beside pictures as trainers read them, or as JSON lines."""

import argparse
import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ...arch import Options, Tagged, TaggerModel
from ...arch.image import to_bchw
from ...arch.preprocessing import ORDERS
from ...arch.tagging import tag_prepared
from ...arch.tags import warnings
from ...nodes import NODE_CLASS_MAPPINGS, host
from ...nodes.saving import write_text
from ..errors import UsageError
from ..files.pictures import decode, read_picture
from ..files.plan import Job, checked, pictures
from ..log import logger
from ..model_cache import shared_tagger
from ..progress import BatchLine, ProgressLine, progress_line
from ..workflow.graph import sockets
from ..workflow.values import convert, listed_model, suggest
from .upscale import FAILURES, as_image, default_workers, named, workers_fault

DEFAULT_MODEL = "senga_tagger_large.safetensors"
TAGGER = "SengaTagImage"
FORMATS = {
    "txt": "NAME.txt beside each picture: its tags, as kohya's scripts and other trainers read captions (the default)",
    "csv": "NAME.csv instead: tag, category, score of what is chosen, a row each",
    "json": "NAME.json instead: tags, characters, rating, and the scores of all tags",
}
# A trainer reads captions as they stand; in a prompt, parentheses are weights.
DEFAULTS = dataclasses.replace(Options(), escape_parentheses=False)
METAVARS = {int: "N", float: "0-1", str: "TEXT"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="IN", help="picture files, folders, or patterns in quotes")
    kinds = parser.add_mutually_exclusive_group()
    for name, text in FORMATS.items():
        kinds.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=text)
    kinds.add_argument("--print", action="store_true", help="write no files: a line of JSON for each picture")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="a folder for the files; sub-folders are kept")
    parser.add_argument("-r", "--recursive", action="store_true", help="go into the sub-folders of folders")
    parser.add_argument("--model", metavar="NAME|PATH", help="a tagger that `senga models` lists, or a file")
    parser.add_argument(
        "--channel-order",
        choices=ORDERS,
        help="of the colours that the network is given, where its files say it wrongly or not at all",
    )
    declared = sockets(NODE_CLASS_MAPPINGS[TAGGER])
    for field in dataclasses.fields(Options):
        kind = type(field.default)
        flag = f"--{field.name.replace('_', '-')}"
        help = str(declared[field.name].options["tooltip"]).replace("%", "%%")
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help)
        elif (choices := declared[field.name].choices) is not None:
            parser.add_argument(flag, choices=choices, help=help)
        else:
            parser.add_argument(flag, type=kind, metavar=METAVARS[kind], help=help)
    parser.add_argument(
        "--force",
        "--overwrite",
        action="store_true",
        help="tag again what has its file; without it no file is replaced",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=default_workers(),
        metavar="N",
        help="threads that read pictures beside the network (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    options = read_options(args)
    if args.print and args.output is not None:
        raise UsageError("--print writes no files; leave -o out")
    if fault := workers_fault(args.workers):
        raise UsageError(fault)
    jobs = plan(args.pictures, args.output, args.format or "txt", recursive=args.recursive, files=not args.print)
    # Captions are edited by hand: what is there is kept, however old it is.
    left = jobs if args.force or args.print else [job for job in jobs if not job.target.exists()]
    if done := len(jobs) - len(left):
        logger.info("%d of %d pictures have their tags already; --force does them again", done, len(jobs))
    if not left:
        return 0
    model = load(args.model)
    if args.channel_order is not None:
        model = model.with_channel_order(args.channel_order)
    if options.threshold_mode == "per_tag" and not model.vocabulary.thresholds:
        raise UsageError("--threshold-mode per_tag: this tagger has no thresholds of its own; use fixed or mcut")
    for warning in warnings(options, model.vocabulary):
        logger.warning("--%s", warning.replace("_", "-", 1))
    with progress_line() as line:
        failed = run_jobs(left, model, options, line, files=not args.print, workers=args.workers)
    if failed and len(jobs) > 1:
        logger.error("%d of %d pictures failed: %s", len(failed), len(jobs), ", ".join(map(str, failed)))
    return int(bool(failed))


def read_options(args: argparse.Namespace) -> Options:
    """The options given, checked as the node's inputs are in a workflow. Raises UsageError with one line a fault."""
    declared = sockets(NODE_CLASS_MAPPINGS[TAGGER])
    found: dict[str, object] = {}
    faults: list[str] = []
    for field in dataclasses.fields(Options):
        if (value := getattr(args, field.name)) is not None:
            found[field.name], fault = convert(declared[field.name], value)
            faults += [f"--{field.name.replace('_', '-')}: {fault}"] if fault else []
    if faults:
        raise UsageError("\n".join(faults))
    return dataclasses.replace(DEFAULTS, **found)


def plan(inputs: list[str], out: Path | None, kind: str, *, recursive: bool, files: bool) -> list[Job]:
    """The pictures and their files, in the order given. Raises UsageError where two pictures would share a file."""
    if out is not None and out.is_file():
        raise UsageError(f"-o {out}: this is a file; name a folder")
    jobs: dict[Path, Job] = {}
    for text in inputs:
        for source, base in pictures(text, out, recursive=recursive):
            place = source if out is None else out / source.relative_to(base)
            jobs[source] = Job(source, place.with_suffix(f".{kind}"), kind)
    return checked(list(jobs.values())) if files else list(jobs.values())


def load(model: str | None) -> TaggerModel:
    """The tagger by name or path, or the default one, on the device. Raises UsageError for one that does not exist."""
    names = host.tagger_names()
    if model is None:
        if not names:
            raise UsageError("no tagger was found in weights/; name a file with --model")
        model = DEFAULT_MODEL if DEFAULT_MODEL in names else names[0]
    model = listed_model(model, names)
    path = host.tagger_path(model) if model in names else Path(model)
    if not path.is_file():
        raise UsageError(f"--model {model}: there is no tagger of that name and no such file; {suggest(model, names)}")
    return shared_tagger(path).to(host.compute_device())


def run_jobs(
    jobs: list[Job], model: TaggerModel, options: Options, line: ProgressLine, *, files: bool, workers: int
) -> list[Path]:
    """Tag the pictures while `workers` threads read the next ones; a pass of the network takes several where it pays.

    Prints each result in the order of `jobs`, logs each failure, and returns the sources that failed.
    """
    batch = BatchLine(line, len(jobs))
    failed: list[Path] = []
    size = model.pictures_at_once()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="senga")
    try:
        waiting = _read_ahead(pool, jobs, model, workers + size)
        while group := list(islice(waiting, size)):
            ready: list[tuple[Job, Tensor]] = []
            for job, read in group:
                batch.start(job.source.name, 1)
                try:
                    ready.append((job, read.result()))
                except FAILURES as error:
                    logger.error("%s", named(job.source, error))
                    failed.append(job.source)
                    batch.end()
            tagged = tag_prepared(model, torch.cat([x for _, x in ready]), options) if ready else []
            for (job, _), found in zip(ready, tagged, strict=True):
                try:
                    line.result(_put(job, found, model) if files else as_line(job.source, found))
                except OSError as error:
                    logger.error("%s", named(job.target, error))
                    failed.append(job.source)
                batch.end()
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: list[Job], model: TaggerModel, ahead: int
) -> Iterator[tuple[Job, "Future[Tensor]"]]:
    """Each job with its picture on the way, at most `ahead` of them, at the network's size, before their turn."""
    rest = iter(jobs)
    waiting = [(job, pool.submit(read, job.source, model)) for job in islice(rest, ahead)]
    while waiting:
        first = waiting.pop(0)
        waiting += [(job, pool.submit(read, job.source, model)) for job in islice(rest, 1)]
        yield first


def read(source: Path, model: TaggerModel) -> Tensor:
    """A picture as the network takes it, (1, 3, size, size). Raises SengaError."""
    pages = read_picture(source).pages
    if len(pages) > 1:
        logger.warning("%s: it has %d frames; only the first is tagged (a workflow takes all)", source, len(pages))
    frame = decode(pages[0])
    image = as_image(frame, alpha=frame.alpha is not None, grey=True)
    return model.prepare(to_bchw(image[None]))


def _put(job: Job, found: Tagged, model: TaggerModel) -> str:
    write_text(job.target, as_text(job.format, job.source, found, model))
    return str(job.target)


def as_text(kind: str, source: Path, found: Tagged, model: TaggerModel) -> str:
    """What a picture's file holds."""
    if kind == "txt":
        return found.tags + "\n"
    if kind == "json":
        return (
            json.dumps({**record(source, found), "all": json.loads(found.scores)}, ensure_ascii=False, indent=1) + "\n"
        )
    category = dict(zip(model.vocabulary.names, model.vocabulary.categories, strict=True))
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("tag", "category", "score"))
    rows.writerows((name, category[name], f"{score:.4f}") for name, score in found.chosen)
    return text.getvalue()


def as_line(source: Path, found: Tagged) -> str:
    return json.dumps(record(source, found), ensure_ascii=False)


def record(source: Path, found: Tagged) -> dict[str, object]:
    """One picture's answer: texts as the options write them, scores under the names of the vocabulary."""
    return {
        "file": source.as_posix(),
        "tags": found.tags,
        "characters": found.characters,
        "rating": found.rating,
        "scores": {name: round(score, 4) for name, score in found.chosen},
    }
