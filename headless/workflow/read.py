"""Read a workflow: ComfyUI's API format, the body of a POST to /prompt, the editor's format, or a picture with one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...arch.files.reading import check_parts, read_text
from ..errors import SengaError, UsageError, brief
from .editor import ELSEWHERE, convert, is_editor_format
from .embedded import embedded, may_embed
from .graph import MOST_FAULTS, MOST_LINKS, MOST_NODES, NodeClasses, Workflow
from .screen import SCREEN_ONLY

LARGEST = 16 * 10**6  # bytes of a text; reading more takes seconds
LARGEST_PICTURE = 500 * 10**6  # the same of a picture with a workflow inside


@dataclass(frozen=True)
class _Constant:
    """NaN or Infinity, which Python's writers of JSON produce and JSON does not have."""

    name: str


def read_workflow(
    path: Path, nodes: NodeClasses, titles: Mapping[str, str] | None = None, *, elsewhere: str = ELSEWHERE
) -> Workflow:
    """Read a workflow; `nodes` give names to the values of the editor's format, `titles` are display names of nodes.

    `elsewhere` goes into the message about an unknown class. NaN is an error in the inputs of a node, and null in what
    nothing reads. ComfyUI's own `is_changed` is left out: it would be believed, and is NaN for LoadImage.

    Raises UsageError where the file is missing or not JSON, where nodes are incomplete, or where a node of the
    editor's format cannot be converted.
    """
    data = _read_json(path)
    if is_editor_format(data):
        try:
            data = _plain(data)
            return Workflow(convert(data, nodes, titles or {}, elsewhere=elsewhere), {"workflow": data})
        except UsageError as error:
            raise UsageError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    extra = None
    if isinstance(data.get("prompt"), dict) and "class_type" not in data["prompt"]:
        extra_data = data.get("extra_data")
        extra = extra_data.get("extra_pnginfo") if isinstance(extra_data, dict) else None
        data = data["prompt"]
    inputs = sum(len(node["inputs"]) for node in data.values() if isinstance(node, dict) and _has_inputs(node))
    if len(data) > MOST_NODES or inputs > MOST_LINKS:
        raise UsageError(
            f"{path}: the workflow has {len(data)} nodes with {inputs} inputs (expected at most {MOST_NODES} with "
            f"{MOST_LINKS}); split it"
        )
    faults = [f"{path}: {fault}" for node_id, node in data.items() if (fault := _shape_fault(node_id, node))]
    if not data:
        faults = [f"{path}: the workflow is empty (expected at least one node)"]
    if faults:
        raise UsageError("\n".join(faults[:MOST_FAULTS]))
    prompt = {
        node_id: {key: _plain(value) for key, value in node.items() if key != "is_changed"}
        for node_id, node in data.items()
        if node["class_type"] not in SCREEN_ONLY or node["class_type"] in nodes
    }
    return Workflow(prompt, _plain(extra) if isinstance(extra, dict) else None)


def _plain(data: Any) -> Any:
    """The data with null for NaN and Infinity, changed in place."""
    top = [data]
    stack: list[Any] = [top]
    while stack:
        there = stack.pop()
        for key, value in there.items() if isinstance(there, dict) else enumerate(there):
            if isinstance(value, _Constant):
                there[key] = None
            elif isinstance(value, dict | list):
                stack.append(value)
    return top[0]


def _first_constant(data: Any) -> _Constant | None:
    stack = [data]
    while stack:
        value = stack.pop()
        if isinstance(value, _Constant):
            return value
        if isinstance(value, dict | list):
            stack.extend(value.values() if isinstance(value, dict) else value)
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        most = LARGEST_PICTURE if may_embed(path) else LARGEST
        if (size := path.stat().st_size) > most:
            raise UsageError(f"{path}: {size / 1e6:.0f} MB (expected a workflow of at most {most / 1e6:.0f} MB)")
        data = _embedded(path) if may_embed(path) else _parsed(read_text(path))
    except FileNotFoundError as error:
        raise UsageError(f"{path}: the workflow file does not exist; give the path of an exported .json") from error
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{path}: the workflow cannot be read ({error.strerror}); give a readable .json") from error
    except SengaError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # not JSON, or nested too deeply
        reason = brief(error, 200) or type(error).__name__
        raise UsageError(f"{path}: not JSON ({reason}); save it again in ComfyUI") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: found a JSON {_json_name(data)} (expected an object of nodes)")
    return data


def _parsed(text: str) -> Any:
    check_parts(text)
    return json.loads(text, parse_constant=_Constant)


def _embedded(path: Path) -> dict[str, Any]:
    """A picture's workflow in the form of a POST to /prompt, or, where it has no prompt, in the editor's."""
    found = {key: _parsed(text) for key, text in embedded(path).items()}
    if "prompt" not in found:
        return found["workflow"]
    extra = {"workflow": found["workflow"]} if "workflow" in found else {}
    return {"prompt": found["prompt"], "extra_data": {"extra_pnginfo": extra}}


def _json_name(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _has_inputs(node: dict[str, Any]) -> bool:
    return isinstance(node.get("inputs"), dict)


def _shape_fault(node_id: str, node: object) -> str | None:
    where = f"node {brief(node_id)}"
    if isinstance(node, _Constant):
        return f"{where}: {node.name} is not a JSON value (expected an object)"
    if not isinstance(node, dict):
        return f"{where}: found a JSON {_json_name(node)} (expected an object)"
    if not isinstance(node.get("class_type"), str):
        return f"{where}: class_type is missing (expected the name of the node's class)"
    kind = brief(node["class_type"])
    if not _has_inputs(node):
        return f"{where} ({kind}): inputs is missing (expected an object, {{}} for none)"
    for name, value in node["inputs"].items():
        if (constant := _first_constant(value)) is not None:
            where = f"{brief(node_id)}.{brief(name)} ({kind})"
            return f"{where}: {constant.name} is not a JSON value (expected a finite one)"
    return None
