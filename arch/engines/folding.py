"""Rewrites of a recorded network that need less arithmetic and give the same picture, for every engine.

Their results equal the network's except for rounding: weights are added up and multiplied before they are used.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .recording import Operation, Recording, Value, only, rewritten


def pair(side: int | tuple[int, int]) -> list[int]:
    """One number for both sides, or one for each -> [height, width], as torch's own arguments of convolutions."""
    return [side, side] if isinstance(side, int) else list(side)


class Convolution(NamedTuple):
    """The arguments of torch.nn.functional.conv2d."""

    x: Any
    weight: Tensor
    bias: Tensor | None = None
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    @classmethod
    def of(cls, step: Operation) -> "Convolution | None":
        return cls(*step.arguments, **step.options) if step.function is F.conv2d else None

    @property
    def plain(self) -> bool:
        """3x3, and the picture keeps its size."""
        ones = all(value in (1, (1, 1)) for value in (self.stride, self.padding, self.dilation, self.groups))
        return ones and self.weight.shape[-2:] == (3, 3)


def folded(recording: Recording, precision: str) -> Recording:
    """For an arithmetic: transposed convolutions were measured to be faster in float32 alone."""
    return rewritten(recording, [scaled, enlarged] if precision == "fp32" else [scaled])


def without_base(recording: Recording) -> tuple[Recording, Recording | None]:
    """The network apart from the enlarged picture that it adds its result to at the end, if it does; and that.

    Rounding what is added costs far less than rounding the picture: it is small.
    """
    *_, last = recording.operations
    if last.function is torch.Tensor.add and len(last.uses) == 2:
        parts = [only(recording.operations, value.place) for value in last.uses]
        bare = [all(step.function is F.interpolate for step in part.operations) for part in parts]
        if bare in ([True, False], [False, True]):
            return parts[bare.index(False)], parts[bare.index(True)]
    return recording, None


def with_base(run: Callable[[Tensor], Tensor], base: Recording | None) -> Callable[[Tensor], Tensor]:
    """What runs the network without its base, with the base added in float32 again, in place."""
    return run if base is None else lambda x: run(x).add_(base.run(x))


def factor_of(
    *,
    size: None,
    scale_factor: float,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: None,
    antialias: bool,
) -> tuple[float, str]:
    """The factor and mode of torch.nn.functional.interpolate's options. Raises TypeError for what no engine has."""
    if size is not None or align_corners or antialias:
        raise TypeError("an interpolation to a size, with aligned corners or antialiased has no row here")
    return float(scale_factor), mode


def scaled(step: Operation, value: Value, source: Operation) -> Operation | None:
    """A convolution times a number: the number goes into its weights."""
    conv = Convolution.of(source)
    if conv is None or step.function is not torch.Tensor.mul or len(step.arguments) != 2 or step.options:
        return None
    factor = next(part for part in step.arguments if part != value)
    if not isinstance(factor, int | float):
        return None
    bias = None if conv.bias is None else conv.bias * factor
    return Operation(F.conv2d, tuple(conv._replace(weight=conv.weight * factor, bias=bias)))


def enlarged(step: Operation, value: Value, source: Operation) -> Operation | None:
    """Nearest-neighbour doubling, then a 3x3 convolution: a transposed convolution with 4/9 of the arithmetic.

    Each output pixel has only two different input pixels under the three taps of a side, so the taps of equal ones are
    added up. With the taps (a, b, c) these are (a, b + c) for even pixels and (a + b, c) for odd ones: the kernel
    (c, b + c, a + b, a) with stride 2. Zeros beyond the edge are the same in both.
    """
    conv = Convolution.of(step)
    if conv is None or conv.x != value or not conv.plain or source.function is not F.interpolate:
        return None
    options = source.options
    if len(source.arguments) != 1 or options.get("mode") != "nearest" or options.get("scale_factor") != 2.0:
        return None
    kernel = _summed(_summed(conv.weight, 2), 3).transpose(0, 1).contiguous()
    return Operation(F.conv_transpose2d, (source.arguments[0], kernel, conv.bias, 2, 1))


def _summed(kernel: Tensor, side: int) -> Tensor:
    a, b, c = kernel.unbind(side)
    return torch.stack((c, b + c, a + b, a), side)
