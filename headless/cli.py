"""The `senga` command: a table of subcommands, each in its own file.

Exit codes: 0 done, 1 something failed while running, 2 bad usage or a workflow with faults, 130 interrupted, 141 nobody
reads the results any more (`senga models | head -1`).
"""

import argparse
import difflib
import importlib
import io
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..arch.errors import install, printable
from .errors import SengaError, UsageError, one_line
from .foreign_options import hint
from .log import log_to_stderr, logger
from .stdout import OutputClosedError, silence

OK, FAILED, USAGE, INTERRUPTED, CLOSED = 0, 1, 2, 130, 141


@dataclass(frozen=True)
class Command:
    """Its `module` has add_arguments(parser) and run(args) -> int. It is imported when it runs: torch takes seconds."""

    name: str
    help: str
    extras: Mapping[str, str] = field(default_factory=dict)  # of pyproject.toml -> what needs it

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(f".commands.{self.name}", __package__)


COMMANDS = [
    Command("run", "run a workflow as ComfyUI saves or exports it", {"server": "progress of --server"}),
    Command(
        "upscale", "upscale pictures, folders, animations and videos", {"video": "videos", "models": "other models"}
    ),
    Command("tag", "tag pictures: a caption file next to each, or JSON", {"taggers": "other taggers"}),
    Command("degrade", "damage pictures by a recipe, repeatably", {"video": "the step video"}),
    Command("models", "list the models that the nodes find"),
    Command("convert", "give a weights file a header, or official key names"),
    Command("export", "write a network as ONNX", {"export": "all of it"}),
    Command("page", "make the browser page, or serve it on this machine", {"page": "all of it"}),
    Command("train", "train a network", {"train": "all of it"}),
    Command("data", "build, check, cut, preview and pack pictures to train on", {"train": "all of it"}),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself leaves with SystemExit for --help and bad options."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Some Windows consoles cannot show every file name; that must not end a run.
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    if not words:
        _parser(words).print_help(sys.stderr)
        raise SystemExit(USAGE)
    try:
        args, left = _parser(words).parse_known_args(words)
    except OSError as error:  # the options name what is in our own folders
        with log_to_stderr(False):
            logger.error(one_line(error))
        return FAILED
    if left:
        _refuse(args.parser, left)
    with log_to_stderr(getattr(args, "verbose", False)):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        return args.command.module.run(args)
    except KeyboardInterrupt:
        logger.error("interrupted")
        return INTERRUPTED
    except OutputClosedError:
        silence()
        return CLOSED
    except (SengaError, OSError) as error:
        for line in str(error).splitlines() if isinstance(error, UsageError) else [one_line(error)]:
            logger.error(line)
        logger.debug("where it happened:", exc_info=error)
        return USAGE if isinstance(error, UsageError) else FAILED


class _Parser(argparse.ArgumentParser):
    """Names the nearest choice where one is mistyped; its subcommands' parsers do, too.

    Options are not abbreviated: `--threshold` of other programs would be our `--threshold-mode`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
        near = difflib.get_close_matches(found[1], re.findall(r"[^\s,']+", found[2]), 1) if found else []
        super().error(printable(message) + (f"; did you mean {near[0]}?" if near else ""))


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line, which knows the options of that line's command alone."""
    meant = next((word for word in words if not word.startswith("-")), "")
    shared = _Parser(add_help=False)
    shared.add_argument(
        "-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="log more; show where an error happened"
    )
    parser = _Parser(
        prog="senga",
        description="Senga without ComfyUI: run workflows, upscale, tag and degrade pictures, train.",
        parents=[shared],
    )
    parser.add_argument("--version", action="version", version=f"senga {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=_installs(command.extras),
            parents=[shared],
        )
        if command.name == meant:
            command.module.add_arguments(sub)
        sub.set_defaults(command=command, parser=sub)
    return parser


def _installs(extras: Mapping[str, str]) -> str | None:
    """The end of a command's help: how what it needs besides Senga's own packages is installed."""
    each = [f"for {what}: {install(name)}" for name, what in extras.items()]
    return f"More packages, installed in Senga's folder, {'; '.join(each)}" if each else None


def _refuse(parser: argparse.ArgumentParser, left: list[str]) -> NoReturn:
    """Exit with the usage of the subcommand (argparse would show the program's), naming the options that are meant."""
    known = re.findall(r"--[\w-]+", parser.format_help())
    faults: list[str] = []
    for before, text in zip(["", *left], left, strict=False):
        if text.startswith("-"):
            faults.append(f"{text} is not a known option{hint(text, known)}")
        elif not before.startswith("-"):  # else it is the value of an unknown option
            faults.append(f"{text} is one argument too many")
    parser.error("; ".join(faults))


def version() -> str:
    """The installed version, or, in a bare checkout such as a custom_nodes folder, the one in pyproject.toml."""
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    return metadata.version("senga")
