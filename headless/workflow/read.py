"""Read a workflow file: ComfyUI's API format, the body of a POST to /prompt, or the editor's format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...arch.reading import read_text
from ..errors import SengaError, UsageError
from .editor import convert, is_editor_format
from .graph import NodeClasses, Workflow


def read_workflow(path: Path, nodes: NodeClasses, titles: Mapping[str, str] | None = None) -> Workflow:
    """Read a workflow; `nodes` give names to the values of the editor's format, `titles` are display names of nodes.

    Raises UsageError where the file is missing or not JSON, where nodes are incomplete, or where a node of the editor's
    format cannot be converted.
    """
    data = _read_json(path)
    if is_editor_format(data):
        try:
            return Workflow(convert(data, nodes, titles or {}), {"workflow": data})
        except UsageError as error:
            raise UsageError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    extra = None
    if isinstance(data.get("prompt"), dict) and "class_type" not in data["prompt"]:
        extra_data = data.get("extra_data")
        extra = extra_data.get("extra_pnginfo") if isinstance(extra_data, dict) else None
        data = data["prompt"]
    faults = [f"{path}: {fault}" for node_id, node in data.items() if (fault := _shape_fault(node_id, node))]
    if not data:
        faults = [f"{path}: the workflow is empty (expected at least one node)"]
    if faults:
        raise UsageError("\n".join(faults))
    return Workflow(data, extra if isinstance(extra, dict) else None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: the workflow file does not exist; give the path of an exported .json") from error
    except OSError as error:
        raise UsageError(f"{path}: the workflow cannot be read ({error.strerror}); give a readable .json") from error
    except SengaError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # not JSON, or nested too deeply
        reason = str(error) or type(error).__name__
        raise UsageError(f"{path}: not JSON ({reason}); save it again in ComfyUI") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: found a JSON {_json_name(data)} (expected an object of nodes)")
    return data


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _json_name(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _shape_fault(node_id: str, node: object) -> str | None:
    if not isinstance(node, dict):
        return f"node {node_id}: found a JSON {_json_name(node)} (expected an object)"
    if not isinstance(node.get("class_type"), str):
        return f"node {node_id}: class_type is missing (expected the name of the node's class)"
    if not isinstance(node.get("inputs"), dict):
        return f"node {node_id} ({node['class_type']}): inputs is missing (expected an object, {{}} for none)"
    return None
