"""Whether a value or a link fits an input, and the words for it when it does not."""

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

from .graph import Socket

# ComfyUI converts a value to the type that the input declares and hands the converted one to the node.
CASTS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
TAKES: dict[str, tuple[type, ...]] = {
    "INT": (int, float, str),
    "FLOAT": (int, float, str),
    "STRING": (str, int, float),
    "BOOLEAN": (bool, int, float),
}
NAMED_CHOICES = 20  # a longer list of choices is cut to those that look like the value


def convert(socket: Socket, value: Any, *, limits: bool = True) -> tuple[Any, str]:
    """A value as its input declares it, and what is wrong with it ("" for nothing).

    `limits` False leaves min, max and the list of choices to the node.
    """
    if isinstance(value, dict) and "__value__" in value:  # how a front end wraps a list that is no link
        value = value["__value__"]
    if socket.choices is not None:
        fits = not limits or value in socket.choices
        return value, "" if fits else f"{shorten(value)} is not in the list; {suggest(str(value), socket.choices)}"
    kinds = split_kinds(socket.kind)
    if "*" in kinds:
        return value, ""
    misfit = f"{shorten(value)} was found where {wanted(socket)} is wanted"
    if not any(isinstance(value, TAKES[kind]) for kind in kinds & TAKES.keys()):
        return value, misfit
    try:
        converted = CASTS[socket.kind](value) if socket.kind in CASTS else value
    except (ValueError, OverflowError):  # text that is no number, or an endless one
        return value, misfit
    if isinstance(converted, float) and not math.isfinite(converted):
        return value, misfit
    return converted, _limit_fault(socket, converted) if limits else ""


def _limit_fault(socket: Socket, value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    low, high = socket.options.get("min"), socket.options.get("max")
    if low is not None and value < low:
        return f"{value} is below the minimum of {low}"
    if high is not None and value > high:
        return f"{value} is above the maximum of {high}"
    return ""


def types_match(given: Any, kind: Any) -> bool:
    """Whether a link may carry `given` into `kind`: equal, or sharing one type of their comma-lists; `*` is any."""
    # `!=` first and in this order: custom nodes make an any-type by overriding __ne__ on a str.
    if not given != kind:  # noqa: SIM202
        return True
    if not isinstance(given, str) or not isinstance(kind, str):
        return False
    return "*" in (given, kind) or bool(split_kinds(given) & split_kinds(kind))


def split_kinds(kind: Any) -> set[str]:
    return {part.strip() for part in str(kind).split(",")}


def wanted(socket: Socket) -> str:
    """What the input takes: "a value of type INT", "a link of type IMAGE", "a choice from its list"."""
    if socket.choices is not None:
        return "a choice from its list"
    takes_value = bool(split_kinds(socket.kind) & (CASTS.keys() | {"*"}))
    return f"a {'value' if takes_value else 'link'} of type {socket.kind}"


def suggest(name: str, known: Iterable[Any]) -> str:
    """`choose from: ...`, with all that is known or, of a long list, what looks most like `name`."""
    names = [str(item) for item in known]
    if not names:
        return "there is nothing to choose from"
    if len(names) <= NAMED_CHOICES:
        return f"choose from: {', '.join(names)}"
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.5) or names[:5]
    return f"choose from {len(names)}, such as: {', '.join(close)}"


def shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
