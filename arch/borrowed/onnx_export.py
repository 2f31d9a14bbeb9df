"""Senga's networks as ONNX files: one graph from picture to result, checked against torch before it is kept.

Upscalers: `image` (batch, channels, height, width) in [0, 1] -> `upscaled`, scale times as large, in [0, 1]. Height and
width are multiples of the alignment; the border that the network needs around a picture is inside the graph.
Taggers: `image` (batch, 3, size, size) in [0, 1], RGB, already resized and padded to the square -> `probabilities`
(batch, tags); the normalisation and the order of the channels are inside the graph.
"""

import copy
import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engines.recording import record
from ..engines.unpadded import shrunk
from ..errors import SengaError, install
from ..files.atomic import replacing
from ..registry import BY_ID
from ..tagger import TaggerModel
from ..upscaler import UpscaleModel
from . import borrow
from .onnx_half import halve_weights

OPSET = 18  # the oldest that torch's exporter writes
TOLERANCE = 1e-4  # largest difference from torch
HALF_TOLERANCE = 1 / 255  # the same where weights are kept in 16 bits
LIBRARIES = ("onnx", "onnxscript", "onnxruntime")  # onnxscript is torch's, for its exporter
METADATA_KEY = "senga"  # the header, as in our safetensors
GRAPH_KEY = "senga_graph"  # what a program that tiles has to know, as JSON


class _Upscale(nn.Module):
    """UpscaleModel.__call__ in operations that every runtime has: the clamp is two ReLUs, since some lack Clip."""

    def __init__(self, model: UpscaleModel, border: bool) -> None:
        super().__init__()
        self.context = 0 if border else unpadded_context(model)
        self.net = copy.deepcopy(model.model).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.scale, self.border = model.scale, model.border if border else 0
        run, step = self.net, model.alignment
        if self.context:
            with torch.no_grad():
                run = shrunk(record(self.net, _sample(1, model.input_channels, step, step))[0], True)[0].run
        self.run = run
        # Below and right, after a border that is not a multiple of the alignment.
        self.rest = -2 * self.border % model.alignment

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2] * self.scale, image.shape[-1] * self.scale
        if self.border or self.rest:
            end = self.border + self.rest
            image = F.pad(image, (self.border, end, self.border, end), mode="replicate")
        y = self.run(image)
        if self.border or self.rest:
            begin = self.border * self.scale
            y = y[..., begin : begin + height, begin : begin + width]
        return 1 - torch.relu(1 - torch.relu(y))


def unpadded_context(model: UpscaleModel) -> int:
    """Pixels on each side of a picture that a graph without border needs: 0 where it pads what is missing."""
    return model.default_halo if min(model.default_halo, model.border) >= model.receptive_radius else 0


class _Tag(nn.Module):
    """TaggerModel.__call__ for pictures that have the network's size."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: TaggerModel) -> None:
        super().__init__()
        self.net = copy.deepcopy(model.model).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(model.preprocessing.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(model.preprocessing.std).view(1, 3, 1, 1))
        self.flip = model.preprocessing.order == "bgr"

    def forward(self, image: Tensor) -> Tensor:
        x = (image - self.mean) / self.std
        return self.net(x.flip(1) if self.flip else x).sigmoid()


def export_onnx(
    model: UpscaleModel | TaggerModel, path: Path, tile: int = 0, *, border: bool = True, half: bool = False
) -> float:
    """Write a model as one ONNX file, which appears only after onnxruntime gives torch's results with it.

    Args:
        model: one of Senga's networks, on any device.
        path: the file; it is replaced.
        tile: side of the only picture that the graph takes, for runtimes without dynamic shapes; 0 leaves batch,
            height and width open. Taggers have one size; for them it leaves only the batch open.
        border: the graph repeats the edge that the network needs around a picture. False is for programs that give
            each tile with its context, beyond the picture's edge too: the graph then computes nothing twice, and where
            the default halo is the network's radius, leaves out what it cannot know: up to `halo` pixels on each side.
        half: keep the weights in 16 bits; the results may then differ from torch's by one level of 255.

    Returns:
        The largest difference from torch, in values of 0 to 1.

    Raises:
        SengaError: a library is missing, the network is not one of Senga's, `tile` does not fit it, or the graph's
            results are not torch's.
        OSError: the file cannot be written.
    """
    if model.header.architecture not in BY_ID:
        raise SengaError(
            f"is a {model.header.architecture} network; only Senga's own can be exported: {', '.join(BY_ID)}"
        )
    onnx, runtime = _libraries()
    if isinstance(model, UpscaleModel):
        graph, output = _Upscale(model, border).eval(), "upscaled"
        samples = _pictures(model, tile, graph.context)
        shapes = None if tile else _open_sizes(model, graph.context)
    else:
        graph, output = _Tag(model).eval(), "probabilities"
        size = model.preprocessing.size
        if tile not in (0, size):
            raise SengaError(f"a tile of {tile} does not fit: the tagger takes pictures of {size}x{size}; leave it out")
        samples, shapes = [_sample(1, 3, size, size), _sample(2, 3, size, size)], {"image": {0: _dim("batch")}}
    with replacing(path) as temporary:
        _write(graph, samples[-1], temporary, output, shapes)
        _finish(onnx, temporary, model, tile, half)
        error = max(_difference(runtime, temporary, graph, sample) for sample in samples)
        tolerance = HALF_TOLERANCE if half else TOLERANCE
        if not error <= tolerance:
            raise SengaError(
                f"the ONNX graph differs from torch by {error:.2g} on a test picture; expected {tolerance:.2g} or less:"
                " nothing was written; another version of onnxruntime or onnxscript may be exact"
            )
    return error


def _libraries() -> tuple[Any, Any]:
    try:
        found = [borrow(library) for library in LIBRARIES]
    except ImportError as error:
        raise SengaError(
            f"exporting needs {', '.join(LIBRARIES)} ({error}); in Senga's folder, run: {install('export')}"
        ) from error
    return found[0], found[2]


def _pictures(model: UpscaleModel, tile: int, context: int) -> list[Tensor]:
    """Pictures to trace and to compare with: one of the tile, or two of other shapes."""
    step, channels = model.alignment, model.input_channels
    around = 2 * math.ceil(context / step) * step
    if tile:
        if tile % step or tile < around + step:
            least = f" from {around + step} on" if around else ""
            raise SengaError(f"a tile of {tile} does not fit: this network takes multiples of {step}{least}")
        return [_sample(1, channels, tile, tile)]
    return [
        _sample(1, channels, around + 15 * step, around + 23 * step),
        _sample(2, channels, around + 24 * step, around + 16 * step),
    ]


def _sample(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


def _open_sizes(model: UpscaleModel, context: int) -> dict[str, Any]:
    height, width = _dim("height", 2 * context + 1), _dim("width", 2 * context + 1)
    if model.alignment > 1:  # as many blocks of the alignment
        height, width = model.alignment * _dim("rows"), model.alignment * _dim("columns")
    return {"image": {0: _dim("batch"), 2: height, 3: width}}


def _dim(name: str, least: int = 1) -> Any:
    return torch.export.Dim(name, min=least)


def _write(graph: nn.Module, sample: Tensor, path: Path, output: str, shapes: dict[str, Any] | None) -> None:
    noisy = logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")
    levels = [logger.level for logger in noisy]
    try:
        for logger in noisy:
            logger.setLevel(logging.ERROR)
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own, about itself
            torch.onnx.export(
                graph,
                (sample,),
                str(path),
                input_names=["image"],
                output_names=[output],
                opset_version=OPSET,
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _finish(onnx: Any, path: Path, model: UpscaleModel | TaggerModel, tile: int, half: bool) -> None:
    """Check the graph, and put the header and what tiling needs into the file."""
    file = onnx.load(str(path))
    if clips := [node.name for node in file.graph.node if node.op_type == "Clip"]:
        raise SengaError(f"the graph has a Clip node ({clips[0]}), which GPU runtimes of browsers may not have")
    for i, side in enumerate(file.graph.output[0].type.tensor_type.shape.dim):
        if side.dim_param and not side.dim_param.isidentifier():  # a formula over the sizes of the input
            side.dim_param = ("batch", "channels", "upscaled_height", "upscaled_width")[i]
    entries = {METADATA_KEY: model.header.to_json(), GRAPH_KEY: json.dumps(_facts(model, tile), sort_keys=True)}
    onnx.helper.set_model_props(file, entries)
    if half:
        halve_weights(onnx, file)
    onnx.checker.check_model(file)
    onnx.save(file, str(path))


def _facts(model: UpscaleModel | TaggerModel, tile: int) -> dict[str, Any]:
    if isinstance(model, TaggerModel):
        return {"size": model.preprocessing.size}
    return {"scale": model.scale, "alignment": model.alignment, "halo": model.default_halo, "tile": tile}


def _difference(runtime: Any, path: Path, graph: nn.Module, sample: Tensor) -> float:
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {"image": sample.numpy()})[0])
    with torch.no_grad():
        expected = graph(sample)
    return float((found - expected).abs().max()) if found.shape == expected.shape else float("inf")
