"""`senga export MODEL --onnx OUT.onnx`: a network of Senga's for other runtimes, checked against torch."""

import argparse
from pathlib import Path

from ...arch import SengaError, load_model
from ...arch.borrowed.onnx_export import export_onnx
from ..errors import UsageError
from ..log import logger
from ..model_folders import add_models_dir, use_models_dirs
from ..stdout import say
from ..workflow.options import find_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME|PATH", help="a name that `senga models` lists, or a file")
    add_models_dir(parser)
    parser.add_argument("--onnx", type=Path, required=True, metavar="OUT.onnx", help="the file to write or replace")
    parser.add_argument(
        "-t",
        "--tile",
        type=int,
        default=0,
        metavar="N",
        help="the only size of picture that the graph takes, halo included, for runtimes without dynamic shapes"
        " (1 or more; default: 0, any size)",
    )


def run(args: argparse.Namespace) -> int:
    if args.onnx.suffix.lower() != ".onnx":
        raise UsageError(f"--onnx {args.onnx}: give a name that ends in .onnx")
    if args.tile < 0:
        raise UsageError(f"--tile {args.tile}: expected pixels, or 0 for any size")
    use_models_dirs(args.models_dir)
    path = find_file(args.model)
    try:
        error = export_onnx(load_model(path), args.onnx, args.tile)
    except SengaError as error:
        named = str(error) if path.name in str(error) else f"{path.name}: {error}"
        raise SengaError(named) from error
    logger.info("%s: differs from torch by %.1g of 1 at the most", args.onnx, error)
    say(str(args.onnx))
    return 0
