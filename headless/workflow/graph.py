"""A workflow in ComfyUI's API format: the sockets of its node classes, its links and their order.

    {"3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}, "_meta": {"title": "S"}}}

An input is a value or a link `[node id, output number]`. Nothing here runs a node: read.py reads files,
validate.py checks, execute.py runs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import brief

MOST_NODES = 20_000  # after subgraphs are unfolded: one that holds the next twice, 40 levels deep, has 2^40
MOST_LINKS = 100_000  # or other inputs
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


def consumed(prompt: Prompt) -> set[str]:
    """The ids of the nodes whose outputs other nodes use."""
    return {link.source for node in prompt.values() for _, link in links(node)}


def label(prompt: Prompt, node_id: str) -> str:
    """`3 (SaveImage)`: how messages name a node."""
    return f"{brief(node_id)} ({brief(prompt[node_id]['class_type'])})"


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


def cycles(prompt: Prompt, node_ids: Iterable[str]) -> Iterator[list[str]]:
    """A shortest cycle for each group of these nodes that depend on each other, as [a, b, ..., a]: a feeds b.

    Linear in nodes and links, also where every node is linked to every other.
    """
    graph = {node_id: list(dict.fromkeys(_sources(prompt, node_id))) for node_id in node_ids}
    for group in _groups(graph):
        if len(group) > 1 or group[0] in graph[group[0]]:
            yield _cycle(graph, group)


def _groups(graph: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """The strongly connected components (Tarjan's algorithm, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []  # nodes whose group is not complete yet
    place: dict[str, int] = {}  # of the nodes on it
    for root in graph:
        stack = [] if root in number else [(root, iter(graph[root]))]
        while stack:
            node, rest = stack[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                place[node] = len(path)
                path.append(node)
            for source in rest:
                if source not in number:
                    stack.append((source, iter(graph.get(source, ()))))
                    break
                if source in place:
                    low[node] = min(low[node], number[source])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == number[node]:
                    group = path[place[node] :]
                    del path[place[node] :]
                    for member in group:
                        del place[member]
                    yield group


def _cycle(graph: Mapping[str, list[str]], group: list[str]) -> list[str]:
    """The shortest cycle through the first node of a group."""
    first, members = group[0], set(group)
    fed: dict[str, str] = {}  # node -> what it feeds on the way to the first
    row = [first]
    while row:
        following: list[str] = []
        for node in row:
            for source in graph[node]:
                if source == first:
                    way = [first, node]
                    while node != first:
                        node = fed[node]
                        way.append(node)
                    return way
                if source in members and source not in fed:
                    fed[source] = node
                    following.append(source)
        row = following
    return [first]
