"""What runs an upscaler's network: plain torch, prepared torch, ncnn or OpenVINO. Chosen once per `upscale`.

A prepared network is kept for the process, as long as its model lives and its weights stay what they are. Whatever goes
wrong with one (a library that is missing, a graph that does not compile, a result that is not the plain network's) ends
in the plain network and one line in the log.
"""

import logging
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..borrowed import is_there, ncnn_engine, openvino_engine
from ..errors import SengaError
from ..memory import BYTES_PER_FLOAT, free_memory
from ..precision import autocast, pick_precision
from ..registry import BY_ID
from ..tiling import is_out_of_memory
from ..upscaler import UpscaleModel
from . import torch_engine

logger = logging.getLogger("senga.engine")  # a part of "senga", which commands show with --verbose alone

VARIABLE = "SENGA_ENGINE"  # the environment variable by which users choose
ENGINES = ("auto", "ncnn", "openvino", "torch", "plain")
LABELS = {"ncnn": "ncnn", "openvino": "OpenVINO", "torch": "torch, prepared", "plain": "torch"}
# In the order in which they are tried.
PREPARE = {"ncnn": ncnn_engine.prepare, "openvino": openvino_engine.prepare, "torch": torch_engine.prepare}
# Bytes that a run holds for each byte of a network's activations, by architecture; 1 for what has no row.
HOLDS = {"ncnn": ncnn_engine.HOLDS}
# Multiplications of a frame, in multiples of 10^9, from which preparing is worth it: the network's weights times the
# input pixels. Importing OpenVINO and compiling take about a second, once for the process; ncnn takes as long as torch.
# A frame alone counts, not what ran before or runs beside it: engines differ in rounding, and a result must not depend
# on its company.
WORTH = {
    "ncnn": {"fp32": 2},
    "openvino": {"fp32": 50, "bf16": 400},
    "torch": {"fp32": 2, "bf16": 2},
}
# Architectures that run on an engine only where the user asks for it: an RRDB's memory leaves ncnn small tiles, whose
# context takes what the engine gains.
ASKED = {"ncnn": ("rrdb",)}
TOLERANCES = {"fp32": 1e-4, "bf16": 0.05}  # largest difference from the plain network in float32 on the sample
SAMPLE = 32, 40  # its height and width in pixels, without its context
KEPT = 4  # networks that stay prepared

# What a missing or broken library, a graph that is refused and an unknown operation raise.
FAILURES = (ImportError, OSError, RuntimeError, AttributeError, LookupError, TypeError, ValueError)

Net = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Engine:
    """`run` has the contract of UpscaleModel.bare."""

    name: str
    precision: str
    run: Callable[[Tensor], Tensor]
    holds: float = 1.0  # bytes in a run for each byte of the network's activations

    @property
    def label(self) -> str:
        return f"{LABELS[self.name]} in {self.precision}"


@dataclass
class _Kept:
    """What is known about a network."""

    state: tuple[object, ...] = ()  # of its weights when it was prepared
    prepared: dict[tuple[str, str], Net | None] = field(default_factory=dict)  # None: refused
    logged: str = ""

    def refresh(self, state: tuple[object, ...]) -> None:
        """Forget what was prepared from other weights."""
        if state != self.state:
            self.prepared.clear()
            self.state = state


_kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()
_lock = threading.Lock()


def choose(model: Any, precision: str, pixels: int) -> Engine:
    """The engine for a call of `upscale`; says in the log which one, where that is news.

    Args:
        model: what `upscale` takes. Only Senga's own networks on a CPU, with float32 weights, are ever prepared.
        precision: "fp32", "bf16" or "fp16".
        pixels: input pixels of a frame, over all passes.

    Raises:
        SengaError: the environment variable SENGA_ENGINE has an unknown value.
    """
    asked = asked_for()
    plain = Engine("plain", precision, getattr(model, "bare", model))
    if not _can_be_prepared(model, precision):
        return plain
    with _lock:
        kept = _kept.pop(model.model, None) or _Kept()
        _kept[model.model] = kept  # the newest at the end
        work = pixels * sum(weight.numel() for weight in model.model.parameters()) / 1e9
        names = _wanted(asked, model.header.architecture, precision, work)
        if names:
            kept.refresh(_state(model.model))
        engine = next(filter(None, (_prepared(model, kept, name, precision) for name in names)), plain)
        for oldest in [net for net, of in _kept.items() if of.prepared][:-KEPT]:
            _kept[oldest].prepared.clear()
    if engine.label != kept.logged:
        level = logging.DEBUG if engine.name == "plain" else logging.INFO
        logger.log(level, "%s x%d runs on %s", model.header.architecture, model.scale, engine.label)
        kept.logged = engine.label
    return engine


def asked_for() -> str:
    """What the user asks for. Raises SengaError for an unknown name."""
    asked = os.environ.get(VARIABLE) or "auto"
    if asked not in ENGINES:
        raise SengaError(f"{VARIABLE} is {asked!r} in the environment; expected one of {', '.join(ENGINES)}")
    return asked


def summary(device: torch.device) -> str:
    """One sentence: which engine large jobs of Senga's upscalers use on a device, as far as is known without trying."""
    asked, precision = asked_for(), pick_precision("auto", device, half=True, bf16=True)
    name = "plain"
    if device.type == "cpu":
        wanted = _wanted(asked, "", precision, math.inf)
        name = next((engine for engine in wanted if _possible(engine, precision)), name)
    return f"Senga's upscalers use {LABELS[name]} in {precision} on {device}; small jobs use plain torch"


def _can_be_prepared(model: Any, precision: str) -> bool:
    own = isinstance(model, UpscaleModel) and model.header.architecture in BY_ID
    return own and precision in TOLERANCES and model.device.type == "cpu" and model.dtype == torch.float32


def _wanted(asked: str, architecture: str, precision: str, work: float) -> list[str]:
    """Engines to try in their order, for a frame of so many 10^9 multiplications."""
    if asked == "plain":
        return []
    worth = [
        name
        for name in PREPARE
        if _possible(name, precision) and work >= WORTH[name][precision] and architecture not in ASKED.get(name, ())
    ]
    return worth if asked == "auto" else list(dict.fromkeys([asked, *(name for name in worth if name == "torch")]))


def _possible(name: str, precision: str) -> bool:
    return precision in WORTH[name] and (name == "torch" or is_there(name))


def _prepared(model: UpscaleModel, kept: _Kept, name: str, precision: str) -> Engine | None:
    """The engine of this name, where it gives what the network gives."""
    key = name, precision
    if key not in kept.prepared:
        kept.prepared[key] = _checked(model, name, precision)
    if kept.prepared[key] is None:
        return None

    holds = HOLDS.get(name, {}).get(model.header.architecture, 1.0)

    def run(image: Tensor) -> Tensor:
        _check_memory(model, holds, image)
        net = kept.prepared.get(key)
        if net is not None:
            try:
                with autocast(image.device, "fp32"):  # the precision is inside
                    return model.through(net, image)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                kept.prepared[key] = None
                _log_refusal(name, f"it refused a picture of {image.shape[-1]}x{image.shape[-2]} pixels: {error}")
        return model.bare(image)

    return Engine(name, precision, run, holds)


def _check_memory(model: UpscaleModel, holds: float, image: Tensor) -> None:
    """Raises MemoryError, so that tiles get smaller, where an engine holds more than the memory has: it would crash."""
    if holds > 1:
        frame = image.shape[-1] * image.shape[-2]  # a batch goes through frame by frame
        if frame * model.trunk_floats * BYTES_PER_FLOAT * holds > free_memory(model.device):
            raise MemoryError(f"the memory is too small for a tile of {image.shape[-1]}x{image.shape[-2]} pixels")


def _state(net: nn.Module) -> tuple[object, ...]:
    """Where a network's weights are, and what they are: changes when they are moved or written to."""
    return tuple((w.data_ptr(), w.dtype, int(w.view(torch.int32).sum())) for w in net.parameters())


def _checked(model: UpscaleModel, name: str, precision: str) -> Net | None:
    # Pixels of the sample whose results are cut off wherever the network runs, see Run.process.
    context = model.border if model.border >= model.receptive_radius else 0
    step = model.alignment
    sides = (math.ceil((side + 2 * context) / step) * step for side in SAMPLE)
    sample = torch.rand(1, model.input_channels, *sides, generator=torch.Generator().manual_seed(3))
    try:
        net, expected = PREPARE[name](model.model, sample, precision, context > 0)
        with torch.no_grad(), autocast(sample.device, "fp32"):
            difference = net(sample).float() - expected
            begin, end = context * model.scale, -context * model.scale or None
            difference = float(difference[..., begin:end, begin:end].abs().max())
    except FAILURES as error:
        _log_refusal(name, str(error) or type(error).__name__)
        return None
    if not difference <= TOLERANCES[precision]:
        _log_refusal(name, f"its result differs from the network's by {difference:.2g} on a sample")
        return None
    return net


def _log_refusal(name: str, reason: str) -> None:
    first = reason.strip().splitlines()[0] if reason.strip() else "no reason given"
    logger.warning("%s is not used for this network (%s); another engine runs it", LABELS[name], first)
