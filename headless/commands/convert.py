"""`senga convert IN OUT.safetensors`: a weights file of a network that Senga owns, with a header; or back."""

import argparse
import dataclasses
from pathlib import Path

from ...arch import Header, SengaError, TaggerModel, UpscaleModel, load_model, save_model
from ...arch.registry import BY_ID
from ...arch.weights import save_official
from ..errors import UsageError
from ..log import logger
from ..model_folders import add_models_dir, use_models_dirs
from ..stdout import say
from ..workflow.options import find_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source_file",
        metavar="IN",
        help="a .pth, .pt, .ckpt or .safetensors file, or a name that `senga models` lists",
    )
    add_models_dir(parser)
    parser.add_argument(
        "target", type=Path, metavar="OUT", help="a .safetensors file; with --official also a .pth; it is replaced"
    )
    parser.add_argument(
        "--licence",
        action="append",
        default=[],
        metavar="NAME",
        help="licence of the weights, kept in the header (may be repeated; default: none)",
    )
    parser.add_argument(
        "--source", metavar="TEXT", help="where the file comes from, kept in the header (default: nothing)"
    )
    parser.add_argument(
        "--official",
        action="store_true",
        help="write no header, and the key names of the network's official code (default: no)",
    )


def run(args: argparse.Namespace) -> int:
    if args.official and (args.licence or args.source):
        raise UsageError("--licence and --source are kept in a header, which --official files do not have")
    if args.target.suffix.lower() == ".pth" and not args.official:
        raise UsageError(f"{args.target}: Senga writes safetensors; give a name that ends in .safetensors")
    use_models_dirs(args.models_dir)
    source = find_file(args.source_file)
    if source.resolve() == args.target.resolve():
        raise UsageError(f"{args.target}: IN and OUT are the same file; give another name")
    model = load_model(source)
    if model.header.architecture not in BY_ID:
        raise SengaError(
            f"{source.name}: is a {model.header.architecture} network, which another library runs; it loads"
            f" as it is. Senga converts its own: {', '.join(BY_ID)}"
        )
    if args.official:
        lost = save_official(args.target, model)
        if lost:
            logger.warning("%s: the official code cannot know %s; set it there", args.target, ", ".join(lost))
    else:
        save_model(args.target, with_provenance(model, args.licence, args.source))
    say(str(args.target))
    return 0


def with_provenance(
    model: UpscaleModel | TaggerModel, licences: list[str], source: str | None
) -> UpscaleModel | TaggerModel:
    """The same network with what the user knows of it in its header.

    The name of the recognised key layout stays first in `source`: by it, files of other programs are told from ours.
    """
    old = model.header.provenance
    if source and old.source in ("", "senga"):
        raise UsageError(f"--source {source}: the file has a header of Senga's, which says where it comes from")
    provenance = dataclasses.replace(
        old,
        source=f"{old.source}; {source}" if source else old.source,
        licences=tuple(licences) or old.licences,
    )
    header: Header = dataclasses.replace(model.header, provenance=provenance)
    return TaggerModel(header, model.model) if isinstance(model, TaggerModel) else UpscaleModel(header, model.model)
