"""OpenVINO by itself: its graph, its sizes, and what it must not do to the process."""

import subprocess
import sys

import pytest
import torch
from repository import ROOT
from sample_engines import skip_without_openvino
from sample_upscalers import small_model
from senga.arch.borrowed import openvino_engine
from torch import nn


@pytest.mark.skipif(sys.platform == "win32", reason="signals have no stacks of their own there")
def test_a_signal_is_survived_when_openvino_engines_are_gone():
    """In a process of its own, since a freed signal stack would end it."""
    skip_without_openvino()
    code = f"""
import gc, runpy, signal, sys
sys.path[:0] = {sys.path!r}
runpy.run_path({str(ROOT / "tests/conftest.py")!r})  # loads this package, whichever is installed
import torch
from sample_upscalers import small_model
from senga.arch.borrowed import openvino_engine
model, x = small_model("compact"), torch.rand(1, 3, 16, 16)
nets = [openvino_engine.prepare(model.model, x, "fp32")[0] for _ in range(3)]
while nets:
    nets.pop(0)(x)
    gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
signal.raise_signal(signal.SIGUSR1)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "handled\n"), ended.stderr


def test_an_operation_without_a_row_is_refused():
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sin(x)

    skip_without_openvino()
    with pytest.raises(KeyError):
        openvino_engine.prepare(Odd(), torch.rand(1, 3, 8, 8), "fp32")


def test_openvino_is_imported_without_its_telemetry():
    skip_without_openvino()
    assert sys.modules.get(openvino_engine.TELEMETRY) is None
    assert "openvino_telemetry.main" not in sys.modules


def test_the_graph_is_compiled_anew_after_many_sizes(monkeypatch):
    skip_without_openvino()
    monkeypatch.setattr(openvino_engine, "SHAPES", 3)
    model = small_model("compact")
    net, _ = openvino_engine.prepare(model.model, torch.rand(1, 3, 8, 8), "fp32")
    requests = []
    assert isinstance(net, openvino_engine._Compiled)
    for side in (8, 9, 10, 11, 12, 8):
        x = torch.rand(1, 3, side, side)
        assert (net(x) - model.model(x)).abs().max() <= 1e-4
        requests.append(net.request)
    assert [request is requests[0] for request in requests] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("released", [1, 2**40])
def test_a_result_stays_when_the_next_one_is_computed_or_the_memory_is_given_back(monkeypatch, released):
    skip_without_openvino()
    monkeypatch.setattr(openvino_engine, "RELEASED", released)
    model = small_model("rrdb", scale=2)
    net, _ = openvino_engine.prepare(model.model, torch.rand(1, 3, 8, 8), "fp32")
    pictures = [torch.rand(1, 3, side, 12) for side in (8, 8, 16)]
    with torch.inference_mode():
        results = [net(x) for x in pictures]
        for x, y in zip(pictures, results, strict=True):
            assert (y - model.model(x)).abs().max() <= 1e-4


@pytest.mark.parametrize("surrounded", [False, True])
def test_in_bfloat16_the_enlarged_picture_is_added_in_float32(surrounded):
    """Asked directly: the engine's own check would quietly fall back to torch."""
    skip_without_openvino()
    model = small_model("compact", scale=2)
    x = torch.rand(1, 3, 24, 28, generator=torch.Generator().manual_seed(1))
    net, expected = openvino_engine.prepare(model.model, x, "bf16", surrounded)
    inside = (..., *[slice(2 * model.border, -2 * model.border)] * 2)
    assert (net(x)[inside] - expected[inside]).abs().max() <= 0.02
