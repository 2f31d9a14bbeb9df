"""`senga run WORKFLOW`: run a workflow without ComfyUI, or with --server on a running one.

Prints the path of every saved file, the text of every PreviewAny, and tags that no other node uses.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

from ..device import add_device, use_device
from ..errors import UsageError
from ..log import logger
from ..model_folders import add_models_dir, use_models_dirs
from ..progress import progress_line
from ..server.run import run_on_server
from ..workflow.budget import check_embedded, check_memory, default_budget
from ..workflow.core_files import Folders
from ..workflow.execute import Ui, execute
from ..workflow.graph import Workflow, consumed, label
from ..workflow.node_classes import TITLES, all_nodes
from ..workflow.overrides import apply_overrides
from ..workflow.read import read_workflow
from ..workflow.validate import validate
from .batch import add_max_pixels, max_pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "workflow",
        type=Path,
        metavar="WORKFLOW",
        help="a .json as ComfyUI saves or exports it, or a picture that it saved with one inside",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="NODE.INPUT=VALUE",
        help="change an input; NODE is a node's id, or its title or class where only one has it"
        " (may be repeated; default: none)",
    )
    parser.add_argument(
        "--input-dir", type=Path, default=Path("input"), metavar="D", help="where pictures are (default: ./input)"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path("output"), metavar="D", help="where results go (default: ./output)"
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="address of a running ComfyUI that does the work: http://127.0.0.1:8188 (default: none)",
    )
    parser.add_argument(
        "--allow-outside",
        action="store_true",
        help="let the workflow read pictures outside the input and output folders (default: no)",
    )
    parser.add_argument(
        "--max-memory",
        type=_gigabytes,
        metavar="GB",
        help="refuse a workflow whose pictures take more (default: three quarters of the free memory, 8 at most)",
    )
    add_device(parser)
    add_models_dir(parser)
    add_max_pixels(parser)


def _gigabytes(text: str) -> int:
    """Bytes."""
    try:
        size = float(text) * 1e9
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of memory (expected gigabytes, such as 16)")
    return int(size)


def run(args: argparse.Namespace) -> int:
    if args.server is not None:
        if args.models_dir:
            raise UsageError("--models-dir: a server uses its own models; leave out one of the two")
        if args.max_pixels is not None:
            raise UsageError("--max-pixels: a server reads the pictures itself; leave out one of the two")
        if args.device is not None:
            raise UsageError("--device: a server uses its own device; leave out one of the two")
        run_on_server(args.server, args.workflow, args.overrides, args.input_dir, args.output_dir, args.allow_outside)
        return 0
    use_device(args.device)
    use_models_dirs(args.models_dir)
    largest = max_pixels(args)
    with tempfile.TemporaryDirectory(prefix="senga_") as temp:
        folders = Folders(args.input_dir, args.output_dir, Path(temp), largest, args.allow_outside)
        nodes = all_nodes(folders)
        read = read_workflow(args.workflow, nodes, TITLES)
        changed = Workflow(apply_overrides(read.prompt, args.overrides, nodes), read.extra_pnginfo)
        workflow = validate(changed, nodes, source=str(args.workflow))
        limit = default_budget() if args.max_memory is None else args.max_memory
        check_memory(workflow, nodes, limit, source=str(args.workflow))
        check_embedded(workflow, nodes, embedded_size(workflow), source=str(args.workflow))
        used = consumed(workflow.prompt)
        with progress_line() as line:

            def show(node_id: str, ui: Ui) -> None:
                for text in results(ui, folders, texts=node_id not in used):
                    line.result(text)
                if any(image["type"] == "temp" for image in ui.get("images", [])):
                    where = label(workflow.prompt, node_id)
                    logger.info("node %s: a preview is not kept; use SaveImage to have a file", where)

            execute(workflow, nodes, on_start=line.start, on_result=show, max_memory=limit)
    return 0


def embedded_size(workflow: Workflow) -> int:
    """Bytes of a workflow inside each picture that it saves, about."""
    return len(json.dumps(workflow.prompt)) + len(json.dumps(workflow.extra_pnginfo or {}))


def results(ui: Ui, folders: Folders, *, texts: bool = True) -> list[str]:
    """What is printed for a node's `ui` result: paths of saved files, and its texts if `texts`."""
    saved = [file for key in ("images", "captions") for file in ui.get(key, []) if file["type"] == "output"]
    paths = [str(folders.output / file["subfolder"] / file["filename"]) for file in saved]
    return [*paths, *(str(text) for text in ui.get("text", []) if texts)]
