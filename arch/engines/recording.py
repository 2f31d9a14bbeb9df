"""What a network computes, as a list of operations: recorded once from a run over a small picture, for engines.

An engine needs to know the operations to run them in its own way. Recording asks nothing of the networks: torch shows
each function that a forward calls to a mode (torch.overrides.TorchFunctionMode), with its arguments.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Value:
    """The result of an operation, by its place in the list; INPUT is the picture."""

    place: int


INPUT = Value(-1)


@dataclass(frozen=True)
class Operation:
    function: Callable[..., Any]  # torch's, such as torch.nn.functional.conv2d
    arguments: tuple[Any, ...]  # a Value or a list of them, a Tensor (a constant), a number, a word
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def uses(self) -> list[Value]:
        parts = (*self.arguments, *self.options.values())
        flat = (item for part in parts for item in (part if isinstance(part, list | tuple) else [part]))
        return [item for item in flat if isinstance(item, Value)]

    def renamed(self, values: dict[int, Any]) -> "Operation":
        return Operation(self.function, replaced(self.arguments, values), replaced(self.options, values))


class Recording:
    """Operations in their order; the last one gives the result."""

    def __init__(self, operations: list[Operation]) -> None:
        self.operations = tuple(operations)
        self._ends: list[list[int]] = [[] for _ in operations]  # values that an operation is the last one to use
        for value, place in {
            value.place: place for place, step in enumerate(operations) for value in step.uses
        }.items():
            self._ends[place].append(value)

    def run(self, x: Tensor) -> Tensor:
        """What the network gives. A result is freed after its last use."""
        results: dict[int, Any] = {INPUT.place: x}
        for place, step in enumerate(self.operations):
            results[place] = step.function(*replaced(step.arguments, results), **replaced(step.options, results))
            for end in self._ends[place]:
                del results[end]
        return results[len(self.operations) - 1]


def replaced(part: Any, results: dict[int, Any]) -> Any:
    """The same arguments, with the results in place of each Value."""
    if isinstance(part, Value):
        return results[part.place]
    if isinstance(part, dict):
        return {name: replaced(item, results) for name, item in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(replaced(item, results) for item in part)
    return part


def record(net: nn.Module, sample: Tensor) -> tuple[Recording, Tensor]:
    """The operations of a net whose path does not depend on values or sizes, and its result for the sample.

    Args:
        net: in eval mode, with float32 weights, on the sample's device.
        sample: (1, C, H, W). What the net computes from its weights alone becomes a constant.
    """
    recorder = _Recorder(sample)
    with torch.no_grad(), torch.autocast(sample.device.type, enabled=False), recorder:
        result = net(sample)
    last = recorder.places[id(result)]
    return Recording(recorder.operations[: last.place + 1]), result


class _Recorder(TorchFunctionMode):
    def __init__(self, sample: Tensor) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.places: dict[int, Value] = {id(sample): INPUT}
        self.alive: list[Any] = [sample]  # the id of a collected tensor would be given to another one

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operation = Operation(func, self.noted(args), self.noted(kwargs))
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and operation.uses:
            # `to` may give its input back. It is noted all the same: it says where full precision begins.
            self.operations.append(operation)
            self.places[id(result)] = Value(len(self.operations) - 1)
            self.alive.append(result)
        return result

    def noted(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {name: self.noted(item) for name, item in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(self.noted(item) for item in part)
        return self.places.get(id(part), part) if isinstance(part, Tensor) else part


# A rule gets an operation, one of the values that it uses, and the operation whose result that is, where nothing else
# uses it. It gives one operation in place of the two, or None.
Rule = Callable[[Operation, Value, Operation], Operation | None]


def rewritten(recording: Recording, rules: list[Rule]) -> Recording:
    """A recording of the same result, with pairs of operations replaced by one where a rule says so."""
    uses = Counter(value.place for step in recording.operations for value in step.uses)
    steps: list[Operation] = []
    moved = {INPUT.place: INPUT}
    single: set[int] = set()  # places of new operations whose result has one use
    for place, step in enumerate(recording.operations):
        renamed = step.renamed(moved)
        for rule in rules:
            for value in renamed.uses:
                if value.place in single and (found := rule(renamed, value, steps[value.place])) is not None:
                    renamed = found
                    break
        steps.append(renamed)
        moved[place] = Value(len(steps) - 1)
        if uses[place] == 1:
            single.add(len(steps) - 1)
    return only(steps, len(steps) - 1)


def only(steps: Sequence[Operation], result: int) -> Recording:
    """The operations that one result needs."""
    needed = {result}
    for place in range(result, -1, -1):
        if place in needed:
            needed |= {value.place for value in steps[place].uses}
    kept: list[Operation] = []
    moved = {INPUT.place: INPUT}
    for place, step in enumerate(steps):
        if place in needed:
            kept.append(step.renamed(moved))
            moved[place] = Value(len(kept) - 1)
    return Recording(kept)
