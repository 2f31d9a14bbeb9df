"""Schedule-free AdamW, float16 with a scaler (on a CPU stand-in), and compiling where a compiler is there."""

import sys

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from sample_runs import checkpoint, equal, tiny_config
from senga.arch import SengaError, load_upscaler
from senga.training.run import compiling
from senga.training.run.ema import make_average
from senga.training.run.optimisers import make_optimisers, set_learning_rate, step_optimisers
from senga.training.run.schedule import learning_rate
from senga.training.run.settings import OptimSettings, read_settings
from senga.training.sr import train as sr
from senga.training.sr.settings import Settings
from senga.training.tagger.settings import TaggerOptimSettings
from torch import nn

FREE = OptimSettings(steps=20, optimiser="schedule_free", learning_rate=0.1, warmup=4, weight_decay=0.01)

pytestmark = pytest.mark.usefixtures("quick_scores")


def cut_off(config, tmp_path, changes, *, export_step: int = 6) -> tuple[dict, dict]:
    """The last checkpoint of a run as a whole, and of one that was cut off at step 3."""
    sr.train(read_settings(Settings, config, changes), "test")
    folder = tmp_path / "runs" / "tiny"
    whole = checkpoint(folder, export_step)
    (folder / f"checkpoint-{export_step:07d}.pt").unlink()
    sr.train(read_settings(Settings, config, changes), "test")
    return whole, checkpoint(folder, export_step)


class TestScheduleFree:
    def test_the_average_is_the_papers_x(self):
        """Algorithm 1 of arXiv:2405.15682 in float64, on one parameter with a quadratic loss."""
        net = nn.Linear(1, 1, bias=False)
        net.weight.data.fill_(1.5)
        optimisers = make_optimisers(net, FREE)
        average = make_average(net, FREE, optimisers)
        x = z = float(net.weight.detach())
        v, weights, largest = 0.0, 0.0, 0.0
        for step in range(12):
            rate = learning_rate(step, FREE)
            set_learning_rate(optimisers, rate)
            y = 0.1 * z + 0.9 * x
            net.zero_grad()
            (net(torch.ones(1, 1)) - 0.3).square().sum().backward()
            step_optimisers(net, optimisers, 0.0)
            average.update(net, step)
            gradient = 2 * (y - 0.3)
            v = 0.999 * v + 0.001 * gradient**2
            z -= rate * (gradient / ((v / (1 - 0.999 ** (step + 1))) ** 0.5 + 1e-8) + 0.01 * y)
            largest = max(largest, rate)
            weights += largest**2
            share = largest**2 / weights
            x = (1 - share) * x + share * z
            assert float(average.values["weight"]) == pytest.approx(x, abs=1e-5)
        assert abs(float(net.weight.detach()) - x) > 1e-4  # what the net holds is y

    def test_its_rate_is_constant_after_the_warm_up(self):
        assert [learning_rate(step, FREE) for step in (0, 3, 10, 19)] == pytest.approx([0.025, 0.1, 0.1, 0.1])

    def test_a_run_that_was_cut_off_ends_with_the_same_bits_and_ships_x(self, tmp_path, art):
        config = tiny_config(tmp_path, art)
        whole, again = cut_off(config, tmp_path, ["optim.optimiser=schedule_free"])
        assert all(equal(whole[name], again[name]) for name in ("net", "optimiser_0", "average"))
        shipped = load_upscaler(tmp_path / "runs" / "tiny" / "tiny.safetensors").model.state_dict()
        assert equal(dict(shipped), again["average"])
        assert not equal(dict(again["net"]), again["average"])

    def test_what_does_not_fit_is_named(self, monkeypatch):
        with pytest.raises(SengaError, match=r"exact_bf16 is 0\.1; expected 0: schedule_free has averaged weights"):
            OptimSettings(steps=1, optimiser="schedule_free", exact_bf16=0.1)
        with pytest.raises(SengaError, match=r"optim\.optimiser is 'schedule_free'; expected adamw or muon"):
            TaggerOptimSettings(steps=1, optimiser="schedule_free")
        monkeypatch.setitem(sys.modules, "schedulefree", None)
        with pytest.raises(SengaError, match="the package schedulefree, which is not installed"):
            make_optimisers(nn.Linear(1, 1), FREE)


@pytest.fixture
def half(monkeypatch) -> None:
    """A CPU that trains in float16: small nets only, since it is slow."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)

    def stand_in(precision: str, **_: int) -> tuple[Fabric, str]:
        scaler.load_state_dict({**scaler.state_dict(), "scale": 1024.0, "_growth_tracker": 0})
        fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
        fabric.launch()
        return fabric, "fp32"  # of the validation

    monkeypatch.setattr(sr, "make_fabric", stand_in)


class TestHalf:
    @pytest.mark.parametrize("optimiser", ["adamw", "muon"])
    def test_gradients_are_divided_by_the_scale_before_the_step(self, optimiser):
        nets = [nn.Conv2d(16, 16, 3) for _ in range(2)]
        nets[1].load_state_dict(nets[0].state_dict())
        x = torch.rand(1, 16, 6, 6, generator=torch.Generator().manual_seed(2))
        optim = OptimSettings(steps=1, optimiser=optimiser)
        for net, scaler in zip(nets, (None, torch.amp.GradScaler("cpu", init_scale=512.0)), strict=True):
            optimisers = make_optimisers(net, optim)
            set_learning_rate(optimisers, 0.01)
            loss = net(x).square().mean()
            (scaler.scale(loss) if scaler else loss).backward()
            norm = step_optimisers(net, optimisers, 0.1, scaler)
            assert 0.01 < float(norm) < 10
        assert all(torch.equal(a, b) for a, b in zip(*(net.parameters() for net in nets), strict=True))

    def test_a_step_with_an_infinite_gradient_is_left_out_and_the_scale_halved(self):
        net = nn.Conv2d(16, 16, 3)
        before = net.weight.detach().clone()
        optimisers = make_optimisers(net, OptimSettings(steps=1, optimiser="muon"))
        scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
        scaler.scale(net(torch.ones(1, 16, 3, 3)).sum() * float("inf")).backward()
        assert step_optimisers(net, optimisers, 0.0, scaler) == 0
        scaler.update()
        assert torch.equal(net.weight, before)
        assert scaler.get_scale() == 256

    @pytest.mark.usefixtures("half")
    def test_a_run_that_was_cut_off_ends_with_the_same_bits_and_the_same_scale(self, tmp_path, art):
        config = tiny_config(tmp_path, art)
        changes = ["optim.optimiser=muon", "gan.weight=0.1", "gan.features=4", "optim.clip=1.0"]
        whole, again = cut_off(config, tmp_path, changes)
        assert all(equal(whole[name], again[name]) for name in ("net", "discriminator", "average", "scaler"))
        assert whole["scaler"]["scale"] == 2048  # it grows after four steps
        assert not equal(whole["net"], checkpoint(tmp_path / "runs" / "tiny", 3)["net"])

    def test_without_a_gpu_it_is_refused(self, tmp_path, art, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(SengaError, match=r"run\.precision is fp16, which trains on a GPU only"):
            sr.train(read_settings(Settings, tiny_config(tmp_path, art), ["run.precision=fp16"]), "test")


class TestCompile:
    def test_a_compiled_net_trains_to_the_same_weights(self, tmp_path, art, monkeypatch):
        compiled = []

        def compile_(function, **_):  # stands in for minutes of a compiler's work
            compiled.append(function)
            return function

        monkeypatch.setattr(torch, "compile", compile_)
        config = tiny_config(tmp_path, art)
        sr.train(read_settings(Settings, config, ["optim.steps=2"]), "test")
        assert not compiled
        sr.train(read_settings(Settings, config, ["optim.steps=2", "name=other", "run.compile=true"]), "test")
        assert len(compiled) == 2  # a sum to try it, and the net
        one, two = (checkpoint(tmp_path / "runs" / name, 2)["net"] for name in ("tiny", "other"))
        assert equal(one, two)

    def test_without_a_compiler_one_sentence_says_so(self, monkeypatch, caplog):
        def compile_(function):
            raise RuntimeError("no working C++ compiler found\nin ['clang']")

        monkeypatch.setattr(torch, "compile", compile_)
        net = nn.Conv2d(1, 1, 1)
        compiling.compile_net(net, torch.device("cpu"))
        assert "no compiler works here (no working C++ compiler found in ['clang']); the net is trained" in caplog.text
        assert net._compiled_call_impl is None
        net.forward_all = lambda x: [x]  # type: ignore[assignment]
        assert "has several results" in compiling.why_not(net, torch.device("cpu"))
