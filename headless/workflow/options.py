"""Options of commands that are inputs of a node, checked like values of a workflow; and `--model`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .graph import Socket, sockets
from .values import convert, suggest


def add_options(parser: argparse.ArgumentParser, node_class: type, options: Mapping[str, tuple[type, str]]) -> None:
    """Add an option for each input: (type of its value, name of its value in the help)."""
    declared = sockets(node_class)
    for name, (kind, metavar) in options.items():
        parser.add_argument(flag(name), type=kind, metavar=metavar, help=tooltip(declared[name]))


def read_options(args: argparse.Namespace, node_class: type, names: tuple[str, ...]) -> dict[str, Any]:
    """The values of the options given, converted to the node's types. Raises UsageError with one line a fault."""
    declared = sockets(node_class)
    found: dict[str, Any] = {}
    faults: list[str] = []
    for name in names:
        if (value := getattr(args, name)) is not None:
            found[name], fault = convert(declared[name], value)
            faults += [f"{flag(name)}: {fault}"] if fault else []
    if faults:
        raise UsageError("\n".join(faults))
    return found


def flag(name: str) -> str:
    """`max_tags` -> `--max-tags`."""
    return f"--{name.replace('_', '-')}"


def tooltip(socket: Socket) -> str:
    """An input's tooltip as help text, where argparse expands %(...)s."""
    return str(socket.options.get("tooltip", "")).replace("%", "%%")


def find_model(
    model: str | None, names: Sequence[str], path_of: Callable[[str], Path], *, what: str, default: str = ""
) -> Path:
    """The file of a model by its name in the list, with or without .safetensors, or by its path.

    Without one, the file of `default`, or of the first name. Raises UsageError for one that does not exist.
    """
    if model is None:
        if not names:
            raise UsageError(f"no {what} was found in weights/; give a file with --model")
        model = default if default in names else names[0]
    model = next((name for name in names if name in (model, f"{model}.safetensors")), model)
    path = path_of(model) if model in names else Path(model)
    if not path.is_file():
        raise UsageError(f"--model {model}: neither a known {what} nor a file; {suggest(model, names)}")
    return path
