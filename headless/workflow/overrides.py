"""`--set NODE.INPUT=VALUE`: find the input in a workflow and change its value."""

import json
from collections.abc import Callable
from typing import Any

from ..errors import UsageError
from .graph import NodeClasses, Prompt, Socket, label, sockets
from .options import listed_name
from .values import suggest


def apply_overrides(prompt: Prompt, overrides: list[str], nodes: NodeClasses) -> Prompt:
    """The prompt with every NODE.INPUT=VALUE applied. Raises UsageError with one line for each that fails."""
    changed = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in prompt.items()}
    faults: list[str] = []
    for override in overrides:
        try:
            node_id, name, value = _parse(override, prompt, nodes)
        except UsageError as error:
            faults.append(f"--set {override}: {error}")
        else:
            changed[node_id]["inputs"][name] = value
    if faults:
        raise UsageError("\n".join(faults))
    return changed


def _parse(override: str, prompt: Prompt, nodes: NodeClasses) -> tuple[str, str, Any]:
    target, equals, text = override.partition("=")
    node_name, dot, name = target.rpartition(".")  # a title may hold dots, an input's name does not
    if not equals or not dot:
        raise UsageError("expected NODE.INPUT=VALUE, such as 3.scale=2")
    node_id = find_node(prompt, node_name)
    declared = sockets(nodes[class_name]) if (class_name := prompt[node_id]["class_type"]) in nodes else {}
    if name in declared:
        return node_id, name, parse_value(declared[name], text)
    if class_name not in nodes:
        raise UsageError(f"node {label(prompt, node_id)} has an unknown class; {suggest(class_name, nodes)}")
    raise UsageError(f"node {label(prompt, node_id)} has no input '{name}'; {suggest(name, declared)}")


def find_node(prompt: Prompt, name: str) -> str:
    """The id of the node with this id, title or class; titles and classes only where one node has them."""
    if name in prompt:
        return name
    keys: list[Callable[[dict[str, Any]], object]] = [_title, lambda node: node["class_type"]]
    for key in keys:
        found = [node_id for node_id, node in prompt.items() if key(node) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"'{name}' matches the nodes {', '.join(found)}; give one of these ids")
    there = ", ".join(f"{label(prompt, i)}{f' {t!r}' if (t := _title(n)) else ''}" for i, n in prompt.items())
    raise UsageError(f"no node '{name}'; the workflow has {there}")


def _title(node: dict[str, Any]) -> str:
    meta = node.get("_meta")
    return str(meta.get("title", "")) if isinstance(meta, dict) else ""


def parse_value(socket: Socket, text: str) -> Any:
    """The text itself for a STRING; a choice of a list, models without ending too; else JSON, or text if it is none."""
    if socket.kind == "STRING" or text in (socket.choices or []):
        return text
    if (named := listed_name(text, [name for name in socket.choices or [] if isinstance(name, str)])) != "":
        return named
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
