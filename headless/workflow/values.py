"""Whether a value or a link is valid for an input, and the message where it is not."""

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

from ...nodes.model_files import with_slashes
from ..errors import brief, quoted
from .graph import Socket

# ComfyUI converts a value to the declared type of the input and passes the converted value to the node.
CASTS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
TAKES: dict[str, tuple[type, ...]] = {
    "INT": (int, float, str),
    "FLOAT": (int, float, str),
    "STRING": (str, int, float),
    "BOOLEAN": (bool, int, float),
}
KINDS = {"INT": "a whole number", "FLOAT": "a number", "STRING": "text", "BOOLEAN": "true or false"}
COMPARED, LONGEST_NAME = 1000, 100  # choices and characters; comparing takes the square of the length
NAMED_CHOICES = 20  # of a longer list only the choices most similar to the value are named


def convert(socket: Socket, value: Any, *, limits: bool = True) -> tuple[Any, str]:
    """A value converted to its input's type, and what is wrong with it ("" for nothing).

    `limits` False leaves min, max and the list of choices to the node.
    """
    if isinstance(value, dict) and "__value__" in value:  # how a front end wraps a list that is not a link
        value = value["__value__"]
    if socket.choices is not None:
        if isinstance(value, str) and value not in socket.choices:
            # A file of a sub-folder, in a workflow that was saved on the other kind of system.
            spelt = with_slashes(value)
            value = next((n for n in socket.choices if isinstance(n, str) and with_slashes(n) == spelt), value)
        fits = not limits or value in socket.choices
        return value, "" if fits else f"{quoted(value)} is not in the list; {suggest(str(value), socket.choices)}"
    kinds = split_kinds(socket.kind)
    if "*" in kinds:
        return value, ""
    misfit = f"{quoted(value)} is not {KINDS.get(socket.kind, 'valid')} (expected {expected(socket)})"
    if not any(isinstance(value, TAKES[kind]) for kind in kinds & TAKES.keys()):
        return value, misfit
    try:
        converted = CASTS[socket.kind](value) if socket.kind in CASTS else value
    except (ValueError, OverflowError):  # text that is not a number, or infinity
        return value, misfit
    if isinstance(converted, float) and not math.isfinite(converted):
        return value, misfit
    return converted, _limit_fault(socket, converted) if limits else ""


def _limit_fault(socket: Socket, value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    low, high = socket.options.get("min"), socket.options.get("max")
    if isinstance(low, int | float) and value < low:
        return f"{value} is below the minimum of {low}"
    if isinstance(high, int | float) and value > high:  # a server may say anything
        return f"{value} is above the maximum of {high}"
    return ""


def types_match(given: Any, kind: Any) -> bool:
    """Whether an output of type `given` fits an input `kind`: equal, or with a type in common; `*` is any."""
    # `!=` first and in this order: custom nodes make an any-type by overriding __ne__ on a str.
    if not given != kind:  # noqa: SIM202
        return True
    if not isinstance(given, str) or not isinstance(kind, str):
        return False
    return "*" in (given, kind) or bool(split_kinds(given) & split_kinds(kind))


def split_kinds(kind: Any) -> set[str]:
    return {part.strip() for part in str(kind).split(",")}


def expected(socket: Socket) -> str:
    """What the input takes: "INT, 0 to 16", "a link of type IMAGE", "a choice from its list"."""
    if socket.choices is not None:
        return "a choice from its list"
    if takes_links_only(socket):
        return f"a link of type {socket.kind}"
    low, high = (_plain(socket.options.get(name)) for name in ("min", "max"))
    limits = {(True, True): f"{low} to {high}", (True, False): f"{low} or more", (False, True): f"{high} or less"}
    limit = limits.get((low is not None, high is not None))
    return f"{socket.kind}, {limit}" if limit else str(socket.kind)


def takes_links_only(socket: Socket) -> bool:
    """Whether no value can be given for it: IMAGE, MASK, ..."""
    return socket.choices is None and not split_kinds(socket.kind) & (CASTS.keys() | {"*"})


def _plain(number: Any) -> Any:
    """16.0 -> 16"""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def suggest(name: str, known: Iterable[Any]) -> str:
    """`choose from: ...`, with all known names or, of a long list, those most similar to `name`."""
    names = [str(item) for item in known]
    if not names:
        return "there is nothing to choose from"
    if len(names) <= NAMED_CHOICES:
        return f"choose from: {', '.join(map(brief, names))}"
    comparable = [other for other in names[:COMPARED] if len(other) <= LONGEST_NAME]
    close = difflib.get_close_matches(name[:LONGEST_NAME], comparable, n=5, cutoff=0.5) or names[:5]
    return f"choose from {len(names)}, such as: {', '.join(map(brief, close))}"
