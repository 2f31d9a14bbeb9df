"""Run a validated workflow with ComfyUI's semantics.

Between nodes every value is in a list. A node runs once per element, and shorter lists repeat their last element,
unless INPUT_IS_LIST asks for whole lists; OUTPUT_IS_LIST marks outputs that are lists already.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from ..errors import NodeError, one_line
from .budget import Held, bytes_of, needs_of
from .graph import NodeClasses, Workflow, as_link, input_types, label, links, needed, outputs, sockets

Ui = dict[str, list[Any]]
Lists = dict[str, list[Any]]


def execute(
    workflow: Workflow,
    nodes: NodeClasses,
    *,
    on_start: Callable[[str], None] | None = None,
    on_result: Callable[[str, Ui], None] | None = None,
    max_memory: int | None = None,
) -> dict[str, Ui]:
    """Run the output nodes and all nodes that they need, each once; return the `ui` results by node id.

    `workflow` has passed validate(). `on_start` gets "3 (SaveImage)" before a node runs, `on_result` a node's id and
    `ui` result right after. Results are dropped as soon as no later node needs them. Before a node runs, its result and
    those held are counted against `max_memory` bytes. Raises NodeError where a node fails or would take more.
    """
    prompt = workflow.prompt
    order = needed(prompt, outputs(prompt, nodes))
    sources = {node_id: {link.source for _, link in links(prompt[node_id])} for node_id in order}
    uses = Counter(source for node_id in order for source in sources[node_id])
    results: dict[str, list[list[Any]]] = {}
    shown: dict[str, Ui] = {}
    held = Held(max_memory) if max_memory is not None else None
    declared = functools.cache(input_types)  # a load node lists a folder each time
    for node_id in order:
        if on_start is not None:
            on_start(label(prompt, node_id))
        try:
            with torch.inference_mode():
                results[node_id], ui = _run_node(workflow, nodes, node_id, results, declared, held)
        except Exception as error:  # a node may raise anything; the message gets the node's name
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise NodeError(f"node {label(prompt, node_id)}: {kind}{one_line(error)}") from error
        if held is not None:
            held.add(node_id, bytes_of(results[node_id]))
        if ui:
            shown[node_id] = ui
            if on_result is not None:
                on_result(node_id, ui)
        uses.subtract(sources[node_id])
        for done in {node_id, *sources[node_id]}:
            if uses[done] == 0:
                del results[done]
                if held is not None:
                    held.drop(done)
    return shown


def _run_node(
    workflow: Workflow,
    nodes: NodeClasses,
    node_id: str,
    results: Mapping[str, list[list[Any]]],
    declared: Callable[[type], dict[str, dict[str, Any]]],
    held: Held | None,
) -> tuple[list[list[Any]], Ui]:
    node = workflow.prompt[node_id]
    node_class = nodes[node["class_type"]]
    types = declared(node_class)
    taken = {name for group in ("required", "optional") for name in types.get(group, {})}
    inputs: Lists = {}
    for name, value in node["inputs"].items():
        if (link := as_link(value)) is not None:
            slots = results[link.source]
            inputs[name] = slots[link.slot] if link.slot < len(slots) else [None]
        elif name in taken:  # anything else is a note of the front end
            inputs[name] = [value]
    if held is not None and not input_is_list(node_class):
        held.check(needs_of(node["class_type"], node_class, [*_elements(inputs)]))
    inputs |= _hidden(workflow, types, node_id)
    returned = call_over_lists(getattr(node_class(), node_class.FUNCTION), inputs, input_is_list(node_class))
    return merge(returned, getattr(node_class, "OUTPUT_IS_LIST", None))


def _hidden(workflow: Workflow, types: Mapping[str, dict[str, Any]], node_id: str) -> Lists:
    known = {"PROMPT": workflow.prompt, "EXTRA_PNGINFO": workflow.extra_pnginfo, "UNIQUE_ID": node_id}
    asked = types.get("hidden", {})
    return {name: [known[kind]] for name, kind in asked.items() if kind in known}


def input_is_list(node_class: type) -> bool:
    return bool(getattr(node_class, "INPUT_IS_LIST", False))


def call_over_lists(function: Callable[..., Any], inputs: Lists, whole: bool) -> list[Any]:
    """Call `function` once with the whole lists, or once per element.

    Without inputs, or where all lists are empty, it is called once without arguments, as ComfyUI does.
    Raises ValueError where some lists are empty and others are not: there is no last element to repeat.
    """
    if whole:
        return [function(**inputs)]
    return [function(**arguments) for arguments in _elements(inputs)]


def _elements(inputs: Lists) -> Iterator[dict[str, Any]]:
    longest = max(map(len, inputs.values()), default=0)
    if longest == 0:
        yield {}
    elif empty := [name for name, values in inputs.items() if not values]:
        raise ValueError(f"input {empty[0]} got an empty list (expected at least one element)")
    for i in range(longest):
        yield {name: values[min(i, len(values) - 1)] for name, values in inputs.items()}


def merge(returned: Sequence[Any], output_is_list: Sequence[bool] | None) -> tuple[list[list[Any]], Ui]:
    """Join what the calls of a node returned: one list per output, and the `ui` results.

    A call returns a tuple, or a dict with `result`, `ui` or both.
    """
    rows: list[Sequence[Any]] = []
    uis: list[Mapping[str, Sequence[Any]]] = []
    for value in returned:
        if isinstance(value, dict):
            if "expand" in value:
                raise ValueError("the node expands into a sub-graph, which only ComfyUI itself can run")
            if "ui" in value:
                uis.append(value["ui"])
            if "result" not in value:
                continue
            value = value["result"]
        if not isinstance(value, tuple | list):
            raise ValueError(f"the node returned a {type(value).__name__} (expected a tuple or a dict)")
        rows.append(value)
    ui: Ui = {key: [item for part in uis for item in part[key]] for key in uis[0]} if uis else {}
    if not rows:
        return [], ui
    is_list = output_is_list if output_is_list is not None else [False] * len(rows[0])
    merged = [
        [item for row in rows for item in row[slot]] if listed else [row[slot] for row in rows]
        for slot, listed in zip(range(len(rows[0])), is_list, strict=False)
    ]
    return merged, ui


def call_node(node_class: type, **inputs: Any) -> tuple[Any, ...]:
    """Call a single node; required inputs not given get their declared defaults, optional ones are left out."""
    defaults = {
        socket.name: socket.options.get("default", (socket.choices or [None])[0])
        for socket in sockets(node_class).values()
        if socket.required
    }
    returned = getattr(node_class(), node_class.FUNCTION)(**(defaults | inputs))
    return tuple(returned["result"] if isinstance(returned, dict) else returned)
