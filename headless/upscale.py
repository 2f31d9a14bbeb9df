"""`senga upscale IN... -o OUT`: pictures through one model, alpha kept, as 8-bit PNG."""

import argparse
import os
from pathlib import Path

import torch
from torch import Tensor

from ..arch import load_model
from ..nodes import NODE_CLASS_MAPPINGS, host
from .errors import SengaError, UsageError, one_line
from .execute import call_node
from .log import logger
from .pictures import Frame, read_frames, rounded_levels, write_png
from .progress import ProgressLine, progress_line
from .values import convert, suggest
from .workflow import Socket, sockets

DEFAULT_MODEL = "senga_espcn_7_x2.safetensors"
LOADER, UPSCALER = "SengaLoadUpscaleModel", "SengaUpscale"
# Options of the command that are inputs of the node: what converts their text, and their name in the help.
NODE_OPTIONS: dict[str, tuple[type, str]] = {
    "scale": (float, "S"),
    "width": (int, "W"),
    "height": (int, "H"),
    "tile": (int, "N"),
    "halo": (int, "N"),
    "precision": (str, "P"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pictures", nargs="+", type=Path, metavar="IN", help="picture files")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .png, or a folder; with several IN always a folder. A file of that name is replaced",
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="a name that `senga models` lists, or a file")
    declared = sockets(NODE_CLASS_MAPPINGS[UPSCALER])
    for name, (kind, metavar) in NODE_OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=_help(declared[name]))
    parser.add_argument("--self-ensemble", action="store_true", default=None, help=_help(declared["self_ensemble"]))


def _help(socket: Socket) -> str:
    return str(socket.options.get("tooltip", "")).replace("%", "%%")  # argparse fills in %(...)s


def run(args: argparse.Namespace) -> int:
    options = node_options(args)
    targets = plan(args.pictures, args.output)
    model = load(args.model)
    failed = False
    with progress_line() as line:
        for source, target in targets.items():
            try:
                upscale_file(source, target, model, options, line)
            except (SengaError, OSError, RuntimeError, MemoryError) as error:  # torch's own are RuntimeErrors
                logger.error("%s", named(source, error))
                failed = True
    return int(failed)


def named(source: Path, error: Exception) -> str:
    """What went wrong on one line, with the file's name in it."""
    text = one_line(error)
    return text if str(source) in text else f"{source}: {text}"


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


def plan(pictures: list[Path], output: str) -> dict[Path, Path]:
    """Which file each picture becomes. Raises UsageError where two would meet, or one would replace its own source."""
    out = Path(output)
    is_folder = out.is_dir() or output.endswith(("/", os.sep))
    if len(pictures) > 1 and not is_folder and (out.is_file() or out.suffix.lower() == ".png"):
        raise UsageError(f"-o {output}: with {len(pictures)} pictures this has to be a folder")
    if len(pictures) == 1 and not is_folder:
        if out.suffix.lower() != ".png":
            raise UsageError(f"-o {output}: pictures are written as PNG; end the name in .png, or a folder's in /")
        targets = {pictures[0]: out}
    else:
        targets = {picture: out / f"{picture.stem}.png" for picture in pictures}
    faults: list[str] = []
    taken: dict[Path, Path] = {}
    for source, target in targets.items():
        if target.exists() and source.exists() and target.samefile(source):
            faults.append(f"{source}: it would be replaced by its own result; give another folder or name with -o")
        if target in taken:
            faults.append(f"{source}: it would be written to {target}, and so would {taken[target]}; run them apart")
        taken[target] = source
    if faults:
        raise UsageError("\n".join(faults))
    return targets


def load(model: str | None) -> object:
    """The model by name or path, or the default one. Raises UsageError for one that does not exist."""
    names = host.upscale_model_names()
    if model is None:
        if not names:
            raise UsageError("no model was found in weights/; name a file with --model")
        model = DEFAULT_MODEL if DEFAULT_MODEL in names else names[0]
    loader = NODE_CLASS_MAPPINGS[LOADER]
    if model in names:
        return call_node(loader, model_name=model)[0]
    path = Path(model)
    if not path.is_file():
        raise UsageError(f"--model {model}: there is no model of that name and no such file; {suggest(model, names)}")
    return load_model(path)


def upscale_file(source: Path, target: Path, model: object, options: dict[str, object], line: ProgressLine) -> None:
    """Read, upscale and write one picture. Raises SengaError or OSError."""
    line.start(source.name)
    frames = read_frames(source)
    if len(frames) > 1:
        logger.warning("%s: it has %d frames; only the first is upscaled (a workflow takes all)", source, len(frames))
    with torch.inference_mode():
        image, *_ = call_node(
            NODE_CLASS_MAPPINGS[UPSCALER], upscale_model=model, image=as_image(frames[0])[None], **options
        )
    write_png(target, rounded_levels(image[0]))
    line.result(str(target))


def as_image(frame: Frame) -> Tensor:
    """(H, W, C): grey 1, colour 3, anything with alpha 4 channels."""
    if frame.alpha is not None:
        return torch.cat((frame.rgb, frame.alpha[:, :, None]), dim=2)
    return frame.rgb if frame.grey is None else frame.grey[:, :, None]
