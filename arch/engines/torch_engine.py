"""A network prepared for torch on a CPU: weights packed once in the arithmetic that runs, activations inside the
convolutions.

A convolution's activation or addend costs another pass over memory, half as long as the convolution itself on a few
cores. oneDNN computes it while the result is still in the cache, by torch operators that are private: they belong to
torch.compile. engine.py compares a prepared network with the plain one before it is used.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..precision import DTYPES
from .folding import Convolution, folded, pair
from .recording import INPUT, Operation, Recording, Value, record, rewritten
from .tail import in_parts
from .unpadded import framed, shrunk

PACKED_FOR = 256  # side of the tile for which weights are packed; others of that order have the same packing
# Activations that may follow a convolution: in place of its result, and by oneDNN's name inside it.
IN_PLACE: dict[Any, Callable[..., Tensor]] = {
    F.leaky_relu: F.leaky_relu_,
    F.relu: torch.relu_,
    torch.sigmoid: torch.sigmoid_,
    F.selu: torch.selu_,
}
FUSED: dict[Any, str] = {F.leaky_relu: "leaky_relu", F.relu: "relu", torch.sigmoid: "sigmoid"}


class PackedConvolution:
    """A convolution with weights in its precision. Called with its input, and what is to be added to its result."""

    def __init__(self, conv: Convolution, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.sides = [pair(side) for side in (conv.padding, conv.stride, conv.dilation)]
        self.groups = conv.groups
        self.bias = None if conv.bias is None else conv.bias.to(dtype)
        self.weight = conv.weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.fused = can_fuse(dtype)
        if self.fused:
            size = [1, self.weight.shape[1] * self.groups, PACKED_FOR, PACKED_FOR]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.sides, self.groups, size)
        self.activation: Callable[..., Tensor] | None = None
        self.slope: list[float] = []

    def __call__(self, x: Tensor, addend: Tensor | None = None) -> Tensor:
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        if not self.fused:
            padding, stride, dilation = self.sides
            y = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, self.groups)
            y = y if addend is None else y.add_(addend)
        else:
            name = FUSED.get(self.activation, "none")
            pointwise = torch.ops.mkldnn._convolution_pointwise
            if addend is not None:
                parts = (*self.sides, self.groups, "add", None, None, [], None)
                return pointwise.binary(x, addend, self.weight, self.bias, *parts)
            y = pointwise(x, self.weight, self.bias, *self.sides, self.groups, name, self.slope, "")
            if name != "none":
                return y
        return y if self.activation is None else IN_PLACE[self.activation](y, *self.slope)


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether torch has oneDNN's fused convolutions for it, on this processor."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def prepare(
    net: nn.Module, sample: Tensor, precision: str, surrounded: bool = False
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A function that gives what the net gives, in "fp32" or "bf16"; and the plain net's result for the sample.

    Args:
        net: on the CPU, in eval mode, with float32 weights.
        sample: (1, C, H, W).
        surrounded: pictures come with the net's whole context, which is cut off the result: there it may be 0.

    Raises:
        AttributeError, RuntimeError, TypeError: this torch lacks the operators, or they have other arguments.
    """
    recording, expected = record(net, sample)
    dtype = DTYPES[precision]
    recording, frame = shrunk(folded(recording, precision), surrounded)

    def build(part: Recording, channels: int) -> Callable[[Tensor], Tensor]:
        return rewritten(_packed(part, dtype), [_activated, _added, _added_scaled]).run

    return framed(in_parts(recording, sample.shape[1], dtype.itemsize, build), frame), expected


def _packed(recording: Recording, dtype: torch.dtype) -> Recording:
    """Convolutions packed; those behind `to(float32)`, which a net asks for, stay in float32."""
    full = {INPUT.place}  # values in float32
    steps: list[Operation] = []
    for place, step in enumerate(recording.operations):
        source = step.uses[0].place
        asked = source >= 0 and recording.operations[source].function is torch.Tensor.to
        own = torch.float32 if asked else dtype
        if (conv := Convolution.of(step)) is not None:
            step = Operation(PackedConvolution(conv, own), (conv.x,))
        elif step.function is F.conv_transpose2d:
            step = Operation(_Enlarged(step, own), step.arguments[:1])
        elif step.function is F.prelu:
            step = Operation(
                F.prelu, (step.arguments[0], step.arguments[1].to(torch.float32 if source in full else own))
            )
        of_net = step.function is F.interpolate and source in full
        if step.function is torch.Tensor.to or (asked and source in full) or of_net:
            full.add(place)
        steps.append(step)
    return Recording(steps)


class _Enlarged:
    """A transposed convolution in one precision, with an activation in place."""

    def __init__(self, step: Operation, dtype: torch.dtype) -> None:
        _, weight, bias, self.stride, self.padding = step.arguments
        self.dtype = dtype
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = None if bias is None else bias.to(dtype)
        self.activation: Callable[..., Tensor] | None = None
        self.slope: list[float] = []

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        y = F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding)
        return y if self.activation is None else IN_PLACE[self.activation](y, *self.slope)


def _slope(step: Operation) -> float:
    return float(step.options.get("negative_slope", (*step.arguments, None, 0.01)[1] or 0.01))


def _activated(step: Operation, value: Value, source: Operation) -> Operation | None:
    """An activation of a convolution's result."""
    conv = source.function
    if not isinstance(conv, PackedConvolution | _Enlarged) or conv.activation is not None or len(source.arguments) > 1:
        return None
    if step.function not in IN_PLACE:
        return None
    conv.activation = step.function
    conv.slope = [_slope(step)] if step.function is F.leaky_relu else []
    return source


def _added(step: Operation, value: Value, source: Operation) -> Operation | None:
    """A convolution's result added to something of its shape and type."""
    conv = source.function
    if step.function is not torch.Tensor.add or not isinstance(conv, PackedConvolution):
        return None
    if conv.activation is not None or len(source.arguments) > 1 or step.options:
        return None
    other = [part for part in step.arguments if part != value]
    if len(other) != 1 or not isinstance(other[0], Value):
        return None
    return Operation(conv, (*source.arguments, other[0]))


def _added_scaled(step: Operation, value: Value, source: Operation) -> Operation | None:
    """x + factor * y in one pass over memory."""
    if step.function is not torch.Tensor.add or source.function is not torch.Tensor.mul or step.options:
        return None
    other = [part for part in step.arguments if part != value]
    factors = [part for part in source.arguments if isinstance(part, int | float)]
    if len(other) != 1 or len(factors) != 1:
        return None
    return Operation(torch.add, (other[0], source.uses[0]), {"alpha": factors[0]})
