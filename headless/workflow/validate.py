"""Check a workflow before anything runs, as ComfyUI does, but report all faults at once.

Two rules are stricter than ComfyUI's, which accepts what cannot work: a value on an input that only takes links
(IMAGE, MASK, ...), and text or null for a number or a switch (`"false"` would count as true).
"""

import functools
import inspect
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import NodeError, UsageError, brief, one_line, quoted
from ..log import logger
from .execute import call_over_lists, input_is_list
from .graph import (
    MOST_FAULTS,
    NodeClasses,
    Prompt,
    Socket,
    Workflow,
    as_link,
    cycles,
    is_output,
    label,
    needed,
    outputs,
    sockets,
)
from .values import convert, expected, suggest, takes_links_only, types_match

NAMED_STEPS = 8  # nodes of a cycle that are named from its start


@dataclass(frozen=True)
class Fault:
    """`3.scale (SengaUpscale): -1 is below the minimum of 0`"""

    node_id: str  # "" for a fault of the whole workflow
    class_type: str
    input: str  # "" for a fault of the whole node
    message: str

    def __str__(self) -> str:
        if not self.node_id:
            return f"workflow: {self.message}"
        node = brief(self.node_id)
        where = f"{node}.{brief(self.input)}" if self.input else f"node {node}"
        return f"{where} ({brief(self.class_type)}): {self.message}"


def validate(workflow: Workflow, nodes: NodeClasses, *, source: str = "workflow") -> Workflow:
    """The same workflow with its values converted to the declared types.

    Raises UsageError with one line a fault, each beginning with `source`.
    """
    prompt, faults = check(workflow.prompt, nodes)
    if faults:
        raise UsageError("\n".join(f"{source}: {fault}" for fault in faults))
    return Workflow(prompt, workflow.extra_pnginfo)


def check(prompt: Prompt, nodes: NodeClasses) -> tuple[Prompt, list[Fault]]:
    """The prompt with converted values, and its faults: unknown nodes anywhere, and all in what the outputs need.

    Of very many faults only the first are looked for.
    """
    converted = {node_id: {**node, "inputs": dict(node["inputs"])} for node_id, node in prompt.items()}
    return converted, list(itertools.islice(_faults(prompt, nodes, converted), MOST_FAULTS))


def _faults(prompt: Prompt, nodes: NodeClasses, converted: Prompt) -> Iterator[Fault]:
    unknown = [(node_id, node["class_type"]) for node_id, node in prompt.items() if node["class_type"] not in nodes]
    for node_id, class_type in unknown:
        yield Fault(node_id, class_type, "", f"unknown class; {suggest(class_type, nodes)}")
    ends = outputs(prompt, nodes)
    if not ends and not unknown:
        known = [name for name, node_class in nodes.items() if is_output(node_class)]
        yield Fault("", "", "", f"no output node, so nothing would run; {suggest('', known)}")
    needed_ids = needed(prompt, ends)
    used = set(needed_ids)
    described = functools.cache(_describe)  # a load node lists a folder each time
    for node_id in (node_id for node_id in prompt if node_id in used):
        if prompt[node_id]["class_type"] in nodes:
            checks = _NodeChecks(prompt, nodes, node_id, described(nodes[prompt[node_id]["class_type"]]))
            yield from checks.faults()
            converted[node_id]["inputs"] |= checks.converted
    for cycle in cycles(prompt, needed_ids):
        message = f"its result depends on itself, a cycle: {_way(prompt, cycle)}; remove one link"
        yield Fault(cycle[0], prompt[cycle[0]]["class_type"], "", message)


def _way(prompt: Prompt, cycle: list[str]) -> str:
    steps = [label(prompt, node_id) for node_id in cycle[:NAMED_STEPS]]
    if len(cycle) > NAMED_STEPS + 1:
        steps.append(f"{len(cycle) - NAMED_STEPS - 1} more")
    return " -> ".join([*steps, *(label(prompt, node_id) for node_id in cycle[NAMED_STEPS:][-1:])])


class _NodeChecks:
    """The checks of one node; after faults(), `converted` has its values in the declared types."""

    def __init__(self, prompt: Prompt, nodes: NodeClasses, node_id: str, described: "_Described") -> None:
        self.prompt = prompt
        self.nodes = nodes
        self.node_id = node_id
        self.class_type: str = prompt[node_id]["class_type"]
        self.inputs: Mapping[str, Any] = prompt[node_id]["inputs"]
        self.node_class = nodes[self.class_type]
        self.sockets, self.own = described
        self.converted: dict[str, Any] = {}
        self.linked_types: dict[str, Any] = {}

    def faults(self) -> list[Fault]:
        found = {name: message for name, message in self._input_faults() if message}
        faults = [self._fault(name, message) for name, message in found.items()]
        # Only called with inputs that are valid so far: it would fail on others.
        return [*faults, *self._own_faults()] if self.own and not self.own & found.keys() else faults

    def _input_faults(self) -> Iterator[tuple[str, str]]:
        for name, socket in self.sockets.items():
            if name not in self.inputs:
                yield name, f"missing (expected {expected(socket)})" if socket.required else ""
            elif isinstance(value := self.inputs[name], list):
                yield name, self._link_fault(socket, value)
            elif value is None and not socket.required and takes_links_only(socket):
                yield name, ""  # not connected: the node gets None, as in ComfyUI
            else:
                self.converted[name], message = convert(socket, value, limits=name not in self.own)
                yield name, message
        for name, value in self.inputs.items():
            # A value there is a note of the front end; ComfyUI ignores it too.
            if name not in self.sockets and as_link(value) is not None:
                yield name, f"the node has no input of this name; {suggest(name, self.sockets)}"

    def _link_fault(self, socket: Socket, value: list[Any]) -> str:
        link = as_link(value)
        if link is None:
            return f"{quoted(value)} is not a link (expected [node id as text, output number])"
        if link.source not in self.prompt:
            others = suggest(link.source, self.prompt)
            return f"the link leads to node {brief(link.source)}, which does not exist; {others}"
        source_class = self.nodes.get(self.prompt[link.source]["class_type"])
        if source_class is None:
            return ""  # reported at the unknown node itself
        types = getattr(source_class, "RETURN_TYPES", ())
        source = f"output {link.slot} of node {label(self.prompt, link.source)}"
        if not 0 <= link.slot < len(types):
            there = f"only outputs 0 to {len(types) - 1}" if types else "no outputs"
            return f"the link leads to {source}, which has {there}"
        given = self.linked_types[socket.name] = types[link.slot]
        if "input_types" in self.own or types_match(given, socket.kind):
            return ""
        kind = given if isinstance(given, str) else "a choice from a list"
        return f"{source} is {kind} (expected {expected(socket)})"

    def _own_faults(self) -> list[Fault]:
        """The answer of VALIDATE_INPUTS. Links have no value yet: it gets None for them, as in ComfyUI."""
        values = {name: self.converted.get(name) for name in self.inputs if name in self.own & self.sockets.keys()}
        arguments = {name: [value] for name, value in values.items()}
        if "input_types" in self.own:
            arguments["input_types"] = [self.linked_types]
        try:
            answers = _answers(self.node_class, arguments)
        except NodeError as error:
            logger.debug("VALIDATE_INPUTS of node %s (%s) failed", self.node_id, self.class_type, exc_info=True)
            return [self._fault(", ".join(values), f"the node's own check failed with {brief(error, 300)}")]
        refusals = [answer for answer in answers if answer is not True]
        return [self._fault(", ".join(values), str(r) if r is not False else "the node refuses it") for r in refusals]

    def _fault(self, name: str, message: str) -> Fault:
        return Fault(self.node_id, self.class_type, name, message)


class _Described(NamedTuple):
    sockets: dict[str, Socket]
    own: set[str]  # the arguments of VALIDATE_INPUTS: for these inputs, min, max and choices are not checked here


def _describe(node_class: type) -> _Described:
    declared = sockets(node_class)
    own, takes_any = _arguments(getattr(node_class, "VALIDATE_INPUTS", None))
    return _Described(declared, own | declared.keys() if takes_any else own)


def _arguments(function: Any) -> tuple[set[str], bool]:
    """The names that a node's function takes, and whether it takes any other (`**kwargs`)."""
    if function is None:
        return set(), False
    spec = inspect.getfullargspec(function)
    names = spec.args[1:] if inspect.ismethod(function) else spec.args  # without the class itself
    return set(names), spec.varkw is not None


def _answers(node_class: type, arguments: dict[str, list[Any]]) -> list[Any]:
    try:
        return call_over_lists(node_class.VALIDATE_INPUTS, arguments, input_is_list(node_class))
    except Exception as error:  # a node may raise anything; ComfyUI makes that a fault of the node too
        raise NodeError(f"{type(error).__name__}: {one_line(error)}") from error
