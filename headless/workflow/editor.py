"""Converts the editor's format, which is what people save, into the prompt that the editor would post for it.

What exists only on the screen disappears: groups, notes, Reroute and Primitive nodes, muted and bypassed nodes,
subgraphs (node 3 inside subgraph node 7 becomes node `7:3`). The rules are the front end's, found by experiment; tests
compare with what it posts.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import UsageError
from .graph import NodeClasses, Prompt, Socket, sockets
from .values import suggest, types_match
from .widgets import GROWING, date_text, file_safe, is_widget, widget_values, without_comments

Json = dict[str, Any]

REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
SCREEN_ONLY = (REROUTE, PRIMITIVE, "Note", "MarkdownNote")
MUTED, BYPASSED = 2, 4  # a node's `mode`
GROUP_NODES = ("workflow>", "workflow/")
INPUTS, OUTPUTS = "-10", "-20"  # the ids of a subgraph's own inputs and outputs


class _Wire(NamedTuple):
    origin: str
    origin_slot: int
    target: str
    target_slot: int


class _Source(NamedTuple):
    """Where a wire begins, apart from nodes that exist only on the screen: a node's output, and whether it is muted."""

    node_id: str
    slot: int
    muted: bool


class _Value(NamedTuple):
    """A wire that begins at a Primitive, or at a field on a subgraph's node."""

    value: Any


@dataclass(frozen=True)
class _Graph:
    """The whole workflow, or one use of a subgraph in it."""

    nodes: dict[str, Json]
    wires: dict[str, _Wire]
    path: str = ""  # "7:" inside subgraph node 7
    definition: Json | None = None
    parent: "_Graph | None" = None
    instance: Json | None = None  # the node in `parent` that is this graph


def is_editor_format(data: Json) -> bool:
    return isinstance(data.get("nodes"), list)


def convert(data: Json, nodes: NodeClasses, titles: Mapping[str, str] | None = None) -> Prompt:
    """The prompt of a saved workflow; `titles` are the display names of node classes.

    Raises UsageError with one line for each node that cannot be converted.
    """
    return _Conversion(data, nodes, titles or {}).prompt()


class _Conversion:
    def __init__(self, data: Json, nodes: NodeClasses, titles: Mapping[str, str]) -> None:
        self.data = data
        self.classes = nodes
        self.titles = titles
        self.faults: list[str] = []
        defined = (data.get("definitions") or {}).get("subgraphs") or []
        self.definitions: dict[str, Json] = {str(item["id"]): item for item in defined}

    def prompt(self) -> Prompt:
        try:
            prompt = dict(self._nodes(_graph(self.data), ()))
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise UsageError(
                f"the workflow is damaged ({type(error).__name__}: {error}); save it again in ComfyUI"
            ) from error
        if self.faults:
            raise UsageError("\n".join(self.faults))
        return prompt

    def _nodes(self, graph: _Graph, inside: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
        for node in sorted(graph.nodes.values(), key=lambda node: node.get("order", 0)):
            kind = node["type"]
            if kind in inside:
                self._fault(graph, node, "its subgraph contains itself; remove it from its own graph")
            elif kind in self.definitions:
                yield from self._nodes(self._inner(graph, node), (*inside, kind))
            elif kind not in SCREEN_ONLY and node.get("mode", 0) not in (MUTED, BYPASSED):
                yield f"{graph.path}{node['id']}", self._node(graph, node)

    def _inner(self, graph: _Graph, node: Json) -> _Graph:
        definition = self.definitions[node["type"]]
        inner = _graph(definition)
        return _Graph(inner.nodes, inner.wires, f"{graph.path}{node['id']}:", definition, graph, node)

    def _node(self, graph: _Graph, node: Json) -> Json:
        kind = node["type"]
        declared = self._sockets(kind)
        if kind.startswith(GROUP_NODES):
            self._fault(graph, node, "it is a group node, the old form of a subgraph; convert it to nodes in ComfyUI")
        elif kind not in self.classes:
            self._fault(graph, node, f"unknown class; run it with --server, or {suggest(kind, self.classes)}")
        elif growing := [socket.name for socket in declared.values() if socket.kind in GROWING]:
            self._fault(
                graph,
                node,
                f"its input {growing[0]} has no fixed fields; save with Export (API)",
            )
        inputs: Json = {}
        for name, value in widget_values(declared, node.get("widgets_values")).items():
            inputs[name] = _wrapped(self._posted(kind, declared[name], value))
        for slot in self._slots(node):
            if slot.get("link") is None:
                continue
            source = self._source(graph, node, slot["link"], slot.get("type", "*"))
            if isinstance(source, _Value):
                inputs[slot["name"]] = _wrapped(source.value)
            elif source is not None and source.muted:
                inputs.pop(slot["name"], None)
            elif source is not None:
                inputs[slot["name"]] = [source.node_id, source.slot]
        title = node.get("title") or self.titles.get(kind, kind)
        return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}

    def _sockets(self, kind: str) -> dict[str, Socket]:
        return sockets(self.classes[kind]) if kind in self.classes else {}

    def _slots(self, node: Json) -> list[Json]:
        """The sockets of a node on the screen, in order: the plain ones, then one for each widget.

        Files omit those of widgets without a link; older files have them among the others.
        """
        saved: list[Json] = list(node.get("inputs") or [])
        by_name = {slot["name"]: slot for slot in saved}
        widgets = [socket for socket in self._sockets(node["type"]).values() if is_widget(socket)]
        names = {socket.name for socket in widgets}
        plain = [slot for slot in saved if slot["name"] not in names]
        return plain + [by_name.get(w.name, {"name": w.name, "type": w.kind, "link": None}) for w in widgets]

    def _source(self, graph: _Graph, node: Json, link: Any, kind: Any, seen: frozenset[str] = frozenset()) -> Any:
        """The origin of a link into an input of this type of `node`: a _Source, a _Value, or None for nothing."""
        mark = f"{graph.path}{link}"
        wire = graph.wires.get(str(link))
        if wire is None or mark in seen:
            fault = f"its link {link} is not in the file" if wire is None else "its links form a loop"
            self._fault(graph, node, f"{fault}; connect it again in ComfyUI and save")
            return None
        seen |= {mark}
        if wire.origin == INPUTS:
            return self._from_outside(graph, wire.origin_slot, kind, seen)
        origin = graph.nodes[wire.origin]
        if origin["type"] == PRIMITIVE:
            values = origin.get("widgets_values") or []
            return _Value(values[0]) if values else None
        if origin["type"] in SCREEN_ONLY:
            onward = (origin.get("inputs") or [None])[0]
        elif origin.get("mode", 0) == BYPASSED:
            onward = self._passed_on(origin, wire.origin_slot, kind)
        elif origin["type"] in self.definitions:
            return self._from_inside(graph, origin, wire.origin_slot, kind, seen)
        else:
            return _Source(f"{graph.path}{wire.origin}", wire.origin_slot, origin.get("mode", 0) == MUTED)
        if onward is None or onward.get("link") is None:
            return None
        return self._source(graph, origin, onward["link"], kind, seen)

    def _passed_on(self, node: Json, slot: int, kind: Any) -> Json | None:
        """The input that a bypassed node passes to an output: that of the same number, else the first that fits."""
        there = self._slots(node)
        fitting = [*there[slot : slot + 1], *there]
        return next((entry for entry in fitting if types_match(entry.get("type", "*"), kind)), None)

    def _from_outside(self, graph: _Graph, slot: int, kind: Any, seen: frozenset[str]) -> Any:
        """The origin of input number `slot` of the subgraph `graph`."""
        assert graph.parent is not None
        assert graph.instance is not None
        assert graph.definition is not None
        name = graph.definition["inputs"][slot]["name"]
        entry = next((item for item in graph.instance.get("inputs") or [] if item["name"] == name), {})
        if entry.get("link") is not None:
            return self._source(graph.parent, graph.instance, entry["link"], kind, seen)
        value = _field_value(graph, name)
        return None if value is None else _Value(value)

    def _from_inside(self, graph: _Graph, node: Json, slot: int, kind: Any, seen: frozenset[str]) -> Any:
        """The origin of output number `slot` of a subgraph's node."""
        inner = self._inner(graph, node)
        if inner.path.count(":") > len(self.definitions):
            return None  # it contains itself; reported where its nodes are listed
        for link, wire in inner.wires.items():
            if (wire.target, wire.target_slot) == (OUTPUTS, slot):
                return self._source(inner, node, link, kind, seen)
        return None

    def _posted(self, kind: str, socket: Socket, value: Any) -> Any:
        """A widget's value as it is posted: the editor fills in placeholders of some texts."""
        if not isinstance(value, str):
            return value
        if socket.options.get("dynamicPrompts"):
            return without_comments(value)
        if socket.name == "filename_prefix" and (kind.startswith("Save") or kind.endswith("Save")):
            return re.sub(r"%([^%]+)%", self._filled_in, value)
        return value

    def _filled_in(self, mark: re.Match[str]) -> str:
        """`%date:yyyy%` and `%node title.widget%`; other placeholders are ComfyUI's own and stay."""
        if mark[1].startswith("date:"):
            return date_text(mark[1].removeprefix("date:"), time.localtime())
        title, _, name = mark[1].partition(".")
        for node in self.data["nodes"]:
            known = (node.get("properties") or {}).get("Node name for S&R"), node.get("title")
            values = widget_values(self._sockets(node["type"]), node.get("widgets_values"))
            if title in known and name in values:
                return file_safe(values[name])
        return mark[0]

    def _fault(self, graph: _Graph, node: Json, message: str) -> None:
        fault = f"node {graph.path}{node['id']} ({node['type']}): {message}"
        if fault not in self.faults:
            self.faults.append(fault)


def _graph(data: Json) -> _Graph:
    """Links are lists `[id, origin, slot, target, slot, type]`, and objects in subgraphs and in newer files."""
    wires: dict[str, _Wire] = {}
    for link in data.get("links") or []:
        if isinstance(link, dict):
            ends = [link[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        else:
            ends = link
        wires[str(ends[0])] = _Wire(str(ends[1]), int(ends[2]), str(ends[3]), int(ends[4]))
    return _Graph({str(node["id"]): node for node in data["nodes"]}, wires)


def _field_value(graph: _Graph, name: str) -> Any:
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


def _promoted(graph: _Graph) -> list[str]:
    """The inputs of a subgraph that lead to a widget, in order: each has a field on the subgraph's node."""
    assert graph.definition is not None
    slots = {
        str(slot["link"]): slot
        for node in graph.nodes.values()
        for slot in node.get("inputs") or []
        if slot.get("link")
    }
    fields = {
        w.origin_slot for link, w in graph.wires.items() if w.origin == INPUTS and "widget" in slots.get(link, {})
    }
    return [entry["name"] for number, entry in enumerate(graph.definition.get("inputs") or []) if number in fields]


def _wrapped(value: Any) -> Any:
    """Marks a list that is not a link."""
    return {"__value__": value} if isinstance(value, list) else value
