"""Whatever goes wrong with an engine ends in the plain network."""

import logging
import math
import re

import pytest
import torch
from sample_engines import PREPARED, plain
from sample_upscalers import picture, small_model
from senga.arch import SengaError, upscale
from senga.arch.engines import engine


def failing(error: Exception):
    def prepare(net, sample, precision, surrounded):
        raise error

    return prepare


FAULTS = [
    (failing(ModuleNotFoundError("No module named 'openvino'")), "No module named"),
    (failing(ValueError("ncnn computes in fp32, not in bf16")), "not in bf16"),
    (failing(OSError("libopenvino.so: cannot open shared object file")), "cannot open"),
    (failing(RuntimeError("compile fails\nsecond line")), r"\(compile fails\)"),
    (failing(AttributeError("no operator _convolution_pointwise")), "no operator"),
    (failing(KeyError("an operation")), "an operation"),
    (lambda net, sample, *_: (lambda x: net(x) + 0.01, net(sample)), "differs from the network's by 0.01"),
    (lambda net, sample, *_: (lambda x: net(x) * float("nan"), net(sample)), "differs from the network's by nan"),
]


@pytest.mark.parametrize(("prepare", "words"), FAULTS, ids=[words for _, words in FAULTS])
@pytest.mark.parametrize("name", PREPARED)
def test_what_goes_wrong_ends_in_the_plain_network_and_one_line(monkeypatch, caplog, name, prepare, words):
    monkeypatch.setenv(engine.VARIABLE, name)
    monkeypatch.setitem(engine.PREPARE, name, prepare)
    model, image = small_model("compact"), picture(12, 12)
    with caplog.at_level(logging.WARNING, "senga"):
        found = [upscale(model, image, precision="fp32") for _ in range(2)]
    assert torch.equal(found[0], plain(monkeypatch, model, image, precision="fp32"))
    assert torch.equal(found[0], found[1])
    (line,) = caplog.messages
    assert re.search(words, line)


def refusing_wide_tiles(message: str):
    def prepare(net, sample, precision, surrounded):
        def run(x):
            if x.shape[-1] > 60:
                raise RuntimeError(message)
            return net(x)

        return run, net(sample)

    return prepare


def test_a_refused_tile_goes_on_in_the_plain_network(monkeypatch, caplog):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setitem(engine.PREPARE, "torch", refusing_wide_tiles("the shape is refused"))
    model, image = small_model("compact"), picture(12, 80)
    out = upscale(model, image, precision="fp32")
    assert torch.equal(out, plain(monkeypatch, model, image, precision="fp32"))
    assert "refused a picture of 88x20 pixels" in caplog.text


def test_running_out_of_memory_halves_the_tile_of_an_engine_too(monkeypatch, caplog):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    message = "DefaultCPUAllocator: can't allocate memory"
    monkeypatch.setitem(engine.PREPARE, "torch", refusing_wide_tiles(message))
    model, image = small_model("compact"), picture(12, 80)
    out = upscale(model, image, precision="fp32", halo=model.receptive_radius)
    assert (out - plain(monkeypatch, model, image, precision="fp32")).abs().max() <= 1e-5
    assert "refused" not in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_overflows_goes_on_in_float32_by_an_engine_of_that_precision(monkeypatch, value):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    asked = []

    def prepare(net, sample, precision, surrounded):
        asked.append(precision)
        overflows = precision == "bf16"
        return lambda x: net(x) + (value if overflows and x.shape[-1] > 50 else 0.0), net(sample)

    monkeypatch.setitem(engine.PREPARE, "torch", prepare)
    model, image = small_model("compact"), picture(12, 60)
    out = upscale(model, image, precision="bf16")
    assert asked == ["bf16", "fp32"]
    assert torch.equal(out, plain(monkeypatch, model, image, precision="fp32"))


def test_a_prepared_network_that_gives_inf_in_float32_is_refused(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "torch")

    def prepare(net, sample, precision, surrounded):
        return lambda x: net(x) + (math.inf if x.shape[-1] > 50 else 0.0), net(sample)

    monkeypatch.setitem(engine.PREPARE, "torch", prepare)
    with pytest.raises(SengaError, match=r"the network \(compact\) gives NaN or Inf"):
        upscale(small_model("compact"), picture(12, 60), precision="fp32")


def test_the_next_engine_runs_what_the_first_one_refuses(monkeypatch, caplog):
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    monkeypatch.setattr(engine, "is_there", lambda library: library == "ncnn")
    monkeypatch.setitem(engine.PREPARE, "ncnn", failing(KeyError("an operation")))
    model = small_model("compact")
    chosen = engine.choose(model, "fp32", 10**9)
    assert chosen.name == "torch"
    assert caplog.messages[0] == "ncnn is not used for this network ('an operation'); another engine runs it"


def test_a_tile_that_an_engine_has_no_memory_for_is_halved_before_it_is_tried(monkeypatch, caplog):
    monkeypatch.setenv(engine.VARIABLE, "ncnn")
    model, image = small_model("compact"), picture(12, 80)
    widths = []

    def prepare(net, sample, precision, surrounded):
        return lambda x: (widths.append(x.shape[-1]), net(x))[1], net(sample)

    monkeypatch.setitem(engine.PREPARE, "ncnn", prepare)
    held = engine.HOLDS["ncnn"]["compact"] * model.trunk_floats * 4
    monkeypatch.setattr(engine, "free_memory", lambda device: 60 * 20 * held)
    out = upscale(model, image, precision="fp32", tile=80, halo=model.receptive_radius)
    assert (out - plain(monkeypatch, model, image, precision="fp32")).abs().max() <= 1e-5
    assert 20 < max(widths[1:]) <= 60
    assert "not used" not in caplog.text
