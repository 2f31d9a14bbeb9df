"""A workflow as drawn in the editor: its nodes and wires, and where a wire begins apart from what is only drawn."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import UsageError, brief
from .graph import MOST_LINKS, NodeClasses, Socket, sockets
from .screen import GET_NODES, PRIMITIVE, REROUTES, SCREEN_ONLY, SET_NODES
from .values import types_match
from .widgets import is_widget

Json = dict[str, Any]

MUTED, BYPASSED = 2, 4  # a node's `mode`
INPUTS, OUTPUTS = "-10", "-20"  # the ids of a subgraph's own inputs and outputs


class Wire(NamedTuple):
    origin: str
    origin_slot: int
    target: str
    target_slot: int


class Source(NamedTuple):
    """Where a wire begins, apart from nodes that exist only on the screen: a node's output, and whether it is muted."""

    node_id: str
    slot: int
    muted: bool


class Value(NamedTuple):
    """A wire that begins at a Primitive, or at a field on a subgraph's node."""

    value: Any


@dataclass(frozen=True)
class Drawing:
    """The nodes and wires of a graph, and what is looked up in them."""

    nodes: dict[str, Json]
    wires: dict[str, Wire]
    ends: dict[int, str] = field(default_factory=dict)  # of a subgraph: output number -> the wire that leads there
    setters: dict[str, Json] = field(default_factory=dict)  # name -> its SetNode


@dataclass(frozen=True)
class Graph:
    """The whole workflow, or one use of a subgraph in it."""

    drawing: Drawing
    path: str = ""  # "7:" inside subgraph node 7
    definition: Json | None = None
    parent: "Graph | None" = None
    instance: Json | None = None  # the node in `parent` that is this graph


class Drawings:
    """The subgraphs that a file defines, each read once, and the origins of links."""

    def __init__(self, data: Json, classes: NodeClasses, fault: Callable[[Graph, Json, str], None]) -> None:
        self._fault = fault
        self._classes = classes
        self._declared: dict[str, dict[str, Socket]] = {}
        self._known: dict[tuple[str, str, str], Source | Value | None] = {}
        defined = (data.get("definitions") or {}).get("subgraphs") or []
        self.definitions: dict[str, Json] = {str(item["id"]): item for item in defined}
        self._read = {key: read_drawing(item) for key, item in self.definitions.items()}

    def sockets(self, kind: str) -> dict[str, Socket]:
        if kind not in self._declared:
            self._declared[kind] = sockets(self._classes[kind]) if kind in self._classes else {}
        return self._declared[kind]

    def inner(self, graph: Graph, node: Json) -> Graph:
        """The graph of a subgraph's node."""
        kind = node["type"]
        return Graph(self._read[kind], f"{graph.path}{node['id']}:", self.definitions[kind], graph, node)

    def slots(self, node: Json) -> list[Json]:
        """The sockets of a node on the screen, in order: the plain ones, then one for each widget.

        Files omit those of widgets without a link; older files have them among the others.
        """
        saved: list[Json] = list(node.get("inputs") or [])
        by_name = {slot["name"]: slot for slot in saved}
        widgets = [socket for socket in self.sockets(node["type"]).values() if is_widget(socket)]
        names = {socket.name for socket in widgets}
        plain = [slot for slot in saved if slot["name"] not in names]
        return plain + [by_name.get(w.name, {"name": w.name, "type": w.kind, "link": None}) for w in widgets]

    def source(self, graph: Graph, node: Json, link: Any, kind: Any) -> Source | Value | None:
        """The origin of a link into an input of this type of `node`, or None for nothing.

        A loop, not recursion: a wire may pass thousands of Reroutes. What is found holds for every link on the way,
        so that many wires through the same Reroutes take no longer.
        """
        passed: set[tuple[str, str, str]] = set()
        found: Source | Value | None = None
        while link is not None:
            mark = (graph.path, str(link), str(kind))
            if mark in self._known:
                found = self._known[mark]
                break
            wire = graph.drawing.wires.get(str(link))
            if wire is None or mark in passed:
                what = f"its link {brief(link)} is not in the file" if wire is None else "its links form a loop"
                self._fault(graph, node, f"{what}; connect it again in ComfyUI and save")
                break
            passed.add(mark)
            if wire.origin == INPUTS:
                name = _input_name(graph, wire.origin_slot)
                graph, node, link, found = self._outside(graph, name)
                continue
            node = graph.drawing.nodes[wire.origin]
            if node["type"] == PRIMITIVE:
                values = node.get("widgets_values") or []
                found, link = (Value(values[0]) if values else None), None
            elif node["type"] in SCREEN_ONLY:
                graph, node, link = self._passed_by(graph, node)
            elif node.get("mode", 0) == BYPASSED:
                link = self._bypassed(node, wire.origin_slot, kind)
            elif node["type"] in self.definitions:
                graph = self.inner(graph, node)
                # One that contains itself is reported where its nodes are listed.
                contained = graph.path.count(":") > len(self.definitions)
                link = None if contained else graph.drawing.ends.get(wire.origin_slot)
            else:
                muted = node.get("mode", 0) == MUTED
                found, link = Source(f"{graph.path}{wire.origin}", wire.origin_slot, muted), None
        self._known |= dict.fromkeys(passed, found)
        return found

    def _passed_by(self, graph: Graph, node: Json) -> tuple[Graph, Json, Any]:
        """Where a wire that begins at a screen-only node goes on: at its input, or that of the setter it names."""
        if node["type"] in GET_NODES:
            name = setter_name(node)
            place: Graph | None = graph
            while place is not None and name not in place.drawing.setters:
                place = place.parent  # a subgraph also sees the names outside it
            if place is None:
                self._fault(
                    graph, node, f"no SetNode has its name {brief(name)!r}; choose another name in ComfyUI and save"
                )
                return graph, node, None
            graph, node = place, place.drawing.setters[name]
        if node["type"] not in (*REROUTES, *SET_NODES):
            return graph, node, None
        return graph, node, (_first(node.get("inputs")) or {}).get("link")

    def _bypassed(self, node: Json, slot: int, kind: Any) -> Any:
        """The link that a bypassed node passes to an output: that of the same number, else the first that fits."""
        there = self.slots(node)
        fitting = [*there[slot : slot + 1], *there]
        return next((entry.get("link") for entry in fitting if types_match(entry.get("type", "*"), kind)), None)

    def _outside(self, graph: Graph, name: str) -> tuple[Graph, Json, Any, Value | None]:
        """Where a wire from an input of the subgraph `graph` goes on, or the value of its field."""
        assert graph.parent is not None
        assert graph.instance is not None
        entry = next((item for item in graph.instance.get("inputs") or [] if item["name"] == name), {})
        if entry.get("link") is not None:
            return graph.parent, graph.instance, entry["link"], None
        value = _field_value(graph, name)
        return graph, graph.instance, None, None if value is None else Value(value)


def setter_name(node: Json) -> str:
    return str(_first(node.get("widgets_values")))


def _first(items: Any) -> Any:
    return items[0] if isinstance(items, list) and items else None


def read_drawing(data: Json) -> Drawing:
    """Links are lists `[id, origin, slot, target, slot, type]`, and objects in subgraphs and in newer files.

    Deleted ones leave null behind.
    """
    wires: dict[str, Wire] = {}
    saved = data.get("links") or []
    if len(saved) > MOST_LINKS:
        raise UsageError(f"the workflow has {len(saved)} links (expected at most {MOST_LINKS}); split it")
    for link in saved:
        if link is None:
            continue
        if isinstance(link, dict):
            ends = [link[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        else:
            ends = link
        wires[str(ends[0])] = Wire(str(ends[1]), int(ends[2]), str(ends[3]), int(ends[4]))
    nodes = {str(node["id"]): node for node in data["nodes"]}
    leaving = {wire.target_slot: link for link, wire in reversed(wires.items()) if wire.target == OUTPUTS}
    setters = {setter_name(node): node for node in reversed(nodes.values()) if node["type"] in SET_NODES}
    return Drawing(nodes, wires, leaving, setters)


def _input_name(graph: Graph, slot: int) -> str:
    assert graph.definition is not None
    return graph.definition["inputs"][slot]["name"]


def _field_value(graph: Graph, name: str) -> Any:
    """The value of the field on a subgraph's node for one of its inputs; None where it has none."""
    assert graph.instance is not None
    saved = graph.instance.get("widgets_values") or []
    if isinstance(saved, dict):
        return saved.get(name)
    shown = (graph.instance.get("properties") or {}).get("proxyWidgets") or []
    own = [entry[1] if str(entry[0]) == "-1" else None for entry in shown]  # the others are fields of inner nodes
    names = own if name in own else _promoted(graph)
    place = names.index(name) if name in names else len(saved)
    return saved[place] if place < len(saved) else None


def _promoted(graph: Graph) -> list[str]:
    """The inputs of a subgraph that lead to a widget, in order: each has a field on the subgraph's node."""
    assert graph.definition is not None
    slots = {
        str(slot["link"]): slot
        for node in graph.drawing.nodes.values()
        for slot in node.get("inputs") or []
        if slot.get("link")
    }
    fields = {
        w.origin_slot
        for link, w in graph.drawing.wires.items()
        if w.origin == INPUTS and "widget" in slots.get(link, {})
    }
    return [entry["name"] for number, entry in enumerate(graph.definition.get("inputs") or []) if number in fields]
