"""The memory that a workflow may take: counted before anything runs, and again before each node."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...arch.memory import free_memory
from ..errors import SengaError, UsageError
from .graph import NodeClasses, Workflow, as_link, label, links, needed, outputs
from .sizes import Need, Scale, need, size_of

LARGEST = 8 * 10**9  # bytes that a workflow may take where nothing else is asked for
SHARE = 0.75  # of the free memory
EMBEDDED = 500 * 10**6  # bytes of workflow that all saved pictures together may have inside
SAVERS = ("SaveImage", "PreviewImage", "SengaSaveTags")


def default_budget() -> int:
    """Bytes: the share of the free memory, 8 GB at most."""
    return min(LARGEST, int(free_memory(torch.device("cpu")) * SHARE))


def check_memory(workflow: Workflow, nodes: NodeClasses, limit: int, *, source: str = "workflow") -> None:
    """Go through a validated workflow as execute() does, with sizes in place of pictures.

    Sizes that are not known before a run (another program's model, say) are checked while it runs. Raises UsageError
    that names the first node for which `limit` bytes are too few.
    """
    prompt = workflow.prompt
    order = needed(prompt, outputs(prompt, nodes))
    uses = Counter(link.source for node_id in order for _, link in links(prompt[node_id]))
    results: dict[str, tuple[Any, ...]] = {}
    held = Held(limit)
    for node_id in order:
        node = prompt[node_id]
        given: dict[str, Any] = {}
        for name, value in node["inputs"].items():
            link = as_link(value)
            given[name] = value if link is None else _result(results[link.source], link.slot)
        found = need(node["class_type"], nodes[node["class_type"]], given) or Need()
        try:
            held.check([found])
        except SengaError as error:
            raise UsageError(f"{source}: node {label(prompt, node_id)}: {error}") from error
        results[node_id] = found.results
        held.add(node_id, sum(map(size_of, found.results)))
        for _, link in links(node):
            uses[link.source] -= 1
            if not uses[link.source]:
                held.drop(link.source)
        if not uses[node_id]:
            held.drop(node_id)


def check_embedded(workflow: Workflow, nodes: NodeClasses, size: int, *, source: str = "workflow") -> None:
    """Raises UsageError where all saved pictures together would have too much workflow inside; `size` is its bytes."""
    prompt = workflow.prompt
    saving = sum(prompt[node_id]["class_type"] in SAVERS for node_id in outputs(prompt, nodes))
    if saving * size > EMBEDDED:
        raise UsageError(
            f"{source}: {saving} nodes save pictures, each with the whole workflow of {_amount(size)} inside, "
            f"{_amount(saving * size)} together (expected at most {_amount(EMBEDDED)}); split the workflow"
        )


def _result(results: tuple[Any, ...], slot: int) -> Any:
    """Unknown sizes are None, which no node's function takes for a size."""
    return results[slot] if slot < len(results) else None


class Held:
    """The bytes that results of nodes take, against a limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._of: dict[str, int] = {}

    def check(self, needs: list[Need]) -> None:
        """Raises SengaError where a node that is called once for each of `needs` would exceed the limit."""
        shapes = [shape for one in needs for shape in one.results if isinstance(shape, tuple)]
        own, work = sum(map(size_of, shapes)), max((one.work for one in needs), default=0)
        if self.total + own + work <= self.limit:
            return
        largest = max(shapes, key=size_of, default=None)
        what = "" if largest is None else f"of {largest[0]} x {largest[2]}x{largest[1]} pixels "
        raise SengaError(
            f"its result {what}takes {_amount(own)} and {_amount(work)} on the way, and other nodes hold "
            f"{_amount(self.total)} (expected at most {_amount(self.limit)} in all); choose a smaller size, or allow "
            "more with --max-memory"
        )

    def add(self, node_id: str, size: int) -> None:
        self._of[node_id] = size
        self.total += size

    def drop(self, node_id: str) -> None:
        self.total -= self._of.pop(node_id, 0)


def as_sizes(value: Any) -> Any:
    """A node's input with sizes in place of tensors and models."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    factor = getattr(value, "scale", None)
    return Scale(factor) if isinstance(factor, int) else value


def bytes_of(lists: list[list[Any]]) -> int:
    """The bytes of a node's results."""
    return sum(value.nbytes for values in lists for value in values if isinstance(value, Tensor))


def needs_of(class_type: str, node_class: type, calls: list[Mapping[str, Any]]) -> list[Need]:
    found = (need(class_type, node_class, {k: as_sizes(v) for k, v in call.items()}) for call in calls)
    return [one for one in found if one is not None]


def _amount(size: int) -> str:
    """`3.2 GB`, or `40 MB` below one."""
    if size >= 1e15:  # more than any machine has
        return "over 1,000,000 GB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
