"""Options of commands that are inputs of a node, checked like values of a workflow; and `--model`."""

import argparse
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...arch.files.reading import is_file
from ...arch.files.tensor_files import ENDINGS
from ...nodes import host
from ...nodes.model_files import with_slashes
from ..errors import UsageError
from .graph import Socket, sockets
from .values import convert, suggest

SHORT = {"scale": "-s", "tile": "-t"}  # options of several commands that have a short form
MODEL_FLAGS = ("-m", "--model")


def add_options(parser: argparse.ArgumentParser, node_class: type, options: Mapping[str, tuple[type, str]]) -> None:
    """Add an option for each input: (type of its value, name of its value in the help)."""
    declared = sockets(node_class)
    for name, (kind, metavar) in options.items():
        parser.add_argument(*flags(name), type=kind, metavar=metavar, help=help_of(declared[name]))


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


def flags(name: str) -> tuple[str, ...]:
    """An input's option with its short form, where it has one: `-s`, `--scale`."""
    return (SHORT[name], flag(name)) if name in SHORT else (flag(name),)


def help_of(socket: Socket, default: Any = None) -> str:
    """An input's tooltip, range and default as help text, where argparse expands %(...)s.

    `default` is the command's own, where it is not the node's.
    """
    default = socket.options.get("default") if default is None else default
    if default is None and socket.choices:
        default = socket.choices[0]
    shown = {True: "yes", False: "no"}[default] if isinstance(default, bool) else _short(default)
    limits = [_short(socket.options.get(name)) for name in ("min", "max")]
    span = [" to ".join(limits)] if all(limits) else []
    span += [f"one of {', '.join(map(str, socket.choices))}"] if socket.choices else []
    return f"{socket.options.get('tooltip', '')} ({'; '.join([*span, f'default: {shown}'])})".replace("%", "%%")


def _short(value: Any) -> str:
    """`16.0` -> `16`; text is quoted where it would be hard to see."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, str):
        return value if value.strip() == value and value else repr(value) if value else "none"
    return "" if value is None else str(value)


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


def find_model(model: str | None, kind: Kind) -> Path:
    """The file of a model by its name in the list, with or without its ending, or by its path.

    Without one, that of the first name, which is the default. Raises UsageError for one that does not exist, or that is
    listed for the other command.
    """
    names = kind.names()
    if model is None:
        if not names:
            raise UsageError(f"no {kind.what} was found in weights/; give a file with --model")
        model = names[0]
    if named := listed_name(model, names):
        return kind.path(named)
    if is_file(path := Path(model)):
        return path
    other = TAGGERS if kind is UPSCALERS else UPSCALERS
    if listed_name(model, other.names()):
        raise UsageError(f"--model {model}: is {other.article}; use `{other.command}`")
    if retired := listed_name(model, [*host.RETIRED]):
        raise UsageError(f"--model: {host.retired(retired)}")
    raise UsageError(f"--model {model}: neither a known {kind.what} nor a file; {suggest(model, names)}")


def find_file(model: str) -> Path:
    """A file, or any model by its name, with or without its ending. Raises UsageError where it is neither."""
    if is_file(path := Path(model)):
        return path
    for kind in (UPSCALERS, TAGGERS):
        if named := listed_name(model, kind.names()):
            return kind.path(named)
    if path.suffix.lower() in ENDINGS and path.parent != Path():
        return path  # meant as a file: whoever reads it says what is wrong with it
    raise UsageError(f"{model}: neither a known model nor a file; `senga models` lists the names")


def listed_name(model: str, names: Sequence[str]) -> str:
    """The name in a list that is meant, with or without its ending and with either slash; "" for none."""
    spelt = with_slashes(model)
    meant = [spelt, *(f"{spelt}{ending}" for ending in ENDINGS)]
    found = {with_slashes(name): name for name in reversed(names)}
    return next((found[name] for name in meant if name in found), "")
