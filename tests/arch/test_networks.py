"""The nets: sizes as published, geometry as declared, settings checked."""

import dataclasses

import pytest
import torch
from sample_upscalers import VARIANT_IDS, VARIANTS, small_model
from senga.arch import SengaError, UpscaleModel
from senga.arch.compact import Compact, CompactConfig
from senga.arch.dcscn import DCSCN, DCSCNConfig
from senga.arch.drrn import DRRN, DRRNConfig
from senga.arch.espcn import ESPCN7, ESPCNConfig
from senga.arch.registry import ARCHITECTURES, architecture, make_config
from senga.arch.rrdb import RRDB, RRDBConfig


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        (ESPCN7(ESPCNConfig(scale=2)), 1_345_996),
        (DCSCN(DCSCNConfig(layers=12, reconstruction=64)), 1_564_086),
        (DCSCN(DCSCNConfig(layers=12, reconstruction=128)), 1_889_974),
        (DCSCN(DCSCNConfig(layers=8, first=96, reconstruction=64)), 538_353),
        (DCSCN(DCSCNConfig(layers=8, first=96, reconstruction=128)), 794_833),
        (Compact(CompactConfig(scale=2)), 600_652),
        (Compact(CompactConfig(scale=4)), 621_424),  # realesr-animevideov3
        (Compact(CompactConfig(scale=2, layers=8)), 304_716),
        (Compact(CompactConfig(scale=2, layers=8, features=24)), 45_156),
        # Head and last layer, two blocks of two shared kernels, two scales and biases for each recursion.
        (DRRN(DRRNConfig()), 3 * 9 * 48 + 48 + 2 * (2 * 48 * 48 * 9 + 5 * 4 * 48) + 12 * (9 * 48 + 1)),
        (RRDB(RRDBConfig(blocks=6)), 4_467_779),
        (RRDB(RRDBConfig(blocks=23)), 16_697_987),
        (RRDB(RRDBConfig(scale=2, plain=True, blocks=6)), 4_467_779 - 36_928),  # one conv_up less than x4
        (RRDB(RRDBConfig(scale=1, plain=True, blocks=6)), 4_467_779 - 2 * 36_928),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else str(value),
)
def test_parameter_counts_are_the_published_ones(net, parameters):
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_dcscn_widths_decay_exponentially():
    assert DCSCNConfig(layers=12).widths == (196, 172, 152, 134, 118, 103, 91, 80, 70, 62, 55, 48)
    assert sum(DCSCNConfig(layers=8, first=96).widths) == 558


@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_output_is_scale_times_the_input(name, extra):
    model = small_model(name, **extra)
    out = model(torch.rand(2, 3, 5, 9))
    assert out.shape == (2, 3, 5 * extra["scale"], 9 * extra["scale"])
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1


# Few channels: the geometry is the same, and NaN spreads through every one of them.
NARROW = {
    "rrdb": {"features": 2, "growth": 2},
    "dcscn": {"first": 4, "last": 2, "reconstruction": 2},
    "espcn_7": {},
    "compact": {"features": 2},
    "drrn": {"features": 2},
}


@pytest.mark.parametrize(
    ("name", "hyperparameters", "radius"),
    [
        ("espcn_7", {"widths": [2] * 6}, 7),
        ("dcscn", {"layers": 12, "upsampling": 2}, 15),
        ("dcscn", {"layers": 8, "upsampling": 2, "residual": "bilinear"}, 11),
        ("compact", {"scale": 2}, 18),
        ("compact", {"scale": 1, "layers": 32}, 34),
        ("drrn", {"scale": 2}, 22),
        ("drrn", {"scale": 1, "at": "hr"}, 22),
        ("drrn", {"scale": 4, "blocks": 1, "units": 1, "supervised_units": [1]}, 4),
        ("drrn", {"scale": 2, "at": "hr", "blocks": 1, "units": 25, "supervised_units": [25]}, 28),
        ("drrn", {"scale": 3, "at": "hr"}, 9),
        ("drrn", {"scale": 4, "at": "hr", "residual": "bilinear"}, 6),
        ("drrn", {"scale": 4, "at": "hr", "residual": "nearest"}, 6),
        ("drrn", {"scale": 4, "at": "hr", "blocks": 1, "units": 1, "supervised_units": [1]}, 3),
        ("drrn", {"scale": 3, "at": "hr", "residual": "bilinear", "blocks": 1, "units": 2, "supervised_units": [2]}, 3),
        ("rrdb", {"scale": 4, "blocks": 6}, 94),
        ("rrdb", {"scale": 2, "blocks": 6}, 188),
        ("rrdb", {"scale": 1, "blocks": 2}, 136),
        ("rrdb", {"scale": 4, "blocks": 23}, 349),
        ("rrdb", {"scale": 1, "blocks": 2, "plain": True}, 34),
        ("rrdb", {"scale": 2, "blocks": 2, "plain": True}, 34),
        ("rrdb", {"scale": 8, "blocks": 1, "plain": True}, 19),
    ],
)
def test_the_receptive_radius_is_how_far_a_nan_spreads(name, hyperparameters, radius):
    row = architecture(name)
    config = make_config(row, {**NARROW[name], **hyperparameters})
    assert config.radius == radius
    torch.manual_seed(0)
    net = row.build(config).eval()
    block, scale = config.alignment, config.scale
    length = 2 * radius + 20 * block
    middle = length // 2 // block * block
    strip = torch.rand(1, 3, block, length)
    strip[..., middle : middle + block] = float("nan")
    with torch.inference_mode():
        reached = net(strip).isnan().any(dim=2).any(dim=1)[0].nonzero().flatten() // scale
    # In whole blocks, since tiles start on them.
    assert (middle // block - int(reached.min()) // block) * block == radius
    assert (int(reached.max()) // block - middle // block) * block == radius


@pytest.mark.parametrize("row", ARCHITECTURES, ids=lambda row: row.id)
def test_the_default_halo_never_exceeds_the_receptive_radius(row):
    for scale in (1, 2, 4):
        try:
            config = make_config(row, {"scale": scale})
        except ValueError:
            continue
        assert 0 < row.halo(config) <= config.radius
        assert row.halo(config) % config.alignment == 0


@pytest.mark.parametrize("row", ARCHITECTURES, ids=lambda row: row.id)
def test_upscalers_know_their_geometry_and_taggers_have_none(row):
    config = row.config()
    geometry = [getattr(config, name, None) for name in ("radius", "alignment", "border", "floats")]
    if row.task == "tag":
        assert geometry == [None] * 4
        return
    assert all(type(value) is int and value > 0 for value in geometry), geometry
    assert config.border <= config.radius


def test_a_multiplying_selection_unit_lets_the_first_layer_learn():
    """The replacing form, yu45020/Waifu2x's, starves it, and its training stalls."""
    gradients = {}
    for selection in ("multiply", "replace"):
        torch.manual_seed(0)
        net = ESPCN7(ESPCNConfig(selection=selection))
        net(torch.rand(1, 3, 16, 16)).square().mean().backward()
        gradient = net.get_submodule("conv.0.0").weight.grad
        assert isinstance(gradient, torch.Tensor)
        gradients[selection] = gradient.abs().mean().item()
    assert gradients["multiply"] > 10 * gradients["replace"]


def test_selu_features_keep_their_size_through_twelve_layers():
    torch.manual_seed(0)
    net = DCSCN(DCSCNConfig())
    x = torch.randn(1, 3, 32, 32)
    for layer in net.features:
        x = layer(x)
    assert 0.3 < x.std() < 3


@pytest.mark.parametrize(
    ("config", "bad", "word"),
    [
        (ESPCNConfig(), {"scale": 5}, "scale"),
        (ESPCNConfig(), {"selection": "add"}, "selection"),
        (DCSCNConfig(), {"activation": "relu"}, "activation"),
        (DCSCNConfig(), {"residual": "area"}, "residual"),
        (CompactConfig(), {"scale": 5}, "scale"),
        (CompactConfig(), {"layers": 0}, "layers"),
        (CompactConfig(), {"activation": "selu"}, "activation"),
        (DRRNConfig(), {"scale": 5}, "scale"),
        (DRRNConfig(), {"features": 0}, "features"),
        (DRRNConfig(), {"units": 4}, "supervised_units"),
        (DRRNConfig(), {"supervised_units": (5, 3)}, "supervised_units"),
        (DRRNConfig(), {"supervised_units": ()}, "supervised_units"),
        (DRRNConfig(), {"supervised_units": (0, 5)}, "supervised_units"),
        (DRRNConfig(), {"activation": "selu"}, "activation"),
        (DRRNConfig(), {"residual": "area"}, "residual"),
        (DRRNConfig(), {"at": "mr"}, "at is 'mr'"),
        (RRDBConfig(), {"scale": 3}, "scale"),
        (RRDBConfig(), {"scale": 8}, "scale"),
        (RRDBConfig(), {"scale": 16, "plain": True}, "scale"),
        (RRDBConfig(), {"blocks": 0}, "blocks"),
    ],
)
def test_impossible_configs_are_refused(config, bad, word):
    with pytest.raises(ValueError, match=word):
        dataclasses.replace(config, **bad)


def test_drrn_units_share_their_kernels_and_start_from_the_same_features():
    """h_u = h_0 + conv2(act(conv1(act(h_(u-1))))), written out with torch's own layers."""
    torch.manual_seed(0)
    net = DRRN(DRRNConfig(features=4, blocks=1, units=2, supervised_units=(1, 2), activation="relu", at="hr"))
    block = net.get_submodule("blocks.0")
    for name in ("scale1", "bias1", "scale2", "bias2"):
        torch.nn.init.normal_(block.get_parameter(name))
    x = torch.rand(1, 3, 6, 7)
    base = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="bicubic")
    start = net.head(base)
    h = start
    for u, found in enumerate(net.forward_all(x)):
        for i in (1, 2):
            each = (block.get_parameter(f"{kind}{i}")[u].view(1, -1, 1, 1) for kind in ("scale", "bias"))
            scale, bias = each
            h = block.get_submodule(f"conv{i}")(h.relu()) * scale + bias
        h = start + h
        assert torch.allclose(found, net.last(h) + base, atol=1e-6)


def test_a_drrn_stops_where_it_was_trained_to():
    model = small_model("drrn", units=3, supervised_units=[1, 3])
    net, x = model.model, torch.rand(1, 3, 9, 9)
    for parameter in net.parameters():  # each recursion its own scale and bias
        torch.nn.init.normal_(parameter, std=0.1)
    one, three = net.forward_all(x)
    assert torch.equal(three, net(x))
    short = model.with_units(1)
    assert torch.equal(short.model(x), one)
    assert not torch.allclose(one, three, atol=1e-3)
    assert (short.receptive_radius, model.receptive_radius) == (6, 14)
    assert (short.header.hyperparameters["units"], short.header.hyperparameters["supervised_units"]) == (1, [1])
    kernel = "blocks.1.conv2.weight"
    assert short.model.get_parameter(kernel).data_ptr() == net.get_parameter(kernel).data_ptr()
    with pytest.raises(SengaError, match="units is 2; expected 1 or 3, after which this network was trained to stop"):
        model.with_units(2)
    with pytest.raises(SengaError, match="compact networks have no units"):
        small_model("compact").with_units(1)
    assert model.with_units(0) is model


STARTS = [("drrn", {"scale": s}, "bicubic") for s in (2, 3)] + [
    ("drrn", {"scale": 2, "at": "hr", "blocks": 1, "units": 9, "supervised_units": (9,)}, "bicubic"),
    *[("compact", {"scale": s}, "nearest") for s in (1, 2, 4)],
    *[("rrdb", {"scale": s, "plain": True, "blocks": 2}, "nearest") for s in (1, 2, 4)],
]


@pytest.mark.parametrize(("name", "hyperparameters", "mode"), STARTS)
def test_training_begins_at_the_enlarged_input(name, hyperparameters, mode):
    torch.manual_seed(1)
    model = UpscaleModel.create(name, **hyperparameters)
    x = torch.rand(1, 3, 16, 16)
    enlarged = torch.nn.functional.interpolate(x, scale_factor=float(model.scale), mode=mode)
    with torch.inference_mode():
        assert (model.model(x) - enlarged).abs().mean() < 0.03


@pytest.mark.parametrize("name", ["espcn_7", "dcscn", "rrdb", "compact", "drrn"])
def test_the_last_layer_keeps_full_precision_under_autocast(name):
    net = small_model(name).model
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        out = net(torch.rand(1, 3, 16, 16))
    assert out.dtype == torch.float32
    assert not torch.equal(out, out.bfloat16().float())  # more than bfloat16's 8 bits are in use
