"""Converts the editor's format, which is what people save, into the prompt that the editor would post for it.

What exists only on the screen disappears: groups, notes, Reroute and Primitive nodes, muted and bypassed nodes,
subgraphs (node 3 inside subgraph node 7 becomes node `7:3`). The rules are the front end's, found by experiment; tests
compare with what it posts.
"""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...arch.errors import amount
from ..errors import UsageError, brief
from ..log import logger
from .drawing import BYPASSED, MUTED, Drawings, Graph, Json, Value, read_drawing
from .graph import MOST_FAULTS, MOST_NODES, NodeClasses, Prompt, Socket
from .screen import SCREEN_ONLY
from .values import suggest
from .widgets import GROWING, date_text, file_safe, widget_values, without_comments

GROUP_NODES = ("workflow>", "workflow/")
DEEPEST = 100  # subgraphs in each other
ELSEWHERE = "run it with --server, or "  # where a node's class may be known


def is_editor_format(data: Json) -> bool:
    return isinstance(data.get("nodes"), list)


def convert(
    data: Json, nodes: NodeClasses, titles: Mapping[str, str] | None = None, *, elsewhere: str = ELSEWHERE
) -> Prompt:
    """The prompt of a saved workflow; `titles` are the display names of node classes.

    `elsewhere` goes into the message about an unknown class. Raises UsageError with one line for each node that cannot
    be converted.
    """
    return _Conversion(data, nodes, titles or {}, elsewhere).prompt()


class _Conversion:
    def __init__(self, data: Json, nodes: NodeClasses, titles: Mapping[str, str], elsewhere: str) -> None:
        self.data = data
        self.classes = nodes
        self.titles = titles
        self.elsewhere = elsewhere
        self.faults: dict[str, None] = {}  # in order, each once
        self.visited = 0
        self.apart = 0  # nodes that are left out
        self.named: dict[tuple[str, str], Any] | None = None

    def prompt(self) -> Prompt:
        try:
            self.drawings = Drawings(self.data, self.classes, self._fault)
            prompt: Prompt = {}
            for node_id, node in self._nodes(Graph(read_drawing(self.data)), ()):
                if node is not None:
                    prompt[node_id] = node
                if len(self.faults) > MOST_FAULTS:
                    break
        except UsageError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
            raise UsageError(
                f"the workflow is damaged ({type(error).__name__}: {brief(error, 200)}); save it again in ComfyUI"
            ) from error
        if self.apart > MOST_FAULTS:
            logger.info("%s without links; left out", amount(self.apart - MOST_FAULTS, "more unknown node"))
        if self.faults:
            raise UsageError("\n".join([*self.faults][:MOST_FAULTS]))
        return prompt

    def _nodes(self, graph: Graph, inside: tuple[str, ...]) -> Iterator[tuple[str, Json | None]]:
        for node in sorted(graph.drawing.nodes.values(), key=lambda node: node.get("order", 0)):
            kind = node["type"]
            self.visited += 1
            if self.visited > MOST_NODES:
                raise UsageError(f"the workflow has more than {MOST_NODES} nodes, subgraphs unfolded; split it")
            if kind in inside:
                self._fault(graph, node, "its subgraph contains itself; remove it from its own graph")
                yield "", None
            elif kind in self.drawings.definitions and len(inside) >= DEEPEST:
                self._fault(graph, node, f"more than {DEEPEST} subgraphs are inside each other; unpack some")
                yield "", None
            elif kind in self.drawings.definitions:
                yield from self._nodes(self.drawings.inner(graph, node), (*inside, kind))
            elif kind not in SCREEN_ONLY and node.get("mode", 0) not in (MUTED, BYPASSED):
                yield f"{graph.path}{node['id']}", self._node(graph, node)

    def _node(self, graph: Graph, node: Json) -> Json | None:
        kind = node["type"]
        declared = self.drawings.sockets(kind)
        if kind.startswith(GROUP_NODES):
            self._fault(graph, node, "it is a group node, the old form of a subgraph; convert it to nodes in ComfyUI")
        elif kind not in self.classes and _is_apart(node):
            self.apart += 1
            if self.apart <= MOST_FAULTS:
                where = f"{brief(graph.path + str(node['id']))} ({brief(kind)})"
                logger.info("node %s: an unknown node without links; left out", where)
            return None
        elif kind not in self.classes:
            self._fault(graph, node, f"unknown class; {self.elsewhere}{suggest(kind, self.classes)}")
        elif growing := [socket.name for socket in declared.values() if socket.kind in GROWING]:
            self._fault(
                graph,
                node,
                f"its input {growing[0]} has no fixed fields; save with Export (API)",
            )
        inputs: Json = {}
        for name, value in widget_values(declared, node.get("widgets_values")).items():
            inputs[name] = _wrapped(self._posted(kind, declared[name], value))
        for slot in self.drawings.slots(node):
            if slot.get("link") is None:
                continue
            source = self.drawings.source(graph, node, slot["link"], slot.get("type", "*"))
            if isinstance(source, Value):
                inputs[slot["name"]] = _wrapped(source.value)
            elif source is not None and source.muted:
                inputs.pop(slot["name"], None)
            elif source is not None:
                inputs[slot["name"]] = [source.node_id, source.slot]
        title = node.get("title") or self.titles.get(kind, kind)
        return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}

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
        if self.named is None:
            self.named = self._named_values()
        return file_safe(self.named[title, name]) if (title, name) in self.named else mark[0]

    def _named_values(self) -> dict[tuple[str, str], Any]:
        """The widgets' values by title of the node and name; of several nodes the first."""
        found: dict[tuple[str, str], Any] = {}
        for node in self.data["nodes"]:
            values = widget_values(self.drawings.sockets(node["type"]), node.get("widgets_values"))
            for title in ((node.get("properties") or {}).get("Node name for S&R"), node.get("title")):
                for name, value in values.items() if title else ():
                    found.setdefault((str(title), name), value)
        return found

    def _fault(self, graph: Graph, node: Json, message: str) -> None:
        self.faults[f"node {brief(graph.path + str(node['id']))} ({brief(node['type'])}): {message}"] = None


def _is_apart(node: Json) -> bool:
    """Whether no wire leads to or from a node: other packs' labels and buttons, which have no class on any server."""
    ins = [slot.get("link") for slot in node.get("inputs") or []]
    outs = [link for slot in node.get("outputs") or [] for link in slot.get("links") or []]
    return all(link is None for link in (*ins, *outs))


def _wrapped(value: Any) -> Any:
    """Marks a list that is not a link."""
    return {"__value__": value} if isinstance(value, list) else value
