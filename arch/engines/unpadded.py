"""A recorded network without zero padding: where a picture comes with its context, the context need not stay.

A padded convolution gives a result for every pixel, and each layer makes another ring of them useless. Without padding
each layer computes one ring less. That halves the arithmetic that a tile's context costs, and what remains is the same.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .folding import Convolution, pair
from .recording import INPUT, Operation, Recording, Value
from .tail import Net, parted

# Operations on each pixel by itself, and on the same pixel of several values.
POINTWISE: frozenset[Callable[..., Any]] = frozenset(
    {
        F.prelu,
        F.leaky_relu,
        F.relu,
        torch.relu,
        torch.sigmoid,
        F.selu,
        torch.Tensor.to,
        torch.Tensor.mul,
        torch.Tensor.add,
        torch.cat,
    }
)


def cropped(x: Tensor, pixels: int) -> Tensor:
    """(B, C, H, W) without so many pixels on each side. A view."""
    return x[..., pixels:-pixels, pixels:-pixels]


def unpadded(recording: Recording) -> tuple[Recording, int]:
    """The network without padding, and how many pixels of the result are missing on each side.

    (the same recording, 0) where an operation has no rule here.
    """
    steps: list[Operation] = []
    moved: dict[int, Value] = {INPUT.place: INPUT}
    lost = {INPUT: 0}  # value -> pixels missing on each side, in pixels of the value
    for place, step in enumerate(recording.operations):
        step = step.renamed(moved)
        most = max(lost[value] for value in step.uses)
        for value in [value for value in step.uses if lost[value] < most]:
            steps.append(Operation(cropped, (value, most - lost[value])))
            same = {used.place: used for used in step.uses}
            step = step.renamed({**same, value.place: Value(len(steps) - 1)})
            lost[Value(len(steps) - 1)] = most
        found = _without(step, most)
        if found is None:
            return recording, 0
        step, missing = found
        steps.append(step)
        moved[place] = Value(len(steps) - 1)
        lost[moved[place]] = missing
    return Recording(steps), lost[moved[len(recording.operations) - 1]]


def shrunk(recording: Recording, surrounded: bool) -> tuple[Recording, int]:
    """`unpadded` for pictures that come with their whole context; else, and for networks with a tail, no change."""
    return unpadded(recording) if surrounded and parted(recording) is None else (recording, 0)


def framed(net: Net, pixels: int) -> Net:
    """A network whose result has the missing pixels again, as zeros, so that places in it are what they were."""
    return (lambda x: F.pad(net(x), [pixels] * 4)) if pixels else net


def _without(step: Operation, lost: int) -> tuple[Operation, int] | None:
    """An operation on values that lack so many pixels, without padding; and what its result lacks."""
    if step.function in POINTWISE:
        return step, lost
    if step.function is F.pixel_shuffle:
        return step, lost * step.arguments[1]
    if step.function is F.interpolate:
        if not lost:
            return step, 0
        factor = step.options["scale_factor"]
        exact = step.options["mode"] == "nearest" and factor == int(factor)
        return (step, lost * int(factor)) if exact else None
    if (conv := Convolution.of(step)) is None:
        return None
    padding, stride, dilation = (pair(side) for side in (conv.padding, conv.stride, conv.dilation))
    kept = [d * (side - 1) // 2 for d, side in zip(dilation, conv.weight.shape[-2:], strict=True)]
    if stride != [1, 1] or padding != kept or kept[0] != kept[1]:
        return None
    return Operation(F.conv2d, tuple(conv._replace(padding=0))), lost + kept[0]
