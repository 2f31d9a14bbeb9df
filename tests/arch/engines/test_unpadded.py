"""Networks without zero padding: the same picture inside the context, and less arithmetic."""

import pytest
import torch
from sample_upscalers import VARIANT_IDS, VARIANTS, small_model
from senga.arch.engines import engine
from senga.arch.engines.recording import record
from senga.arch.engines.unpadded import framed, shrunk, unpadded
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


def recorded(net: nn.Module, side: int = 48):
    return record(net, torch.rand(1, 3, side, side))[0]


# RRDB's context is smaller than its radius.
SURROUNDED = {key: variant for key, variant in zip(VARIANT_IDS, VARIANTS, strict=True) if variant[0] != "rrdb"}


@pytest.mark.parametrize(("name", "extra"), SURROUNDED.values(), ids=SURROUNDED)
def test_inside_the_context_the_result_is_the_networks(name, extra):
    model = small_model(name, **extra)
    short, missing = unpadded(record(model.model, torch.rand(1, model.input_channels, 40, 48))[0])
    x = torch.rand(1, model.input_channels, 2 * model.receptive_radius + 20, 2 * model.receptive_radius + 29)
    with torch.no_grad():
        found, expected = framed(short.run, missing)(x), model.model(x)
    context = model.border * model.scale
    assert 0 < missing <= context
    inside = (..., slice(context, -context), slice(context, -context))
    assert found.shape == expected.shape
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-5)


def test_a_tiles_context_costs_half_the_arithmetic():
    model = small_model("compact")
    net, (short, _) = recorded(model.model), unpadded(recorded(model.model))
    radius, core = model.receptive_radius, 8

    def operations(run, side: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run(torch.rand(1, 3, side, side))
        return counter.get_total_flops()

    whole, padded = operations(net.run, core), operations(net.run, core + 2 * radius)
    assert whole < operations(short.run, core + 2 * radius) < (whole + padded) / 2


class Strided(nn.Module):
    def forward(self, x):
        return F.interpolate(F.conv2d(x, torch.ones(3, 3, 3, 3), stride=2, padding=1), scale_factor=2.0)


class HalfPadded(nn.Module):
    def forward(self, x):
        return F.conv2d(x, torch.ones(3, 3, 5, 5), padding=1)


class Smooth(nn.Module):
    """An interpolation that mixes neighbours, after a convolution."""

    def forward(self, x):
        return F.interpolate(F.conv2d(x, torch.ones(3, 3, 3, 3), padding=1), scale_factor=2.0, mode="bilinear")


UNKNOWN = [Strided(), HalfPadded(), Smooth(), nn.Tanh()]


@pytest.mark.parametrize("net", UNKNOWN, ids=lambda net: type(net).__name__)
def test_a_network_without_a_rule_stays_as_it_is(net):
    recording = recorded(net)
    short, missing = unpadded(recording)
    assert missing == 0
    x = torch.rand(1, 3, 12, 14)
    assert torch.equal(short.run(x), net(x))


def test_a_network_stays_padded_where_its_pictures_lack_the_context():
    recording = recorded(small_model("compact").model)
    assert shrunk(recording, False) == (recording, 0)
    assert shrunk(recording, True)[1] > 0


def test_other_programs_files_are_padded_as_there(monkeypatch):
    """Their pictures get no border: zero padding shows at the picture's edge, as in those programs."""
    asked = []
    monkeypatch.setitem(engine.PREPARE, "torch", lambda *a: (asked.append(a[3]), (a[0], a[0](a[1])))[1])
    for border in (0, 4):
        model = small_model("compact")
        assert model.receptive_radius == 4
        model.border = border
        engine._checked(model, "torch", "fp32")
    assert asked == [False, True]
