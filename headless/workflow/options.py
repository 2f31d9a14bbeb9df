"""Options of commands that are inputs of a node, checked like values of a workflow; and `--model`."""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...arch.reading import is_file
from ...arch.tensor_files import ENDINGS
from ...nodes import host
from ...nodes.model_files import with_slashes
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
    faults += [] if faults else _own_faults(node_class, found)
    if faults:
        raise UsageError("\n".join(faults))
    return found


def _own_faults(node_class: type, values: Mapping[str, Any]) -> list[str]:
    """What the node's own check says about values that are within the declared limits."""
    check = getattr(node_class, "VALIDATE_INPUTS", None)
    names = [] if check is None else [name for name in inspect.signature(check).parameters if name in values]
    answer = check(**{name: values[name] for name in names}) if check is not None and names else True
    return [] if answer is True else [f"{', '.join(map(flag, names))}: {answer}"]


def flag(name: str) -> str:
    """`max_tags` -> `--max-tags`."""
    return f"--{name.replace('_', '-')}"


def tooltip(socket: Socket) -> str:
    """An input's tooltip as help text, where argparse expands %(...)s."""
    return str(socket.options.get("tooltip", "")).replace("%", "%%")


@dataclass(frozen=True)
class Kind:
    """A kind of model: its words, and where such models are."""

    what: str
    article: str  # what one is, in a sentence
    command: str  # that runs it
    names: Callable[[], list[str]]
    path: Callable[[str], Path]


# The functions are looked up when they are called: tests replace them.
UPSCALERS = Kind(
    "model", "an upscaler", "senga upscale", lambda: host.upscale_model_names(), lambda n: host.upscale_model_path(n)
)
TAGGERS = Kind("tagger", "a tagger", "senga tag", lambda: host.tagger_names(), lambda n: host.tagger_path(n))


def find_model(model: str | None, kind: Kind, *, default: str = "") -> Path:
    """The file of a model by its name in the list, with or without .safetensors, or by its path.

    Without one, the file of `default`, or of the first name. Raises UsageError for one that does not exist, or that is
    listed for the other command.
    """
    names = kind.names()
    if model is None:
        if not names:
            raise UsageError(f"no {kind.what} was found in weights/; give a file with --model")
        model = default if default in names else names[0]
    if named := listed_name(model, names):
        return kind.path(named)
    if is_file(path := Path(model)):
        return path
    other = TAGGERS if kind is UPSCALERS else UPSCALERS
    if listed_name(model, other.names()):
        raise UsageError(f"--model {model}: is {other.article}; use `{other.command}`")
    raise UsageError(f"--model {model}: neither a known {kind.what} nor a file; {suggest(model, names)}")


def find_file(model: str) -> Path:
    """A file, or any model by its name, with or without .safetensors. Raises UsageError where it is neither."""
    if is_file(path := Path(model)):
        return path
    for kind in (UPSCALERS, TAGGERS):
        if named := listed_name(model, kind.names()):
            return kind.path(named)
    if path.suffix.lower() in ENDINGS and path.parent != Path():
        return path  # meant as a file: whoever reads it says what is wrong with it
    raise UsageError(f"{model}: neither a known model nor a file; `senga models` lists the names")


def listed_name(model: str, names: Sequence[str]) -> str:
    """The name in a list that is meant, with or without .safetensors and with either slash; "" for none."""
    spelt = with_slashes(model)
    return next((name for name in names if with_slashes(name) in (spelt, f"{spelt}.safetensors")), "")
