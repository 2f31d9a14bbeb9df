"""`senga page`: the browser page, which upscales and tags on the visitor's own device, as a folder or served here."""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from ...nodes import host
from ..errors import SengaError, UsageError
from ..log import logger
from ..model_folders import add_models_dir, use_models_dirs
from ..site.folder import PAGE, build, total
from ..site.models import OFFERED
from ..site.runtime import find_runtime
from ..site.serving import address, server
from ..stdout import say
from ..workflow.options import MODEL_FLAGS, TAGGERS, UPSCALERS, find_model, listed_name

PORT = 8765
LAST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="SITE",
        help="the folder to write, for any web host; an older site in it is replaced (default with --serve: a temporary"
        " folder)",
    )
    parser.add_argument(
        "--serve",
        nargs="?",
        type=int,
        const=PORT,
        metavar="PORT",
        help=f"serve the page on this machine alone until it is interrupted (1 to {LAST_PORT}, or 0 for any free port;"
        f" default: {PORT})",
    )
    parser.add_argument(
        "--runtime",
        type=Path,
        metavar="DIR",
        help="the node_modules folder with onnxruntime-web and fflate (default: page/node_modules, which `npm ci` in"
        " page/ makes)",
    )
    parser.add_argument(
        *MODEL_FLAGS,
        action="append",
        metavar="NAME|PATH",
        help="an upscaler to offer, the default first; may be repeated (default: those of weights/ among"
        f" {', '.join(OFFERED)})",
    )
    add_models_dir(parser)
    parser.add_argument("--tagger", metavar="NAME|PATH", help=f"the tagger (default: {host.DEFAULT_TAGGER})")


def run(args: argparse.Namespace) -> int:
    if args.out is None and args.serve is None:
        raise UsageError("give --out SITE to write the page into a folder, or --serve to see it on this machine")
    if args.serve is not None and not 0 <= args.serve <= LAST_PORT:
        raise UsageError(f"--serve {args.serve}: expected a port from 0 to {LAST_PORT}")
    runtime = find_runtime(PAGE, args.runtime)
    use_models_dirs(args.models_dir)
    upscalers = [find_model(name, UPSCALERS) for name in args.model] if args.model else offered()
    with ExitStack() as stack:
        if args.out is None:
            args.out = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="senga_page_"))) / "site"
        build(args.out, upscalers, find_model(args.tagger, TAGGERS), runtime)
        logger.info("%s: %.1f MB", args.out, total(args.out) / 1e6)
        if args.serve is None:
            say(str(args.out))
        else:
            serve(args.out, args.serve)
    return 0


def offered() -> list[Path]:
    """The upscalers that the page offers, of those that are there. Raises UsageError for none."""
    names = UPSCALERS.names()
    found = [UPSCALERS.path(listed) for name in OFFERED if (listed := listed_name(name, names))]
    if not found:
        raise UsageError(f"none of {', '.join(OFFERED)} is in weights/; name an upscaler with --model")
    return found


def serve(site: Path, port: int) -> None:
    """Serve until interrupted. Raises SengaError where the port is taken."""
    try:
        running = server(site, port)
    except OSError as error:
        raise SengaError(f"--serve {port}: {error.strerror}; give another port, or 0 for any free one") from error
    with running:
        say(address(running))
        logger.info("the page is at %s; Ctrl-C ends it", address(running))
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            logger.info("stopped")
