"""Engines give the network's own picture; which one runs, and how long it is kept."""

import gc
import logging

import pytest
import torch
from sample_engines import PREPARED, plain, skip_without
from sample_upscalers import VARIANT_IDS, VARIANTS, picture, small_model
from senga.arch import SengaError, passes, upscale
from senga.arch.borrowed import ncnn_engine
from senga.arch.engines import engine, torch_engine
from senga.arch.engines.folding import folded
from senga.arch.engines.recording import record
from senga.arch.memory import BUDGET
from senga.arch.passes import Run
from senga.arch.spec import ModelSpec
from senga.arch.upscaler import UpscaleModel
from torch.nn import functional as F


@pytest.fixture(params=PREPARED)
def prepared(request, monkeypatch):
    skip_without(request.param)
    monkeypatch.setenv(engine.VARIABLE, request.param)
    return request.param


@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_engines_give_the_networks_picture(prepared, monkeypatch, name, extra):
    """Tiled, so that windows of several sizes go through."""
    model, image = small_model(name, **extra), picture(41, 58)
    whole = plain(monkeypatch, model, image, precision="fp32")
    tiled = upscale(model, image, tile=32, halo=model.receptive_radius, precision="fp32")
    assert engine.choose(model, "fp32", 1).name == prepared
    assert (tiled - whole).abs().max() <= 1e-4
    assert whole.std() > 0.01


def test_a_networks_units_are_prepared_apart(prepared, monkeypatch):
    whole, image = small_model("drrn"), picture(20, 24)
    short = whole.with_units(1)
    expected = {model: plain(monkeypatch, model, image, precision="fp32") for model in (whole, short)}
    assert (expected[whole] - expected[short]).abs().max() > 0.005
    for model in (whole, short, whole, short):
        assert (upscale(model, image, precision="fp32") - expected[model]).abs().max() <= 1e-4


def test_engines_take_grey_alpha_batches_and_flips(prepared, monkeypatch):
    model = small_model("rrdb", scale=2)
    for channels in (1, 4):
        image = picture(9, 14, channels, frames=2)
        expected = plain(monkeypatch, model, image, self_ensemble=True)
        assert (upscale(model, image, self_ensemble=True) - expected).abs().max() <= 1e-4
    grey = small_model("compact", channels=1)
    image = picture(9, 14)
    assert (upscale(grey, image) - plain(monkeypatch, grey, image)).abs().max() <= 1e-4


@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_bfloat16_of_an_engine_is_as_near_as_autocasts(prepared, monkeypatch, name, extra):
    model, image = small_model(name, **extra), picture(20, 24)
    exact = plain(monkeypatch, model, image, precision="fp32")
    usual = (plain(monkeypatch, model, image, precision="bf16") - exact).abs().max()
    assert (upscale(model, image, precision="bf16") - exact).abs().max() <= 2 * usual + 1e-3


def test_the_arithmetic_is_that_of_autocast(monkeypatch):
    """Inside, bfloat16; what the network keeps in full precision, and the picture, float32."""
    model = small_model("compact")
    net, _ = torch_engine.prepare(model.model, torch.rand(1, 3, 32, 32), "bf16")
    seen = []
    with monkeypatch.context() as patch:
        called = torch_engine.PackedConvolution.__call__
        patch.setattr(
            torch_engine.PackedConvolution,
            "__call__",
            lambda self, x, *more: (seen.append(self.dtype), called(self, x, *more))[1],
        )
        assert net(torch.rand(1, 3, 16, 16)).dtype == torch.float32
    assert seen == [torch.bfloat16] * 3 + [torch.float32]


def test_a_doubling_before_a_convolution_is_folded_into_it():
    model = small_model("rrdb", scale=4)
    recording, _ = record(model.model, torch.rand(1, 3, 16, 16))
    less = folded(recording, "fp32")
    functions = [step.function for step in less.operations]
    assert F.interpolate in [step.function for step in recording.operations]
    assert F.interpolate not in functions
    assert functions.count(F.conv_transpose2d) == 2
    x = torch.rand(1, 3, 11, 13)
    assert (less.run(x) - model.model(x)).abs().max() <= 1e-5


def test_small_frames_are_not_worth_preparing(monkeypatch):
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    model = small_model("compact")
    weights = sum(weight.numel() for weight in model.model.parameters())

    def name(there: str, multiplications: float, precision: str = "fp32") -> str:
        monkeypatch.setattr(engine, "is_there", lambda library: library == there)
        return engine.choose(model, precision, int(multiplications * 1e9 / weights)).name

    for precision, worth in engine.WORTH["openvino"].items():
        assert name("", 0.9 * engine.WORTH["torch"][precision], precision) == "plain"
        assert name("openvino", 0.9 * worth, precision) == "torch"
        assert name("", 1.1 * worth, precision) == "torch"
    assert name("ncnn", 0.9 * engine.WORTH["ncnn"]["fp32"]) == "plain"
    skip_without("openvino")
    assert name("openvino", 1.1 * engine.WORTH["openvino"]["fp32"]) == "openvino"
    skip_without("ncnn")
    assert name("ncnn", 1.1 * engine.WORTH["ncnn"]["fp32"]) == "ncnn"


def of_large_frames(monkeypatch, model, *there: str, precision: str = "fp32") -> str:
    monkeypatch.setattr(engine, "is_there", lambda library: library in there)
    return engine.choose(model, precision, 10**9).name


def test_a_large_frame_runs_on_the_quickest_engine_that_is_there(monkeypatch):
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    skip_without("ncnn")
    skip_without("openvino")
    model = small_model("compact")
    assert of_large_frames(monkeypatch, model, "ncnn", "openvino") == "ncnn"
    assert of_large_frames(monkeypatch, model, "openvino") == "openvino"
    assert of_large_frames(monkeypatch, model) == "torch"
    assert of_large_frames(monkeypatch, model, "ncnn", precision="bf16") == "torch"
    assert of_large_frames(monkeypatch, model, "ncnn", "openvino", precision="bf16") == "openvino"


def test_a_network_that_ncnn_does_not_gain_by_runs_there_when_asked_alone(monkeypatch):
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    skip_without("ncnn")
    skip_without("openvino")
    model = small_model("rrdb", scale=2)
    assert of_large_frames(monkeypatch, model, "ncnn", "openvino") == "openvino"
    assert of_large_frames(monkeypatch, model, "ncnn") == "torch"
    monkeypatch.setenv(engine.VARIABLE, "ncnn")
    assert of_large_frames(monkeypatch, model, "ncnn") == "ncnn"


def test_the_choice_of_tiles_knows_what_an_engine_holds(monkeypatch):
    """A frame of 2048 pixels on a side, by the shipped default's own size."""
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    skip_without("ncnn")
    seen = {}
    for name in ("ncnn", "torch"):
        monkeypatch.setenv(engine.VARIABLE, name)
        model = UpscaleModel.create("compact")
        spec = ModelSpec.of(model)
        run = Run(model, spec, "fp32", engine.choose(model, "fp32", 2048**2), 2048**2, 18, 0, False, 1, None, None)
        monkeypatch.setattr(passes, "WORTH", 0)  # tiles as large as the memory allows
        grid = run.grid(2048, 2048, 0)
        window = (grid.tile + 2 * grid.halo) * ((grid.wide or grid.tile) + 2 * grid.halo)
        seen[name] = window * spec.trunk_floats * 4
    assert seen["ncnn"] <= BUDGET / ncnn_engine.HOLDS["compact"] < seen["torch"] <= BUDGET
    assert seen["ncnn"] >= 0.5 * BUDGET / ncnn_engine.HOLDS["compact"]


def test_a_picture_alone_and_in_a_large_batch_runs_by_the_same_engine(monkeypatch):
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    monkeypatch.setitem(engine.WORTH, "torch", {"fp32": 1e-3})  # more than a frame, less than the batch
    model, batch = small_model("compact"), picture(16, 16, frames=20)
    out = upscale(model, batch, precision="fp32")
    for i in (0, 19):
        assert torch.equal(out[i : i + 1], upscale(model, batch[i : i + 1], precision="fp32"))
    assert engine.choose(model, "fp32", 20 * 16 * 16).name == "torch"


def test_the_log_says_once_what_runs(monkeypatch, caplog):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    model = small_model("compact")
    with caplog.at_level(logging.INFO, "senga"):
        for _ in range(3):
            upscale(model, picture(8, 8), precision="fp32")
    assert [r.getMessage() for r in caplog.records] == ["compact x2 runs on torch, prepared in fp32"]


def test_the_summary_names_engine_and_precision(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(engine, "pick_precision", lambda *_, **__: "fp32")
    for asked, there, words in (
        ("", True, "use ncnn in fp32 on cpu"),
        ("openvino", True, "use OpenVINO in fp32 on cpu"),
        ("ncnn", True, "use ncnn in fp32 on cpu"),
        ("", False, "use torch, prepared in fp32 on cpu"),
        ("ncnn", False, "use torch, prepared in fp32 on cpu"),
        ("openvino", False, "use torch, prepared in fp32 on cpu"),
        ("torch", True, "use torch, prepared in fp32 on cpu"),
        ("plain", True, "use torch in fp32 on cpu"),
    ):
        monkeypatch.setenv(engine.VARIABLE, asked)
        monkeypatch.setattr(engine, "is_there", lambda library, there=there: there)
        assert words in engine.summary(cpu)
    monkeypatch.setenv(engine.VARIABLE, "")
    monkeypatch.setattr(engine, "is_there", lambda library: library == "openvino")
    assert "use OpenVINO in fp32 on cpu" in engine.summary(cpu)
    monkeypatch.setattr(engine, "is_there", lambda library: True)
    for asked, words in (("", "OpenVINO in bf16"), ("ncnn", "torch, prepared in bf16")):
        monkeypatch.setenv(engine.VARIABLE, asked)
        with monkeypatch.context() as patch:
            patch.setattr(engine, "pick_precision", lambda *_, **__: "bf16")
            assert words in engine.summary(cpu)
    monkeypatch.setenv(engine.VARIABLE, "")
    assert "use torch in fp32 on mps" in engine.summary(torch.device("mps"))


def test_an_unknown_engine_is_named(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "tensorrt")
    with pytest.raises(SengaError, match=r"SENGA_ENGINE is 'tensorrt'.*ncnn, openvino, torch, plain"):
        upscale(small_model("compact"), picture(8, 8))


def test_nets_are_prepared_once_and_anew_when_their_weights_change(prepared, monkeypatch):
    calls = []
    real = engine.PREPARE[prepared]
    monkeypatch.setitem(engine.PREPARE, prepared, lambda *a: (calls.append(a[2]), real(*a))[1])
    model, image = small_model("compact"), picture(12, 12)
    upscale(model, image, precision="fp32")
    upscale(model, image, precision="fp32")
    assert calls == ["fp32"]
    with torch.inference_mode():
        model.model.body[0].weight.mul_(1.5)
    changed = upscale(model, image, precision="fp32")
    assert calls == ["fp32"] * 2
    assert (changed - plain(monkeypatch, model, image, precision="fp32")).abs().max() <= 1e-4


def test_prepared_nets_go_with_their_model_and_few_are_kept(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    models = [small_model("compact") for _ in range(engine.KEPT + 2)]
    for i in range(len(models)):
        upscale(models[i], picture(8, 8), precision="fp32")
    held = [bool(engine._kept[models[i].model].prepared) for i in range(len(models))]
    assert held == [False, False] + [True] * engine.KEPT
    before = len(engine._kept)
    del models
    gc.collect()
    assert len(engine._kept) <= before - engine.KEPT - 2
