"""A workflow in ComfyUI's API format: the sockets of its node classes, its links and their order.

    {"3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}, "_meta": {"title": "S"}}}

An input is a value or a link `[node id, output number]`. Nothing here runs a node: read.py reads files,
validate.py checks, execute.py runs.
"""

import graphlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_NODES = 20_000  # after subgraphs are unfolded: one that holds the next twice, 40 levels deep, has 2^40
MOST_FAULTS = 50  # lines of one report

Prompt = dict[str, dict[str, Any]]  # node id -> node, as in the file: SaveImage embeds it unchanged
NodeClasses = Mapping[str, type]


@dataclass(frozen=True)
class Workflow:
    prompt: Prompt
    extra_pnginfo: dict[str, Any] | None = None  # what a front end sends for SaveImage, such as its own graph


class Link(NamedTuple):
    source: str  # node id
    slot: int  # output number


@dataclass(frozen=True)
class Socket:
    """One declared input of a node class."""

    name: str
    kind: Any  # "IMAGE", "INT", ..., or the list of a combo's choices
    options: Mapping[str, Any]
    required: bool

    @property
    def choices(self) -> list[Any] | None:
        """The values a combo offers, or None for any other input. A combo is a list, or "COMBO" with its options."""
        if isinstance(self.kind, list | tuple):
            return list(self.kind)
        return self.options.get("options") if self.kind == "COMBO" else None


def sockets(node_class: type) -> dict[str, Socket]:
    """The inputs that a node class declares, required ones first, without the hidden ones."""
    declared = input_types(node_class)
    return {
        name: Socket(name, spec[0], spec[1] if len(spec) > 1 else {}, group == "required")
        for group in ("required", "optional")
        for name, spec in declared.get(group, {}).items()
    }


def input_types(node_class: type) -> dict[str, dict[str, Any]]:
    return node_class.INPUT_TYPES()


def is_output(node_class: type) -> bool:
    return getattr(node_class, "OUTPUT_NODE", False) is True


def as_link(value: object) -> Link | None:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int:
        return Link(value[0], value[1])
    return None


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, Link]]:
    """The linked inputs of a node: (input name, link)."""
    for name, value in node["inputs"].items():
        if (link := as_link(value)) is not None:
            yield name, link


def has_consumer(prompt: Prompt, node_id: str) -> bool:
    """Whether another node uses an output of this one."""
    return any(link.source == node_id for node in prompt.values() for _, link in links(node))


def label(prompt: Prompt, node_id: str) -> str:
    """`3 (SaveImage)`: how messages name a node."""
    return f"{node_id} ({prompt[node_id]['class_type']})"


def outputs(prompt: Prompt, nodes: NodeClasses) -> list[str]:
    """The ids of the output nodes, in the order of the file."""
    return [i for i, node in prompt.items() if node["class_type"] in nodes and is_output(nodes[node["class_type"]])]


def needed(prompt: Prompt, ends: Iterable[str]) -> list[str]:
    """`ends` and all nodes that they need, each after its sources (except in cycles), so that each end comes early.

    Links to nodes that do not exist are ignored.
    """
    order: list[str] = []
    seen: set[str] = set()
    for end in ends:
        # Depth first without recursion: a long chain of nodes would exceed Python's recursion limit.
        stack = [(end, iter(_sources(prompt, end)))] if end not in seen else []
        seen.add(end)
        while stack:
            node_id, rest = stack[-1]
            source = next((s for s in rest if s not in seen), None)
            if source is None:
                order.append(node_id)
                stack.pop()
            else:
                seen.add(source)
                stack.append((source, iter(_sources(prompt, source))))
    return order


def _sources(prompt: Prompt, node_id: str) -> list[str]:
    return [link.source for _, link in links(prompt[node_id]) if link.source in prompt]


def cycles(prompt: Prompt, node_ids: Iterable[str]) -> list[list[str]]:
    """The cycles among these nodes, each as [a, b, ..., a] along the links: a feeds b."""
    graph = {node_id: set(_sources(prompt, node_id)) for node_id in node_ids}
    found: list[list[str]] = []
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            cycle = error.args[1]
            found.append(cycle)
            graph[cycle[1]].discard(cycle[0])  # cut it and look for the next
        else:
            return found
