"""What both trainers' command lines share: CONFIG.toml, --set, and a process of its own under torchrun."""

import argparse
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from ...arch import SengaError
from .processes import AgreedError, leave, lost_peers
from .stopping import EndedError

logger = logging.getLogger("senga")


def training_parser(prog: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add_settings(parser)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The arguments `config` and `--set`, for `read_settings`."""
    parser.add_argument("config", type=Path, help="settings (TOML); see training/configs/")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")


def command_line(prog: str, args: argparse.Namespace) -> str:
    """The command that starts this run again, as the weights' header records it."""
    settings = (f"--set {shlex.quote(item)}" for item in args.set)  # a table has spaces and braces
    return " ".join([prog, shlex.quote(args.config.as_posix()), *settings])


def to_its_end(train: Callable[[], object], command: str) -> int:
    """Run a training; returns the exit code: 0, or that of the signal that ended it.

    After an error the communication is not ended: that would wait for what other processes still owe, while they wait
    for this one to be gone.

    Args:
        command: that starts it again.
    """
    code = 0
    try:
        with lost_peers(command):
            train()
    except EndedError as end:
        logger.warning("%s", end)
        code = end.code
    leave()
    return code


def run_as_script(main: Callable[[], int]) -> None:
    """Run a trainer's `main` where no `senga` command shows its log and its errors: under torchrun.

    Of the processes of a machine the first one says what all would say.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO if first else logging.WARNING)
    try:
        sys.exit(main())
    except SengaError as error:
        if first or not isinstance(error, AgreedError):
            logger.error(str(error))
        sys.exit(1)
