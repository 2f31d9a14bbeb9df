"""A network prepared for ncnn on a CPU: the recorded operations as a graph of its own, for pictures of any size.

ncnn computes 3x3 convolutions by Winograd's method (Winograd 1980, Lavin and Gray 2016), with up to 5 times fewer
multiplications than a direct convolution; oneDNN and OpenVINO compute them directly. Everything is float32: rounding
grows by Winograd's transforms to about 1e-5. Graph and weights are made in memory, and Vulkan is off.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..engines.folding import folded, with_base, without_base
from ..engines.recording import INPUT, Recording, record
from ..engines.tail import in_parts
from ..engines.unpadded import framed, shrunk
from ..precision import DTYPES
from . import borrow
from .ncnn_graph import graph_of, name_of

FAILED_ALLOCATION = -100  # ncnn's code
WAITING = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"  # environment variables: how OpenMP's threads wait for each other
# Bytes that a run holds for each byte of the activations alive at the network's own peak (trunk_floats), by
# architecture. Winograd's transformed input alone is 2.25 times a convolution's input; RRDB's dense blocks join copies.
# Measured are 2.9 to 3.4 for Compact, 2.5 for ESPCN, 2.2 for DCSCN, 3.3 for DRRN and 12 for RRDB.
HOLDS = {"compact": 3.5, "espcn_7": 2.7, "dcscn": 2.7, "drrn": 3.5, "rrdb": 13.0}
LARGEST = 12 * 2**20  # bytes of a tail's largest value in a strip, which needs nine times as much beside it
FITTING = 0.8  # share of the largest picture from which a smaller one finds fitting blocks of memory (ncnn's is 0.75)
OFF = (  # what would round numbers to 16 bits or 8, and the GPU
    "use_vulkan_compute",
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_int8_inference",
)
_numbers = count(1)


def load() -> ModuleType:
    """ncnn with an OpenMP of its own, whose threads sleep while they wait. Raises ImportError or OSError.

    GNU's OpenMP reads the environment when it is loaded, and lets threads spin by default: a picture takes twice the
    processor's time, and much longer where another program has one of the cores. ncnn's wheel brings its own copy, but
    torch has loaded one for everybody, whose settings stay as they are: RTLD_DEEPBIND gives ncnn its own. It is not
    used beside a preloaded allocator, which it would hide. What the environment says about waiting comes first.
    """
    if "ncnn" in sys.modules or any(name in os.environ for name in WAITING):
        return borrow("ncnn")
    own = hasattr(os, "RTLD_DEEPBIND") and "LD_PRELOAD" not in os.environ
    flags = sys.getdlopenflags() if own else 0
    os.environ[WAITING[0]] = "passive"
    try:
        if own:
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        return borrow("ncnn")
    finally:
        del os.environ[WAITING[0]]
        if own:
            sys.setdlopenflags(flags)


@dataclass
class _Pool:
    """The process's memory for runs, which the next run finds mapped: fresh pages take a sixth to a third longer.

    One for all networks, and one run at a time: it holds what one run needs.
    """

    allocators: tuple[Any, Any]  # of values, and of what a layer needs by itself
    lock: threading.Lock = field(default_factory=threading.Lock)
    of: int = 0  # the network that filled it
    most: int = 0  # pixels of its largest picture

    def fit(self, of: int, pixels: int) -> None:
        """Give the memory back, unless a picture of so many pixels fits into what is there."""
        if of == self.of and FITTING * self.most <= pixels <= self.most:
            return
        self.clear()
        self.of, self.most = of, pixels

    def clear(self) -> None:
        self.of = self.most = 0
        for allocator in self.allocators:
            allocator.clear()


@cache
def pool() -> _Pool:
    ncnn = load()
    return _Pool((ncnn.PoolAllocator(), ncnn.PoolAllocator()))


def prepare(
    net: nn.Module, sample: Tensor, precision: str, surrounded: bool = False
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """As `torch_engine.prepare`, by ncnn, in "fp32" alone.

    Raises:
        ImportError, OSError: ncnn cannot be imported.
        KeyError, TypeError: the network does something that has no row in the table below.
        RuntimeError: ncnn refuses the graph.
        ValueError: another precision.
    """
    if precision != "fp32":
        raise ValueError(f"ncnn computes in fp32, not in {precision}")
    ncnn = load()
    recording, expected = record(net, sample)
    # torch enlarges the picture that is added at the end: without it, more networks need no padding.
    recording, base = without_base(folded(recording, precision))
    recording, frame = shrunk(recording, surrounded)
    run = in_parts(recording, sample.shape[1], DTYPES[precision].itemsize, lambda part, _: _Loaded(ncnn, part), LARGEST)
    run = framed(run, frame)
    return with_base(run, base), expected


class _Loaded:
    """A graph in ncnn, called with (B, C, H, W)."""

    def __init__(self, ncnn: ModuleType, recording: Recording) -> None:
        self.ncnn = ncnn
        graph = graph_of(recording)
        self.result = graph.result
        self.net = ncnn.Net()
        for name in OFF:
            if hasattr(self.net.opt, name):
                setattr(self.net.opt, name, False)
        self.net.opt.num_threads = torch.get_num_threads()
        self.net.opt.openmp_blocktime = 0  # as OMP_WAIT_POLICY, for LLVM's OpenMP
        self.number = next(_numbers)
        for code in (
            self.net.load_param_mem(graph.text()),
            self.net.load_model(_reader(ncnn, b"".join(graph.weights))),
        ):
            if code:
                raise RuntimeError(f"ncnn refuses the graph with code {code}")

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor | None = None
        for i, picture in enumerate(x.contiguous().numpy()):
            one = self.run(picture)
            if len(x) == 1:
                return one[None]
            result = torch.empty((len(x), *one.shape)) if result is None else result
            result[i] = one
        assert result is not None
        return result

    def run(self, picture: np.ndarray) -> Tensor:
        """(C, H, W) -> the same."""
        memory = pool()
        with memory.lock:
            memory.fit(self.number, picture[0].size)
            code, result = self.extracted(picture, memory)
            copied = None if code else np.array(result)
            del result  # it is the pool's
            if copied is not None:
                return torch.from_numpy(copied)
            memory.clear()
        if code == FAILED_ALLOCATION:
            raise RuntimeError("ncnn is out of memory")
        raise RuntimeError(f"ncnn gives up with code {code}")

    def extracted(self, picture: np.ndarray, memory: _Pool) -> tuple[int, Any]:
        extractor = self.net.create_extractor()
        values, workspace = memory.allocators
        extractor.set_blob_allocator(values)
        extractor.set_workspace_allocator(workspace)
        if code := extractor.input(name_of(INPUT), self.ncnn.Mat(picture)):  # borrowed until the result is there
            return code, None
        return extractor.extract(self.result)


def _reader(ncnn: ModuleType, numbers: bytes) -> Any:
    """What Net.load_model reads from. ncnn copies: its `load_model_mem` would keep pointing at what Python frees."""
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

    class Reader(ncnn.DataReader):
        def __init__(self) -> None:
            super().__init__()
            self.at = 0

        def read(self, target: Any, size: int) -> int:
            part = numbers[self.at : self.at + size]
            ctypes.memmove(address(target, None), part, len(part))
            self.at += len(part)
            return len(part)

    return Reader()
