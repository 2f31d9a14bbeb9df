"""The load node's `units`: a DRRN that stops earlier, by the file that ships and by small ones."""

import pytest
import torch
from sample_upscalers import picture, small_model
from senga.arch import SengaError, load_upscaler, save_model, upscale
from senga.arch.image import to_bchw, to_bhwc
from senga.nodes import host
from senga.nodes.load_model import SengaLoadUpscaleModel
from torch.nn import functional as F

SHIPPED = "senga_drrn_x2.safetensors"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A DRRN of 1, 2 and 3 units and a network without units in the user's folder."""
    monkeypatch.setattr(host.standalone, "model_dirs", [tmp_path])
    save_model(tmp_path / "three.safetensors", small_model("drrn", units=3, supervised_units=(1, 2, 3)))
    save_model(tmp_path / "none.safetensors", small_model("rrdb"))
    return tmp_path


def test_the_shipped_file_gives_other_pictures_with_3_units_than_with_5():
    image = picture(24, 31)
    three, five, most = (
        upscale(SengaLoadUpscaleModel().load(SHIPPED, units)[0], image, precision="fp32") for units in (3, 5, 0)
    )
    assert torch.equal(five, most)
    assert 0.5 / 255 < (three - five).abs().max() < 0.5


def test_units_stop_where_the_network_itself_was_trained_to():
    """Against the network's own output for training after 3 recursions."""
    image = picture(12, 15)
    whole = load_upscaler(host.upscale_model_path(SHIPPED))
    border = whole.border
    framed = F.pad(to_bchw(image), (border,) * 4, mode="replicate")
    with torch.inference_mode():
        stops = dict(zip((3, 5), whole.model.forward_all(framed), strict=True))
    inner = slice(2 * border, -2 * border)
    for units, made in stops.items():
        (model,) = SengaLoadUpscaleModel().load(SHIPPED, units)
        expected = to_bhwc(made[..., inner, inner]).clamp(0, 1)
        assert (upscale(model, image, precision="fp32") - expected).abs().max() < 1e-5


def test_tiles_of_a_shortened_network_equal_the_whole_with_a_smaller_halo():
    image = picture(40, 53)
    (model,) = SengaLoadUpscaleModel().load(SHIPPED, 3)
    (five,) = SengaLoadUpscaleModel().load(SHIPPED, 5)
    assert model.default_halo < five.default_halo
    tiled, whole = (upscale(model, image, precision="fp32", tile=tile) for tile in (16, 1024))
    assert (tiled - whole).abs().max() < 1e-5


@pytest.mark.parametrize("units", [4, -1, 300])
def test_a_number_that_was_not_trained_is_refused_before_and_in_the_run(models, units):
    sentence = f"units is {units}; expected 1, 2 or 3, after which this network was trained to stop, or 0 for the most"
    assert SengaLoadUpscaleModel.VALIDATE_INPUTS("three.safetensors", units) == sentence
    with pytest.raises(SengaError, match=sentence):
        SengaLoadUpscaleModel().load("three.safetensors", units)


def test_another_network_has_no_units(models):
    sentence = "units is 3, and rrdb networks have no units; leave it at 0 or choose a DRRN"
    assert SengaLoadUpscaleModel.VALIDATE_INPUTS("none.safetensors", 3) == sentence
    with pytest.raises(SengaError, match=sentence):
        SengaLoadUpscaleModel().load("none.safetensors", 3)


@pytest.mark.parametrize(
    ("name", "units"),
    [("none.safetensors", 0), ("three.safetensors", 2), ("none.safetensors", None), (None, 3), (None, None)],
)
def test_what_fits_or_comes_through_a_link_passes(models, name, units):
    assert SengaLoadUpscaleModel.VALIDATE_INPUTS(name, units) is True


def test_an_old_workflow_without_units_loads_the_whole_network(models):
    (model,) = SengaLoadUpscaleModel().load("three.safetensors")
    assert model.header.hyperparameters["units"] == 3
    assert SengaLoadUpscaleModel.VALIDATE_INPUTS("three.safetensors") is True
