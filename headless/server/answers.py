"""What a server sends is read here, by its expected types; anything else is one sentence that names what came."""

import json
import math
from collections.abc import Mapping
from typing import Any

from ..errors import SengaError, brief

MB = 10**6
LARGEST_DEFINITIONS = 32 * MB  # all node classes of a large installation are about 10 MB
LARGEST_JSON = 16 * MB
LARGEST_ERROR = 4 * MB  # a fault quotes all the choices of its input
LARGEST_FILE = 2000 * MB  # of a picture or a video; it goes to the disk in pieces
LARGEST_MESSAGE = 64 * MB  # of the WebSocket; a preview is far smaller
LONGEST_ANSWER = 60.0  # seconds from the request to the last byte
LONGEST_TRANSFER = 1800.0  # the same for a file
MOST_FILES = 10_000  # of one run
MOST_MEMORY = 400 * MB  # of an answer's objects
# What a byte of an answer becomes, at the most: each list or object, text, value of a list.
COSTS = {b"[": 80, b"{": 88, b'"': 32, b",": 8, b".": 24}

NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def read_json(body: bytes, where: str) -> Any:
    """Raises SengaError for what is not JSON, is nested too deeply, or would take far more memory than it is long."""
    needed = len(body) + sum(body.count(mark) * cost for mark, cost in COSTS.items())
    if needed > MOST_MEMORY:
        raise SengaError(f"{where}: the answer would take {needed // MB} MB in memory; is this a ComfyUI?")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise SengaError(f"{where}: the answer is nested too deeply; is this a ComfyUI?") from error
    except ValueError as error:
        raise SengaError(f"{where}: the answer is not JSON; is this a ComfyUI?") from error


def _fault(what: str, value: Any, expected: str) -> SengaError:
    found = NAMES.get(type(value), "null")
    return SengaError(f"the server sent {found} as {brief(what)} (expected {expected}); is this a ComfyUI?")


def an_object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _fault(what, value, "an object")
    return value


def a_list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _fault(what, value, "a list")
    return value


def a_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _fault(what, value, "a text")
    return value


def optional_object(value: Any, what: str) -> dict[str, Any]:
    """Null counts as empty, as some versions and nodes send it."""
    return {} if value is None else an_object(value, what)


def member(answer: Mapping[str, Any], name: str, where: str) -> Any:
    """Raises SengaError where an answer lacks a part."""
    if name not in answer:
        raise SengaError(f"the server's answer to {where} lacks {name}; is this a ComfyUI?")
    return answer[name]


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def messages(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The messages of a history entry by kind: [["execution_error", {...}], ...] in the answer."""
    status = optional_object(entry.get("status"), "status")
    found: dict[str, dict[str, Any]] = {}
    for item in a_list(status.get("messages") or [], "the messages of a run"):
        pair = a_list(item, "a message of a run")
        if len(pair) == 2 and isinstance(pair[0], str):
            found[pair[0]] = optional_object(pair[1], f"the message {pair[0]}")
    return found


def files(ui: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of a node's result: objects with a filename, in any of its lists."""
    lists = [value for value in ui.values() if isinstance(value, list)]
    found = [item for items in lists for item in items if isinstance(item, dict) and "filename" in item]
    for file in found:
        a_text(file["filename"], "a file's name")
        a_text(file.get("subfolder") or "", "a file's folder")
    return found


def texts(ui: Mapping[str, Any]) -> list[str]:
    found = ui.get("text") or []
    return [str(text) for text in (found if isinstance(found, list) else [found])]
