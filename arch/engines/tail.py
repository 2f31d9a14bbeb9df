"""The tail of a network, which works at the result's size, run in strips: there a few rows around a strip are enough.

An RRDB's trunk needs a wide context and little memory, its tail little context and most of the memory: trunks run on
large tiles, tails strip by strip.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..pictures.strips import spans
from .folding import Convolution
from .recording import INPUT, Recording, Value, only

LARGEST = 48 * 2**20  # bytes of a strip's largest value
LEAST_ROWS = 8
POINTWISE = (F.leaky_relu, F.relu, torch.relu, torch.sigmoid, torch.Tensor.to)

Net = Callable[[Tensor], Tensor]


class Tail(NamedTuple):
    recording: Recording
    channels: int  # of its input
    scale: int
    reach: int  # rows of its input that a result needs above and below
    floats: int  # of its largest value, for each position of its input


def in_parts(
    recording: Recording, channels: int, item: int, build: Callable[[Recording, int], Net], largest: int | None = None
) -> Net:
    """A network that runs its tail in strips, where it has one.

    Args:
        channels: of the picture.
        item: bytes of a number in the arithmetic that runs.
        build: makes what runs a recording with an input of so many channels.
        largest: bytes of a strip's largest value; None: LARGEST.
    """
    parts = parted(recording)
    if parts is None:
        return build(recording, channels)
    trunk, tail = parts
    run_trunk, run_tail = build(trunk, channels), build(tail.recording, tail.channels)

    def run(x: Tensor) -> Tensor:
        x = run_trunk(x)
        height, width = x.shape[-2:]
        rows = max(LEAST_ROWS, (LARGEST if largest is None else largest) // (width * tail.floats * item))
        if rows >= height:
            return run_tail(x)
        result: Tensor | None = None
        for top, bottom in spans(height, rows):
            begin = max(0, top - tail.reach)
            y = run_tail(x[:, :, begin : min(height, bottom + tail.reach)])
            if result is None:
                result = y.new_empty((*y.shape[:2], height * tail.scale, width * tail.scale))
            strip = slice((top - begin) * tail.scale, (bottom - begin) * tail.scale)
            result[:, :, top * tail.scale : bottom * tail.scale] = y[:, :, strip]
        assert result is not None
        return result

    return run


def parted(recording: Recording) -> tuple[Recording, Tail] | None:
    """The network before its first enlargement, and from there on, where that needs one value and its neighbours."""
    steps = recording.operations
    starts = [i for i, step in enumerate(steps) if step.function in (F.interpolate, F.conv_transpose2d)]
    if not starts:
        return None
    begin = starts[0]
    sources = {value.place for step in steps[begin:] for value in step.uses if value.place < begin}
    if len(sources) != 1 or INPUT.place in sources:
        return None
    (source,) = sources
    places = {source: INPUT, **{place: Value(place - begin) for place in range(begin, len(steps))}}
    tail = _measured(Recording([step.renamed(places) for step in steps[begin:]]))
    return None if tail is None else (only(steps, source), tail)


def _measured(recording: Recording) -> Tail | None:
    """None for operations that look at more than a few neighbours."""
    scale, reach, floats, channels = 1, Fraction(0), 0, 0
    for step in recording.operations:
        if step.function is F.interpolate and step.options.get("mode") == "nearest":
            scale *= int(step.options["scale_factor"])
        elif step.function is F.conv_transpose2d:
            weight, stride = step.arguments[1], step.arguments[3]
            reach += Fraction(1, scale)
            scale *= stride
            channels, floats = channels or weight.shape[0], max(floats, weight.shape[1] * scale**2)
        elif (conv := Convolution.of(step)) is not None and conv.plain:
            reach += Fraction(1, scale)
            channels, floats = channels or conv.weight.shape[1], max(floats, max(conv.weight.shape[:2]) * scale**2)
        elif step.function not in POINTWISE:
            return None
    return Tail(recording, channels, scale, math.ceil(reach), floats)
