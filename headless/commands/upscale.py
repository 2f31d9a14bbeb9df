"""`senga upscale IN... -o OUT`: pictures, folders, animations and videos through one model, alpha and colours kept."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...arch import SengaError, read_header
from ...arch.errors import install
from ...arch.pictures.fitting import FITS
from ...arch.weights import check_file
from ...nodes import NODE_CLASS_MAPPINGS, host
from ..device import add_device, use_device
from ..errors import UsageError
from ..files.formats import FORMATS
from ..files.journal import sha256_of
from ..files.plan import DEFAULT_FORMAT, DEFAULT_NAME, PICTURES, Job, check_name, make_plan, planned
from ..files.video import CODECS, CONTAINERS, VIDEO_ENDINGS, pyav
from ..model_cache import shared_upscaler
from ..model_folders import add_models_dir, use_models_dirs
from ..pipes import PIPE, piped
from ..workflow.graph import sockets
from ..workflow.options import MODEL_FLAGS, UPSCALERS, add_options, find_model, flag, help_of, read_options
from .batch import add_arguments as add_batch_arguments
from .batch import max_pixels, run_batch
from .batch_cluster import add_cluster, on_cluster, run_on_cluster
from .batch_worker import Prepared, Shown
from .upscale_denoise import Mix, add_denoise, files_of, mix_of, model_file
from .upscale_denoise import settings_of as denoise_settings
from .upscale_work import DEPTHS, UPSCALER, Network, work

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
LOADER, UNITS = "SengaLoadUpscaleModel", "units"  # the load node, and its input that is an option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="IN",
        help="pictures, animations, videos, folders with their sub-folders, or patterns in quotes",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file, which is replaced, or a folder; a folder for several IN. Names and sub-folders are kept",
    )
    known = f"a name of `senga models`, which says what each is for, or a file (default: {host.DEFAULT_UPSCALER})"
    parser.add_argument(*MODEL_FLAGS, metavar="NAME|PATH", help=known)
    add_models_dir(parser)
    add_denoise(parser)
    node_class = NODE_CLASS_MAPPINGS[UPSCALER]
    add_options(parser, node_class, NODE_OPTIONS)
    add_options(parser, NODE_CLASS_MAPPINGS[LOADER], {UNITS: (int, "N")})
    ensemble = sockets(node_class)["self_ensemble"]
    parser.add_argument(flag("self_ensemble"), action="store_true", default=None, help=help_of(ensemble))
    parser.add_argument(
        "-f",
        "--format",
        choices=(*FORMATS, *CONTAINERS),
        help="of the results (default: what the name of OUT says; in a folder png, and that of animations and videos)",
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
    codecs = "; ".join(f"{name} {', '.join(known.codecs)}" for name, known in CONTAINERS.items())
    parser.add_argument(
        "--codec",
        choices=CODECS,
        help=f"of videos, which need PyAV: {install('video')} (default: the first that the container takes: {codecs})",
    )
    own = ", ".join(f"{name} {known.crf}" for name, known in CODECS.items())
    parser.add_argument(
        "--crf",
        type=int,
        metavar="N",
        help=f"quality of videos, 0 to 51 for h264 and h265, 0 to 63 for vp9 and av1; 0 is the best (default: {own})",
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
    add_cluster(parser)


def run(args: argparse.Namespace) -> int:
    if args.format in CONTAINERS and (PIPE in args.pictures or args.output == PIPE):
        raise UsageError(f"--format {args.format}: videos cannot go through standard input and output; name files")
    kind = DEFAULT_FORMAT if args.format in (None, *CONTAINERS) else args.format
    with piped(args, FORMATS[kind].extension) as changed:
        return _run(changed)


def _run(args: argparse.Namespace) -> int:
    prepared = prepare(args, {})
    if on_cluster(args):
        check_name(args.name, prepared.fields)
        prepared.settings_of(args.format or DEFAULT_FORMAT)  # said here, once, not of each picture
        return run_on_cluster(args, prepare, (*PICTURES, *VIDEO_ENDINGS))
    jobs = make_plan(
        args.pictures,
        args.output,
        args.format,
        recursive=args.recursive,
        name=args.name,
        fields=prepared.fields,
        videos=True,
    )
    kinds = dict.fromkeys(job.format for job in jobs)
    check_videos(args, list(kinds))
    settings = {kind: prepared.settings_of(kind) for kind in kinds}
    jobs = [dataclasses.replace(job, settings=settings[job.format]) for job in jobs]
    return run_batch(jobs, prepared.begin, force=args.force, workers=args.workers)


@dataclasses.dataclass(frozen=True)
class Upscaling(Prepared):
    """With what --name may contain, and the settings of each format."""

    fields: Mapping[str, str]
    settings_of: Callable[[str], Mapping[str, Any]]


def prepare(args: argparse.Namespace, _: Shown) -> Upscaling:
    """What the options ask for. Raises UsageError, SengaError."""
    options = read_options(args, NODE_CLASS_MAPPINGS[UPSCALER], (*NODE_OPTIONS, "self_ensemble"))
    use_device(args.device)
    use_models_dirs(args.models_dir)
    mix = mix_of(args, options)
    path = find_model(args.model, UPSCALERS) if mix is None else files_of(mix)[0]
    units = units_of(args, path)
    short = {UNITS: units} if units else {}
    fields = fields_of(path, options) if args.name is not None else {}
    largest = max_pixels(args)
    changed = short if mix is None else denoise_settings(mix)

    @cache
    def settings(kind: str) -> Mapping[str, Any]:
        return settings_of(path, options, args, kind) | changed

    def job(source: Path, own: str, lone: bool, out: Path | None) -> Job:
        assert out is not None
        one = planned(source, own, out, args.format, lone=lone, name=args.name, fields=fields, videos=True)
        return dataclasses.replace(one, settings=settings(one.format))

    files = [path] if mix is None else files_of(mix)
    whole = {"models": [sha256_of(file) for file in files], **options, **changed, "format": args.format}
    whole |= {name: getattr(args, name) for name in ("name", "quality", "codec", "crf", "strip", "depth")}
    return Upscaling(job, lambda: work(network(path, options, mix, units), largest), whole, fields, settings)


def units_of(args: argparse.Namespace, path: Path) -> int:
    """The recursions that --units asks for, 0 for the model's own. Raises UsageError where it has no such ones."""
    units: int = read_options(args, NODE_CLASS_MAPPINGS[LOADER], (UNITS,)).get(UNITS, 0)
    if units and args.denoise is not None:
        raise UsageError(f"--units {units}: the networks of --denoise have no units; leave one of them out")
    header = read_header(path) if units else None
    try:
        if header:
            header.check_units(units)
    except SengaError as error:
        raise UsageError(f"{flag(UNITS)}: {error}") from error
    return units


def network(path: Path, options: dict[str, Any], mix: Mix | None, units: int = 0) -> Network:
    """The models, loaded. Raises SengaError."""
    if mix is None:
        return Network(options, [(1.0, [shared_upscaler(path, units)])])
    models = {file: shared_upscaler(file) for file in files_of(mix)}
    return Network(options, [(weight, [models[model_file(name)] for name in way]) for weight, way in mix])


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


def check_videos(args: argparse.Namespace, kinds: Sequence[str]) -> None:
    """Raises UsageError for options of videos where there is none, and of pictures where there are videos alone.

    Raises SengaError where there are videos and PyAV is not installed.
    """
    videos = [kind for kind in kinds if kind in CONTAINERS]
    given = {"--codec": args.codec, "--crf": args.crf} if not videos else {}
    given |= {"--quality": args.quality, "--depth": args.depth} if len(videos) == len(kinds) else {}
    for option, value in given.items():
        if value is not None:
            what = "pictures, and there is none; --crf is for videos" if videos else "videos, and there is none"
            raise UsageError(f"{option} {value}: is for {what}")
    if videos:
        pyav()


def settings_of(model: Path, options: dict[str, Any], args: argparse.Namespace, kind: str) -> dict[str, Any]:
    """All that a result depends on besides its picture; options that were not given are at their defaults.

    Raises UsageError for options that the kind of file does not have.
    """
    declared = sockets(NODE_CLASS_MAPPINGS[UPSCALER])
    defaults = {name: declared[name].options.get("default") for name in (*NODE_OPTIONS, "self_ensemble")}
    chosen = {name: value for name, value in (defaults | options).items() if name not in SAME_RESULT}
    if not (chosen["width"] and chosen["height"]):
        del chosen["fit"]  # it changes nothing then
    shared = {"command": "upscale", "model": sha256_of(model), **chosen, "format": kind, "strip": args.strip}
    if kind in CONTAINERS:
        return shared | video_settings(args.codec, args.crf, kind)
    check_kind(args.quality, args.depth, kind)
    quality = FORMATS[kind].quality if args.quality is None else args.quality
    return shared | {"quality": quality, "depth": args.depth}


def video_settings(codec: str | None, crf: int | None, kind: str) -> dict[str, Any]:
    """Codec and quality of a video. Raises UsageError for what the container does not take."""
    takes = CONTAINERS[kind].codecs
    codec = codec or takes[0]
    if codec not in takes:
        raise UsageError(f"--codec {codec}: {kind} does not take it; choose from {', '.join(takes)}")
    known = CODECS[codec]
    if crf is not None and not 0 <= crf <= known.worst:
        raise UsageError(f"--crf {crf}: expected 0 (best) to {known.worst} for {codec}")
    return {"codec": codec, "crf": known.crf if crf is None else crf}
