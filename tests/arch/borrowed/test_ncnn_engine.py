"""ncnn by itself: its graph, its memory, and what it must not do to the process."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest
import torch
from repository import ROOT
from sample_engines import skip_without
from sample_upscalers import VARIANT_IDS, VARIANTS, small_model
from senga.arch.borrowed import ncnn_engine
from torch import nn
from torch.nn import functional as F


@pytest.fixture(autouse=True)
def there():
    skip_without("ncnn")


class Of(nn.Module):
    """A function as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize("surrounded", [False, True])
@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_ncnn_gives_the_networks_result_for_a_batch_of_any_size(name, extra, surrounded):
    """Asked directly: the engine's own check would quietly fall back to torch."""
    model = small_model(name, **extra)
    if surrounded and not 0 < model.receptive_radius <= model.border:
        return
    context, step = model.border if surrounded else 0, model.alignment
    generator = torch.Generator().manual_seed(1)
    sides = [-(-(side + 2 * context) // step) * step for side in (33, 41, 29, 37)]
    sample, x = (torch.rand(2, model.input_channels, *pair, generator=generator) for pair in (sides[:2], sides[2:]))
    net, expected = ncnn_engine.prepare(model.model, sample[:1], "fp32", surrounded)
    begin, end = context * model.scale, -context * model.scale or None
    inside = (..., slice(begin, end), slice(begin, end))
    assert (net(sample[:1]) - expected)[inside].abs().max() <= 2e-5
    assert (net(x) - model.model(x))[inside].abs().max() <= 2e-5


REFUSED = [
    (torch.sin, KeyError),
    (lambda x: F.conv2d(x, torch.rand(3, 1, 3, 3), None, 1, 1, 1, 3), TypeError),
    (lambda x: torch.cat([x, x], dim=2), TypeError),
    (lambda x: F.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=True), TypeError),
    (lambda x: torch.Tensor.add(x, torch.rand(1, 3, 1, 1)), TypeError),
]


@pytest.mark.parametrize(("function", "error"), REFUSED, ids=["sine", "groups", "rows", "corners", "constant"])
def test_an_operation_without_a_row_is_refused(function, error):
    with pytest.raises(error):
        ncnn_engine.prepare(Of(function), torch.rand(1, 3, 8, 8), "fp32")


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="in fp32, not in bf16"):
        ncnn_engine.prepare(small_model("compact").model, torch.rand(1, 3, 8, 8), "bf16")


def test_nothing_is_rounded_to_fewer_bits(monkeypatch):
    nets = []
    real = ncnn_engine._Loaded
    monkeypatch.setattr(ncnn_engine, "_Loaded", lambda *a: (nets.append(real(*a)), nets[-1])[1])
    ncnn_engine.prepare(small_model("compact").model, torch.rand(1, 3, 8, 8), "fp32")
    options = nets[0].net.opt
    names = [name for name in dir(options) if name.startswith("use_") and ("fp16" in name or "bf16" in name)]
    assert names
    assert not any(getattr(options, name) for name in names)
    assert not options.use_vulkan_compute


def test_a_graph_that_ncnn_does_not_know_is_refused(monkeypatch):
    real = ncnn_engine.graph_of

    def changed(recording):
        graph = real(recording)
        monkeypatch.setattr(graph, "text", lambda: "7767517\n1 1\nNothing layer0 0 1 picture\n", raising=False)
        return graph

    monkeypatch.setattr(ncnn_engine, "graph_of", changed)
    with pytest.raises(RuntimeError, match="ncnn refuses the graph"):
        ncnn_engine.prepare(small_model("compact").model, torch.rand(1, 3, 8, 8), "fp32")


def test_results_stay_when_others_are_computed_and_the_memory_is_shared():
    models = [small_model("compact"), small_model("drrn"), small_model("rrdb", scale=2)]
    nets = [ncnn_engine.prepare(model.model, torch.rand(1, 3, 8, 8), "fp32")[0] for model in models]
    pictures = [torch.rand(1, 3, side, 12) for side in (8, 8, 30, 28, 10)]
    with torch.inference_mode():
        results = [net(x) for x in pictures for net in nets]
        expected = [model.model(x) for x in pictures for model in models]
    for y, z in zip(results, expected, strict=True):
        assert (y - z).abs().max() <= 1e-5


def test_threads_share_the_memory_one_after_another():
    models = [small_model("compact"), small_model("drrn")]
    x = torch.rand(1, 3, 20, 24)
    nets = [ncnn_engine.prepare(model.model, x, "fp32")[0] for model in models]
    expected = [model.model(x).detach() for model in models]
    worst = [1.0, 1.0]

    def work(i: int) -> None:
        with torch.inference_mode():
            worst[i] = max(float((nets[i](x) - expected[i]).abs().max()) for _ in range(20))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(worst) <= 1e-5


def test_memory_is_kept_for_pictures_of_about_the_same_size():
    cleared = []

    class Allocator:
        def clear(self) -> None:
            cleared.append(self)

    pool = ncnn_engine._Pool((Allocator(), Allocator()))
    counts = []
    for of, pixels in ((1, 100), (1, 100), (1, 81), (1, 100), (1, 79), (1, 100), (2, 100), (2, 90), (1, 90)):
        pool.fit(of, pixels)
        counts.append(len(cleared) // 2)
    assert counts == [1, 1, 1, 1, 2, 3, 4, 4, 5]


def own_openmp(environment: dict[str, str]) -> list[str]:
    """What a process prints after it has loaded torch, then ncnn."""
    code = f"""
import ctypes, os, runpy, sys
sys.path[:0] = {sys.path!r}
import torch
runpy.run_path({str(ROOT / "tests/conftest.py")!r})  # loads this package, whichever is installed
from senga.arch.borrowed import ncnn_engine
flags, before = sys.getdlopenflags(), dict(os.environ)
ncnn = ncnn_engine.load()
print(flags == sys.getdlopenflags() and before == dict(os.environ))
torchs = ctypes.CDLL(None).omp_get_max_threads
torchs.restype = ctypes.c_int
ncnn.set_omp_num_threads(torchs() + 5)
print(torchs())
"""
    clean = {key: value for key, value in os.environ.items() if key not in (*ncnn_engine.WAITING, "LD_PRELOAD")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=clean | {"OMP_NUM_THREADS": "1"} | environment,
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="libraries are bound in another way")
def test_ncnns_threads_are_not_torchs_and_the_environment_stays():
    """torch's wait by spinning; ncnn's sleep. Both have a count of threads of their own."""
    if not hasattr(ctypes.CDLL(None), "omp_get_max_threads"):
        pytest.skip("torch shares its OpenMP with nobody here")
    for environment in ({}, {"OMP_WAIT_POLICY": "active"}):
        assert own_openmp(environment)[0] == "True"
    assert own_openmp({})[1] == "1"
