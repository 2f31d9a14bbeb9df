"""Taggers as ONNX files, with random weights, in the layouts that published ones have: for benchmarks and tests.

Needs the onnx package.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]


class Graph:
    """A graph being written: each method adds a node and gives the name of its result."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def put(self, value: Array | NDArray[np.int64]) -> str:
        name = f"w{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def weights(self, *shape: int, spread: float = 0.02) -> str:
        return self.put(self.random.standard_normal(shape, dtype=np.float32) * np.float32(spread))

    def number(self, value: float) -> str:
        return self.put(np.array(value, np.float32))

    def shape(self, *sides: int) -> str:
        return self.put(np.array(sides, np.int64))

    def node(self, op: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        name = to or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def linear(self, x: str, ins: int, out: int, spread: float = 0.02) -> str:
        return self.node("Add", self.node("MatMul", x, self.weights(ins, out, spread=spread)), self.weights(out))

    def norm(self, x: str, width: int) -> str:
        return self.node("LayerNormalization", x, self.put(np.ones(width, np.float32)), self.weights(width), axis=-1)

    def gelu(self, x: str) -> str:
        inner = self.node("Erf", self.node("Mul", x, self.number(0.5**0.5)))
        return self.node("Mul", self.node("Mul", x, self.number(0.5)), self.node("Add", inner, self.number(1.0)))

    def block(self, x: str, width: int, heads: int, tokens: int) -> str:
        def split(y: str, order: list[int]) -> str:
            return self.node(
                "Transpose", self.node("Reshape", y, self.shape(-1, tokens, heads, width // heads)), perm=order
            )

        y = self.norm(x, width)
        q, k, v = (split(self.linear(y, width, width), order) for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = self.node("Mul", self.node("MatMul", q, k), self.number((width // heads) ** -0.5))
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        mixed = self.node("Reshape", self.node("Transpose", mixed, perm=[0, 2, 1, 3]), self.shape(-1, tokens, width))
        x = self.node("Add", x, self.linear(mixed, width, width))
        y = self.gelu(self.linear(self.norm(x, width), width, 4 * width))
        return self.node("Add", x, self.linear(y, 4 * width, width))


def write_onnx(
    path: Path,
    tags: int,
    *,
    size: int = 64,
    width: int = 32,
    depth: int = 1,
    heads: int = 2,
    patch: int = 16,
    channels_last: bool = True,
    sigmoid: bool = True,
    batch: int | str = "batch",
    refined: bool = False,
    any_size: bool = False,
    seed: int = 0,
) -> Path:
    """A small ViT (width 768, depth 12, heads 12, size 448 make it ViT-B). Gives the path.

    Args:
        channels_last: (batch, size, size, 3) of 0 to 255, as WD14's; else (batch, 3, size, size), normalised outside.
        sigmoid: the graph ends with it.
        batch: the first axis of the input: a name (dynamic) or a number.
        any_size: the graph does not say its size (it takes `size` alone, though).
        refined: a second output, of other values, follows the first; then a third, of integers (camie-tagger's).
    """
    g = Graph(seed)
    x = "input"
    if channels_last:
        x = self_normalised(g, x)
    x = g.node(
        "Conv",
        x,
        g.weights(width, 3, patch, patch),
        g.weights(width),
        kernel_shape=[patch, patch],
        strides=[patch, patch],
    )
    tokens = (size // patch) ** 2
    x = g.node("Transpose", g.node("Reshape", x, g.shape(-1, width, tokens)), perm=[0, 2, 1])
    x = g.node("Add", x, g.weights(1, tokens, width))
    for _ in range(depth):
        x = g.block(x, width, heads, tokens)
    pooled = g.node("ReduceMean", g.norm(x, width), axes=[1], keepdims=0)
    names = ["output", "refined"] if refined else ["output"]
    for name in names:  # spread out, so that tags and pictures differ
        logits = g.linear(pooled, width, tags, spread=4.0 / width**0.5)
        g.node("Sigmoid" if sigmoid else "Identity", logits, to=name)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, tags]) for name in names]
    if refined:
        g.node("TopK", names[0], g.shape(3), to="values")
        g.nodes[-1].output.append("candidates")
        outputs.append(helper.make_tensor_value_info("candidates", TensorProto.INT64, [batch, 3]))
    height, across = ("height", "width") if any_size else (size, size)
    sides = [batch, height, across, 3] if channels_last else [batch, 3, height, across]
    graph = helper.make_graph(
        g.nodes, "tagger", [helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)], outputs, g.tensors
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def self_normalised(g: Graph, x: str) -> str:
    """The first layers of a graph that takes levels of 0 to 255, channels last."""
    x = g.node("Transpose", x, perm=[0, 3, 1, 2])
    return g.node("Sub", g.node("Div", x, g.number(127.5)), g.number(1.0))
