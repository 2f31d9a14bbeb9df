"""A recorded network as ncnn's text and weights (https://github.com/Tencent/ncnn/wiki/operators)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..engines.folding import Convolution, factor_of, pair
from ..engines.recording import INPUT, Operation, Recording, Value, replaced, rewritten
from ..engines.unpadded import cropped

MAGIC = 7767517  # the text's first line
ARRAY = -23300  # a parameter's number is subtracted from it where the value is a list
ADD, MULTIPLY = 0, 2  # of the layer BinaryOp
INTERPOLATIONS = {"nearest": 1, "bilinear": 2, "bicubic": 3}
# Activations inside a convolution, by ncnn's numbers.
FUSED: dict[Any, int] = {F.relu: 1, torch.relu: 1, F.leaky_relu: 2, torch.sigmoid: 4}
SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale (Klambauer et al. 2017)


def name_of(value: Value) -> str:
    return "picture" if value == INPUT else f"v{value.place}"


@dataclass(frozen=True)
class Layer:
    kind: str
    sources: Sequence[Value]
    parameters: dict[int, Any]


class Graph:
    """Layers and weights. Each layer has one result: the Value of the layer's place in the list."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.weights: list[bytes] = []

    def add(self, kind: str, sources: Sequence[Value], parameters: dict[int, Any] | None = None) -> Value:
        self.layers.append(Layer(kind, sources, parameters or {}))
        return Value(len(self.layers) - 1)

    def weigh(self, weight: Tensor, *, tagged: bool = False) -> None:
        """A weight of the layer that was added last. ncnn reads a tag, which says how numbers are kept, before some."""
        self.weights.append(bytes(4 * tagged) + weight.detach().float().contiguous().numpy().tobytes())

    @property
    def result(self) -> str:
        return name_of(Value(len(self.layers) - 1))

    def text(self) -> str:
        """A value with several uses has to be split into as many."""
        uses = Counter(source for layer in self.layers for source in layer.sources)
        taken: Counter[Value] = Counter()
        lines: list[str] = []
        blobs = 0

        def write(kind: str, sources: Sequence[str], results: Sequence[str], settings: Sequence[str] = ()) -> None:
            nonlocal blobs
            blobs += len(results)
            counts = str(len(sources)), str(len(results))
            lines.append(" ".join((kind, f"layer{len(lines)}", *counts, *sources, *results, *settings)))

        def made(value: Value, kind: str, sources: Sequence[str] = (), settings: Sequence[str] = ()) -> None:
            name, count = name_of(value), uses[value]
            write(kind, sources, [name], settings)
            if count > 1:
                write("Split", [name], [f"{name}_{i}" for i in range(count)])

        def use(value: Value) -> str:
            taken[value] += 1
            return name_of(value) if uses[value] == 1 else f"{name_of(value)}_{taken[value] - 1}"

        made(INPUT, "Input")
        for place, layer in enumerate(self.layers):
            sources = [use(source) for source in layer.sources]
            made(Value(place), layer.kind, sources, [_setting(*item) for item in layer.parameters.items()])
        return "\n".join((str(MAGIC), f"{len(lines)} {blobs}", *lines, ""))


def _setting(number: int, value: Any) -> str:
    if isinstance(value, list):
        return f"{ARRAY - number}={','.join([str(len(value)), *map(_written, value)])}"
    return f"{number}={_written(value)}"


def _written(value: float) -> str:
    return f"{value:.9e}" if isinstance(value, float) else str(value)


def graph_of(recording: Recording) -> Graph:
    """Raises KeyError, TypeError: an operation has no row in the table below, or unknown arguments."""
    table = _Table()
    results: dict[int, Any] = {INPUT.place: INPUT}
    for place, step in enumerate(rewritten(recording, [_activated]).operations):
        row = table.rows[step.function]
        results[place] = row(*replaced(step.arguments, results), **replaced(step.options, results))
    return table.graph


def _activated(step: Operation, value: Value, source: Operation) -> Operation | None:
    """An activation of a convolution's result goes into the convolution."""
    if step.function not in FUSED or source.function not in (F.conv2d, F.conv_transpose2d):
        return None
    if "activation" in source.options:
        return None
    slopes = [_slope(*step.arguments, **step.options)] if step.function is F.leaky_relu else []
    activation = FUSED[step.function], slopes
    return Operation(source.function, source.arguments, {**source.options, "activation": activation})


def _slope(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> float:
    return float(negative_slope)


class _Table:
    """torch's functions in ncnn's layers, with the arguments of torch's. A Value is one of the graph here."""

    def __init__(self) -> None:
        self.graph = Graph()
        add = self.graph.add
        self.rows: dict[Callable[..., Any], Callable[..., Value]] = {
            F.conv2d: self.convolution,
            F.conv_transpose2d: self.transposed,
            F.prelu: self.prelu,
            F.leaky_relu: lambda x, *slope, **options: add("ReLU", [x], {0: _slope(x, *slope, **options)}),
            F.relu: lambda x, inplace=False: add("ReLU", [x]),
            torch.relu: lambda x: add("ReLU", [x]),
            torch.sigmoid: lambda x: add("Sigmoid", [x]),
            F.selu: lambda x, inplace=False: add("SELU", [x], dict(enumerate(SELU))),
            torch.Tensor.add: lambda a, b: self.binary(ADD, a, b),
            torch.Tensor.mul: lambda a, b: self.binary(MULTIPLY, a, b),
            torch.Tensor.to: lambda x, dtype: x,  # all is float32
            torch.cat: self.joined,
            F.pixel_shuffle: lambda x, side: x if side == 1 else add("PixelShuffle", [x], {0: side}),
            F.pixel_unshuffle: lambda x, side: x if side == 1 else add("Reorg", [x], {0: side}),
            F.interpolate: self.interpolate,
            cropped: self.cropped,
        }

    def convolution(self, *arguments: Any, activation: tuple[int, list[float]] | None = None, **options: Any) -> Value:
        conv = Convolution(*arguments, **options)
        if conv.groups != 1:
            raise TypeError(f"a convolution in {conv.groups} groups has no row here")
        sides = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
        return self.weighed("Convolution", conv.x, conv.weight, conv.bias, sides, activation)

    def transposed(
        self,
        x: Value,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        activation: tuple[int, list[float]] | None = None,
    ) -> Value:
        sides = {"stride": stride, "padding": padding, "dilation": 1}
        return self.weighed("Deconvolution", x, weight.transpose(0, 1), bias, sides, activation)

    def weighed(
        self,
        kind: str,
        x: Value,
        weight: Tensor,
        bias: Tensor | None,
        sides: dict[str, Any],
        activation: tuple[int, list[float]] | None,
    ) -> Value:
        """weight: (outputs, inputs, height, width)."""
        (down, across), (top, left), (between, beside) = (pair(sides[key]) for key in ("stride", "padding", "dilation"))
        height, width = weight.shape[-2:]
        function, slopes = activation or (0, [])
        parameters = {0: len(weight), 1: width, 11: height, 2: beside, 12: between, 3: across, 13: down}
        parameters |= {4: left, 15: left, 14: top, 16: top, 5: int(bias is not None), 6: weight.numel(), 9: function}
        value = self.graph.add(kind, [x], parameters | ({10: slopes} if slopes else {}))
        self.graph.weigh(weight, tagged=True)
        if bias is not None:
            self.graph.weigh(bias)
        return value

    def prelu(self, x: Value, slopes: Tensor) -> Value:
        value = self.graph.add("PReLU", [x], {0: slopes.numel()})
        self.graph.weigh(slopes)
        return value

    def binary(self, operation: int, a: Value | float, b: Value | float) -> Value:
        values = [part for part in (a, b) if isinstance(part, Value)]
        numbers = [float(part) for part in (a, b) if isinstance(part, int | float)]
        if len(values) + len(numbers) != 2 or not values:
            raise TypeError("an addition or multiplication of tensors that are constant has no row here")
        return self.graph.add("BinaryOp", values, {0: operation} | ({1: 1, 2: numbers[0]} if numbers else {}))

    def joined(self, parts: Sequence[Value], dim: int) -> Value:
        if dim != 1:
            raise TypeError(f"joining along dimension {dim} has no row here")
        return self.graph.add("Concat", list(parts), {0: 0})

    def cropped(self, x: Value, pixels: int) -> Value:
        return self.graph.add("Crop", [x], {9: [pixels, pixels], 10: [-pixels, -pixels], 11: [1, 2]})

    def interpolate(self, x: Value, **options: Any) -> Value:
        factor, mode = factor_of(**options)
        return self.graph.add("Interp", [x], {0: INTERPOLATIONS[mode], 1: factor, 2: factor})
