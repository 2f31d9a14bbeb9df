"""Weights of an ONNX file kept in 16 bits: half the download, computed in float32 all the same."""

from typing import Any

import numpy as np

LEAST = 64  # numbers of a tensor that is worth a node of its own


def halve_weights(onnx: Any, file: Any) -> None:
    """Store large float32 tensors of a model as float16, each followed by a Cast that runtimes compute once on loading.

    Tensors with values beyond float16's range stay as they are.

    Args:
        onnx: the library.
        file: its ModelProto, which is changed.
    """
    casts = []
    for tensor in file.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < LEAST:
            continue
        with np.errstate(over="ignore"):
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(half).all():
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *file.graph.node]  # in the order in which they can be computed
    del file.graph.node[:]
    file.graph.node.extend(nodes)
