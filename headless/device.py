"""`--device`: where networks run."""

import argparse

import torch

from ..nodes import host
from .errors import UsageError, quoted

KINDS = ("cpu", "cuda", "mps")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1 for the second GPU, or mps (default: the first accelerator found, else cpu)",
    )


def use_device(text: str | None) -> None:
    """Let the nodes run there; None is their own choice. Raises UsageError for a device that is not there."""
    host.standalone.device = None if text is None else _device(text)


def _device(text: str) -> torch.device:
    kind, colon, number = text.partition(":")
    if kind not in KINDS or (colon and not number.isdecimal()):
        raise UsageError(f"--device {quoted(text)}: expected cpu, cuda, cuda:1 or mps")
    found = devices()
    if (text if colon else kind) not in found:
        raise UsageError(f"--device {text}: torch finds no such device here; choose from: {', '.join(found)}")
    return torch.device(text)


def devices() -> list[str]:
    """All that --device takes on this machine."""
    cuda = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps", "mps:0"] if torch.backends.mps.is_available() else []
    return ["cpu", "cpu:0", *(["cuda", *cuda] if cuda else []), *mps]
