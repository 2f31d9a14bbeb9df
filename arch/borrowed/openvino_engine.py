"""A network prepared for OpenVINO on a CPU: the recorded operations as a graph of its own, for pictures of any size.

The graph is built in memory. `openvino.convert_model` would take seconds, and reports to its makers over the network
that it was used; `import openvino` alone does so too, where the package openvino_telemetry is found.
"""

import sys
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engines.folding import Convolution, factor_of, folded, pair, with_base, without_base
from ..engines.recording import INPUT, Recording, record, replaced
from ..engines.splitting import split
from ..engines.tail import in_parts
from ..engines.unpadded import cropped, framed, shrunk
from ..precision import DTYPES
from . import borrow

TELEMETRY = "openvino_telemetry"
OPSET = "openvino.opset13"
TYPES = {"fp32": "f32", "bf16": "bf16"}  # our names of precisions -> OpenVINO's
SHAPES = 48  # sizes of tiles after which the graph is compiled anew: OpenVINO keeps packed weights for each
JOINED = 64  # most channels that are copied together: with 192, RRDB took twice the memory, and no less time
# Bytes of a result after which the memory of the run is given back: it is a trunk's, and the tail needs as much.
RELEASED = 32 * 2**20
INTERPOLATIONS = {"nearest": "nearest", "bilinear": "linear_onnx", "bicubic": "cubic"}
CUBIC = -0.75  # torch's coefficient of bicubic interpolation
SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale (Klambauer et al. 2017)

Node = Any


def load() -> ModuleType:
    """openvino, imported without its telemetry. Raises ImportError or OSError where that fails."""
    if "openvino" in sys.modules or TELEMETRY in sys.modules:
        return borrow("openvino")
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # openvino then uses a stand-in that sends nothing
    try:
        return borrow("openvino")
    finally:
        del sys.modules[TELEMETRY]


@cache
def core() -> Any:
    """The process's one openvino.Core, which is never given up.

    A Core gives the thread that first compiles with it a stack for signals, and frees it when it goes. Where two go in
    the order in which they came, the thread keeps a freed one, and its next signal (Ctrl-C, a child's end) kills the
    process.
    """
    return load().Core()


def prepare(
    net: nn.Module, sample: Tensor, precision: str, surrounded: bool = False
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """As `torch_engine.prepare`, by OpenVINO.

    Raises:
        ImportError, OSError: OpenVINO cannot be imported.
        KeyError, TypeError: the network does something that has no row in the table below.
        RuntimeError: OpenVINO refuses the graph.
    """
    openvino = load()
    recording, expected = record(net, sample)
    recording = folded(recording, precision)
    base = None
    if precision != "fp32":
        recording, base = without_base(recording)
    recording, frame = shrunk(recording, surrounded)

    def build(part: Recording, channels: int) -> Callable[[Tensor], Tensor]:
        return _Compiled(openvino, part, channels, precision)

    run = framed(in_parts(recording, sample.shape[1], DTYPES[precision].itemsize, build), frame)
    return with_base(run, base), expected


class _Compiled:
    """A compiled graph, called with (B, C, H, W)."""

    def __init__(self, openvino: ModuleType, recording: Recording, channels: int, precision: str) -> None:
        self.openvino, self.recording = openvino, split(recording, channels, JOINED)
        self.channels, self.precision = channels, precision
        self.lock = threading.Lock()
        self.shapes: set[tuple[int, ...]] = set()
        self.compiled = self.compile()
        self.request = self.compiled.create_infer_request()

    def compile(self) -> Any:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # torch's threads run in between
            "INFERENCE_PRECISION_HINT": TYPES[self.precision],
        }
        graph = _graph(self.openvino, self.recording, self.channels)
        return core().compile_model(graph, "CPU", settings)

    def __call__(self, x: Tensor) -> Tensor:
        with self.lock:
            if x.shape not in self.shapes and len(self.shapes) == SHAPES:
                self.shapes.clear()
                self.compiled = self.compile()
                self.request = self.compiled.create_infer_request()
            self.shapes.add(tuple(x.shape))
            picture = x.contiguous().numpy()  # borrowed by the request until the result is there
            self.request.set_input_tensor(0, self.openvino.Tensor(picture, shared_memory=True))
            # A tensor for each call, which the result is written into and which goes with it: the request's own would
            # have to be copied before the next tile overwrites it.
            result = self.openvino.Tensor(self.openvino.Type.f32, self.openvino.Shape([0, 0, 0, 0]))
            self.request.set_output_tensor(0, result)
            self.request.infer()
            if result.byte_size >= RELEASED and hasattr(self.compiled, "release_memory"):  # OpenVINO 2025.0 and newer
                self.compiled.release_memory()
        return torch.from_numpy(result.data)


def _graph(openvino: ModuleType, recording: Recording, channels: int) -> Any:
    ops = borrow(OPSET)
    table = _Table(ops)
    picture = ops.parameter(openvino.PartialShape([-1, channels, -1, -1]), np.float32)
    results: dict[int, Node] = {INPUT.place: picture}
    for place, step in enumerate(recording.operations):
        row = table.rows[step.function]
        results[place] = row(*replaced(step.arguments, results), **replaced(step.options, results))
    return openvino.Model([results[len(recording.operations) - 1]], [picture])


class _Table:
    """torch's functions in OpenVINO's operations, with the arguments of torch's."""

    def __init__(self, ops: ModuleType) -> None:
        self.ops = ops
        self.rows: dict[Callable[..., Any], Callable[..., Node]] = {
            F.conv2d: self.convolution,
            F.conv_transpose2d: self.transposed,
            F.prelu: lambda x, slopes: ops.prelu(x, self.constant(slopes)),
            F.leaky_relu: self.leaky_relu,
            F.relu: lambda x, inplace=False: ops.relu(x),
            torch.relu: ops.relu,
            torch.sigmoid: ops.sigmoid,
            F.selu: self.selu,
            torch.Tensor.add: lambda a, b: ops.add(self.constant(a), self.constant(b)),
            torch.Tensor.mul: lambda a, b: ops.multiply(self.constant(a), self.constant(b)),
            torch.Tensor.to: lambda x, dtype: x,  # the precision is the graph's
            torch.cat: lambda parts, dim: ops.concat(list(parts), dim),
            F.pixel_shuffle: lambda x, side: x if side == 1 else ops.depth_to_space(x, "depth_first", side),
            F.pixel_unshuffle: lambda x, side: x if side == 1 else ops.space_to_depth(x, "depth_first", side),
            F.interpolate: self.interpolate,
            cropped: self.cropped,
        }

    def constant(self, value: Any) -> Node:
        """A node of a tensor or number; a node stays as it is."""
        if isinstance(value, Tensor):
            return self.ops.constant(value.detach().float().contiguous().numpy())
        return self.ops.constant(np.float32(value)) if isinstance(value, int | float) else value

    def convolution(self, *arguments: Any, **options: Any) -> Node:
        conv = Convolution(*arguments, **options)
        if conv.groups != 1:
            raise TypeError(f"a convolution in {conv.groups} groups has no row here")
        stride, padding, dilation = (pair(side) for side in (conv.stride, conv.padding, conv.dilation))
        y = self.ops.convolution(conv.x, self.constant(conv.weight), stride, padding, padding, dilation)
        return self.biased(y, conv.bias)

    def transposed(self, x: Node, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Node:
        strides, paddings = pair(stride), pair(padding)
        kernel = self.constant(weight)
        y = self.ops.convolution_backprop_data(x, kernel, strides, None, paddings, paddings, [1, 1])
        return self.biased(y, bias)

    def biased(self, y: Node, bias: Tensor | None) -> Node:
        return y if bias is None else self.ops.add(y, self.constant(bias.view(1, -1, 1, 1)))

    def cropped(self, x: Node, pixels: int) -> Node:
        return self.ops.slice(x, [pixels, pixels], [-pixels, -pixels], [1, 1], [2, 3])

    def leaky_relu(self, x: Node, negative_slope: float = 0.01, inplace: bool = False) -> Node:
        return self.ops.prelu(x, self.ops.constant(np.array([negative_slope], np.float32)))

    def selu(self, x: Node, inplace: bool = False) -> Node:
        alpha, scale = SELU
        return self.ops.multiply(self.ops.elu(x, alpha), self.constant(scale))

    def interpolate(self, x: Node, **options: Any) -> Node:
        factor, mode = factor_of(**options)
        return self.ops.interpolate(
            x,
            self.ops.constant(np.array([factor, factor], np.float32)),
            INTERPOLATIONS[mode],
            "scales",
            coordinate_transformation_mode="asymmetric" if mode == "nearest" else "half_pixel",
            nearest_mode="floor",
            cube_coeff=CUBIC,
            axes=self.ops.constant(np.array([2, 3], np.int64)),
        )
