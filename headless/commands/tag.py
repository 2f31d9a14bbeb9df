"""`senga tag IN...`: captions next to pictures as trainers read them, or JSON lines."""

import argparse
import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...arch import Options, Tagged, TaggerModel, foreign_taggers
from ...arch.borrowed import tagger_files
from ...arch.image import to_bchw
from ...arch.preprocessing import ORDERS
from ...arch.tags import choose, warnings
from ...nodes import NODE_CLASS_MAPPINGS, host
from ..cluster.places import is_url
from ..cluster.shards import ENDINGS, PARQUET, ROW, WEBDATASET
from ..device import add_device, use_device
from ..errors import SengaError, UsageError
from ..files.journal import sha256_of
from ..files.pictures import as_image, decode, read_picture
from ..files.plan import PICTURES, Job, checked, is_one, pictures, refuse_video
from ..files.results import written
from ..log import logger
from ..model_cache import shared_tagger
from ..model_folders import add_models_dir, use_models_dirs
from ..pipes import PIPE, piped
from ..progress import BatchLine
from ..workflow.graph import sockets
from ..workflow.options import MODEL_FLAGS, TAGGERS, find_model, flag, help_of, read_options
from .batch import Output, Work, max_pixels, run_batch
from .batch import add_arguments as add_batch_arguments
from .batch_cluster import add_cluster, on_cluster, run_on_cluster
from .batch_worker import Prepared, Shown

TAGGER = "SengaTagImage"
FORMATS = {
    "txt": "NAME.txt next to each picture: its tags, as kohya's scripts and other trainers read captions (the default)",
    "csv": "NAME.csv instead: tag, category and score of the chosen tags, a row each",
    "json": "NAME.json instead: tags, characters, rating, and the scores of all tags",
}
DEFAULT_FORMAT = "txt"
# Trainers read captions literally; in a prompt, parentheses are weights.
DEFAULTS = dataclasses.replace(Options(), escape_parentheses=False)
# Files that may be next to other people's taggers and change their results.
COMPANIONS = {
    *foreign_taggers.TAGS,
    *foreign_taggers.SETTINGS,
    *tagger_files.TAGS,
    *tagger_files.SETTINGS,
    *tagger_files.THRESHOLDS,
}
LISTED = {"general": "general", "characters": "character"}  # columns of tags, with their categories
METAVARS = {int: "N", float: "0-1", str: "TEXT"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", metavar="IN", help="picture files, folders, or patterns in quotes")
    kinds = parser.add_mutually_exclusive_group()
    for name, text in FORMATS.items():
        kinds.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=text)
    kinds.add_argument("--print", action="store_true", help="write no files; print a line of JSON for each picture")
    parser.add_argument(
        "-o",
        "--output",
        type=place,
        metavar="OUT",
        help="a folder for the files, in which sub-folders are kept; or, for one picture, the file to write or replace"
        " (default: next to the pictures)",
    )
    known = f"a tagger that `senga models` lists, or a file (default: {host.DEFAULT_TAGGER})"
    parser.add_argument(*MODEL_FLAGS, metavar="NAME|PATH", help=known)
    add_models_dir(parser)
    parser.add_argument(
        "--channel-order",
        choices=ORDERS,
        help="of the network's input channels, where its files say it wrongly or not at all (default: what they say)",
    )
    declared = sockets(NODE_CLASS_MAPPINGS[TAGGER])
    for field in dataclasses.fields(Options):
        kind, help = type(field.default), help_of(declared[field.name], getattr(DEFAULTS, field.name))
        if kind is bool:
            parser.add_argument(flag(field.name), action=argparse.BooleanOptionalAction, default=None, help=help)
        elif (choices := declared[field.name].choices) is not None:
            parser.add_argument(flag(field.name), choices=choices, help=help)
        else:
            parser.add_argument(flag(field.name), type=kind, metavar=METAVARS[kind], help=help)
    add_device(parser)
    add_batch_arguments(parser)
    add_cluster(parser)


def place(text: str) -> Path | str:
    """A path, or the URL of an object store as it is."""
    return text if is_url(text) else Path(text)


def run(args: argparse.Namespace) -> int:
    if PIPE in args.pictures and args.output is None and not args.print:
        args.output = Path(PIPE)
    with piped(args, f".{args.format or DEFAULT_FORMAT}", text=True) as changed:
        own = Path(changed.pictures[0]) if PIPE in args.pictures else None
        return _run(changed, {} if own is None else {own: PIPE})


def _run(args: argparse.Namespace, shown: Shown) -> int:
    if args.print and args.output is not None:
        raise UsageError("--print writes no files; leave -o out")
    prepared = prepare(args, shown)
    if on_cluster(args, ENDINGS):
        return run_on_cluster(args, prepare, PICTURES)
    jobs = plan(args.pictures, args.output, args.format, recursive=args.recursive, files=not args.print)
    jobs = [dataclasses.replace(job, settings={**prepared.settings, **own_settings(job, shown)}) for job in jobs]
    return run_batch(jobs, prepared.begin, force=args.force, workers=args.workers)


def prepare(args: argparse.Namespace, shown: Shown) -> Prepared:
    """What the options ask for; `shown` are other names of pictures for the results. Raises UsageError, SengaError."""
    names = tuple(field.name for field in dataclasses.fields(Options))
    options = dataclasses.replace(DEFAULTS, **read_options(args, NODE_CLASS_MAPPINGS[TAGGER], names))
    use_device(args.device)
    use_models_dirs(args.models_dir)
    path = find_model(args.model, TAGGERS)
    settings = settings_of(path, options, args.channel_order)
    largest = max_pixels(args)
    kind = args.format or DEFAULT_FORMAT
    if args.shards == PARQUET:
        if args.format is not None:
            raise UsageError(f"--{args.format}: the tags go into columns; leave it out, or use --shards {WEBDATASET}")
        kind = ROW

    def job(source: Path, own: str, lone: bool, out: Path | None) -> Job:
        if not lone and not args.print:
            raise SengaError(f"{source}: another picture beside it would have the same .{kind}; run them separately")
        one = job_of(source, own, out, kind, files=not args.print)
        return dataclasses.replace(one, settings={**settings, **own_settings(one, shown)})

    def begin() -> "Work[Tensor, list[float]]":
        model = load(path, options, args.channel_order)
        return work(model, options, files=not args.print, largest=largest, shown=shown)

    return Prepared(job, begin, settings)


def job_of(source: Path, own: str, out: Path | None, kind: str, *, files: bool) -> Job:
    """The job of one picture, which is called `own` below the folder that was given."""
    place = source if out is None else out / own
    return Job(source, place.with_suffix(f".{kind}"), kind, own, recorded=files)


def plan(inputs: list[str], out: Path | None, chosen: str | None, *, recursive: bool, files: bool) -> list[Job]:
    """The pictures and their files, in the order given; `chosen` is --txt, --csv or --json.

    Raises UsageError where two pictures would share a file, or a file's name and `chosen` differ.
    """
    if out is not None and (meant := out.suffix.lower().removeprefix(".")) in FORMATS and not out.is_dir():
        if not is_one(inputs):
            raise UsageError(f"-o {out}: with more than one picture this must be a folder")
        if chosen is not None and chosen != meant:
            raise UsageError(f"-o {out}: the name says {meant}, --{chosen} another; change one of them")
        refuse_video(inputs[0])
        return checked([Job(Path(inputs[0]), out, meant, Path(inputs[0]).name, recorded=False)])
    kind = chosen or DEFAULT_FORMAT
    if out is not None and out.is_file():
        raise UsageError(f"-o {out}: this is a file; name a folder")
    jobs: dict[Path, Job] = {}
    for text in inputs:
        for source, base in pictures(text, out, recursive=recursive):
            jobs[source] = job_of(source, source.relative_to(base).as_posix(), out, kind, files=files)
    return checked(list(jobs.values())) if files else list(jobs.values())


def settings_of(model: Path, options: Options, channel_order: str | None) -> dict[str, Any]:
    """All that a result depends on besides its picture; for other people's taggers, also the files next to them."""
    companions = [model.with_name(name.format(stem=model.stem)) for name in sorted(COMPANIONS)]
    files = [sha256_of(path) for path in (model, *companions) if path.is_file()]
    order = {} if channel_order is None else {"channel_order": channel_order}
    return {"command": "tag", "model": files, **order, **dataclasses.asdict(options)}


def own_settings(job: Job, shown: Shown) -> dict[str, Any]:
    """Settings that differ between pictures: JSON files contain the picture's path."""
    return {"format": job.format} | ({"file": shown_name(job, shown)} if job.format == "json" else {})


def shown_name(job: Job, shown: Shown) -> str:
    return shown.get(job.source, job.source.as_posix())


def load(path: Path, options: Options, channel_order: str | None) -> TaggerModel:
    """The tagger, on the device. Raises UsageError for options that it does not support."""
    model = shared_tagger(path).to(host.compute_device())
    if channel_order is not None:
        model = model.with_channel_order(channel_order)
    if options.threshold_mode == "per_tag" and not model.vocabulary.thresholds:
        raise UsageError("--threshold-mode per_tag: this tagger has no thresholds for single tags; use fixed or mcut")
    for warning in warnings(options, model.vocabulary):
        logger.warning("--%s", warning.replace("_", "-", 1))
    return model


def work(model: TaggerModel, options: Options, *, files: bool, largest: int, shown: Shown) -> Work[Tensor, list[float]]:
    """With `files` False only lines of JSON are made; `shown` are other names of pictures for the results."""

    def make(ready: Sequence[tuple[Job, Tensor]], _: BatchLine) -> list[list[float]]:
        return model.predict(torch.cat([x for _, x in ready])).tolist()

    def encode(job: Job, row: list[float]) -> Output:
        # Chosen here, in a thread: of ten thousand tags that takes a while, in which the network would wait.
        found = choose(row, model.vocabulary, options, model_sha256=model.file_sha256)
        if not files:
            return Output(as_line(shown_name(job, shown), found), {})
        data = as_bytes(as_text(job.format, shown_name(job, shown), found, model))
        return Output(str(job.target), written({job.target: data}))

    return Work(
        read=lambda job: read(job.source, model, largest),
        make=make,
        encode=encode,
        at_once=model.pictures_at_once(),
    )


def read(source: Path, model: TaggerModel, largest: int) -> Tensor:
    """A picture as the network takes it, (1, 3, size, size). Raises SengaError."""
    picture = read_picture(source, take="first", max_pixels=largest)
    if picture.count > 1:
        logger.warning("%s: it has %d frames; only the first is tagged (a workflow takes all)", source, picture.count)
    frame = decode(picture.pages[0])
    image = as_image(frame, alpha=frame.alpha is not None, grey=True)
    return model.prepare(to_bchw(image[None]))


def as_text(kind: str, source: str, found: Tagged, model: TaggerModel) -> str:
    """The content of a picture's file."""
    if kind == "txt":
        return found.tags + "\n"
    if kind == "json":
        return (
            json.dumps({**record(source, found), "all": json.loads(found.scores)}, ensure_ascii=False, indent=1) + "\n"
        )
    category = dict(zip(model.vocabulary.names, model.vocabulary.categories, strict=True))
    if kind == ROW:
        names = {group: [name for name, _ in found.chosen if category[name] == one] for group, one in LISTED.items()}
        columns = {"tags": found.tags, **names, "rating": found.rating, "scores": scores_of(found)}
        return json.dumps(columns, ensure_ascii=False)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("tag", "category", "score"))
    rows.writerows((name, category[name], f"{score:.4f}") for name, score in found.chosen)
    return text.getvalue()


def as_bytes(text: str) -> bytes:
    """UTF-8. A file name that is not UTF-8 gets JSON's own escapes."""
    return text.encode(errors="backslashreplace")


def as_line(source: str, found: Tagged) -> str:
    return json.dumps(record(source, found), ensure_ascii=False)


def record(source: str, found: Tagged) -> dict[str, object]:
    """The result of a picture: texts as the options ask for, scores under the names of the vocabulary."""
    return {
        "file": source,
        "tags": found.tags,
        "characters": found.characters,
        "rating": found.rating,
        "scores": scores_of(found),
    }


def scores_of(found: Tagged) -> dict[str, float]:
    return {name: round(score, 4) for name, score in found.chosen}
