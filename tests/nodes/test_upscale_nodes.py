"""The nodes as ComfyUI calls them, without ComfyUI."""

import os

import pytest
import torch
from comfy_stand_ins import Books, Patching
from sample_upscalers import Recorder, picture, small_model
from senga.arch import SengaError, UpscaleModel, save_model
from senga.arch.upscaling import memory_needed
from senga.nodes import host
from senga.nodes.load_model import SengaLoadUpscaleModel
from senga.nodes.upscale import SengaUpscale

DEFAULTS = {
    "scale": 0.0,
    "width": 0,
    "height": 0,
    "tile": 0,
    "halo": -1,
    "precision": "auto",
    "self_ensemble": False,
}


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A models folder of the user with one file; no shipped weights."""
    monkeypatch.setattr(host, "WEIGHTS", tmp_path / "shipped")
    monkeypatch.setattr(host.standalone, "model_dirs", [tmp_path])
    save_model(tmp_path / "mine.safetensors", small_model("rrdb"))
    return tmp_path


def test_the_list_holds_our_weights_first_then_the_users(models):
    shipped = models / "shipped"
    shipped.mkdir()
    save_model(shipped / "ours.safetensors", small_model("espcn_7"))
    (models / "notes.txt").write_text("not a model")
    assert SengaLoadUpscaleModel.INPUT_TYPES()["required"]["model_name"][0] == ["ours.safetensors", "mine.safetensors"]
    assert host.upscale_model_path("ours.safetensors") == shipped / "ours.safetensors"


def test_a_damaged_file_of_ours_does_not_hide_the_others(models):
    (models / "shipped").mkdir()
    (models / "shipped" / "broken.safetensors").write_text("oops")
    assert host.upscale_model_names() == ["mine.safetensors"]


def test_a_model_is_loaded_by_name(models):
    (model,) = SengaLoadUpscaleModel().load("mine.safetensors")
    assert isinstance(model, UpscaleModel)
    assert model.header.architecture == "rrdb"


def test_a_replaced_file_is_loaded_again(models):
    before = SengaLoadUpscaleModel.IS_CHANGED("mine.safetensors")
    assert SengaLoadUpscaleModel.IS_CHANGED("mine.safetensors") == before
    os.utime(models / "mine.safetensors", ns=(1, 1))
    assert SengaLoadUpscaleModel.IS_CHANGED("mine.safetensors") != before


def test_a_missing_model_is_named_with_the_folders(models):
    with pytest.raises(SengaError, match=r"'gone\.safetensors' was not found in .*shipped"):
        host.upscale_model_path("gone.safetensors")


def test_the_defaults_give_the_models_scale_and_an_opaque_mask():
    image, mask = SengaUpscale().upscale(Recorder(), picture(5, 7, frames=2), **DEFAULTS)
    assert image.shape == (2, 10, 14, 3)
    assert torch.equal(mask, torch.zeros(2, 10, 14))


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"scale": 1.5}, (12, 15)),
        ({"width": 32}, (32, 40)),
        ({"height": 20, "scale": 9.0}, (16, 20)),
        ({"width": 3, "height": 4}, (3, 4)),
    ],
)
def test_sizes_from_scale_and_sides(given, size):
    image, _ = SengaUpscale().upscale(Recorder(), picture(10, 8), **{**DEFAULTS, **given})
    assert (image.shape[2], image.shape[1]) == size


@pytest.mark.parametrize(("fit", "calls"), [("crop", (4, 4)), ("pad", (8, 4)), ("stretch", (8, 4))])
def test_both_sides_given_are_met_by_crop_pad_or_stretch(fit, calls):
    model, image = Recorder(), picture(4, 8)
    large, mask = SengaUpscale().upscale(model, image, **{**DEFAULTS, "width": 8, "height": 8}, fit=fit)
    assert large.shape == (1, 8, 8, 3)
    assert {(call.shape[3], call.shape[2]) for call in model.calls} == {calls}
    doubled = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    if fit == "crop":
        assert torch.equal(large, doubled[:, :, 4:12])
    if fit == "pad":
        assert torch.equal(mask[0, :, 0], torch.tensor([1.0, 1, 0, 0, 0, 0, 1, 1]))
        assert not large[mask == 1].any()
    else:
        assert not mask.any()


def test_a_scale_beside_a_width_or_height_has_no_effect():
    found = [SengaUpscale().upscale(Recorder(), picture(4, 8), **{**DEFAULTS, **extra})[0] for extra in WITH_WIDTH]
    assert torch.equal(*found)


WITH_WIDTH = ({"width": 20}, {"width": 20, "scale": 3.0})


@pytest.mark.parametrize("tile", [None, 0, 16, 8192])
def test_a_tile_that_can_run_passes_the_check_before_the_run(tile):
    assert SengaUpscale.VALIDATE_INPUTS(tile=tile) is True


@pytest.mark.parametrize("tile", [-1, 1, 15, 8193])
def test_a_tile_that_cannot_run_is_refused_before_the_run(tile):
    """ComfyUI's own limits are off for it, so those are checked here too."""
    assert SengaUpscale.VALIDATE_INPUTS(tile=tile) == (
        f"tile is {tile}; expected 0 (chosen from the free memory), or 16 to 8192"
    )


def test_rare_widgets_are_marked_advanced():
    required = SengaUpscale.INPUT_TYPES()["required"]
    marked = [name for name, (_, options) in required.items() if options.get("advanced")]
    assert marked == ["tile", "halo", "precision", "self_ensemble"]


def test_load_images_empty_mask_leaves_the_picture_alone():
    model = Recorder()
    image, mask = SengaUpscale().upscale(model, picture(5, 7), **DEFAULTS, mask=torch.zeros(1, 64, 64))
    assert len(model.calls) == 1
    assert image.shape == (1, 10, 14, 3)
    assert not mask.any()


def test_a_mask_comes_back_upscaled():
    given = torch.zeros(1, 6, 8)
    given[:, :, 4:] = 1
    image, mask = SengaUpscale().upscale(Recorder(), picture(6, 8), **DEFAULTS, mask=given)
    assert image.shape == (1, 12, 16, 3)
    assert torch.equal(mask, given.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_progress_and_cancel_reach_the_upscaler(monkeypatch):
    seen = []
    monkeypatch.setattr(host.standalone, "progress", lambda done, total: seen.append((done, total)))
    SengaUpscale().upscale(Recorder(), picture(5, 7), **DEFAULTS)
    assert seen == [(35, 35)]
    monkeypatch.setattr(host.standalone, "should_stop", lambda: True)
    with pytest.raises(Exception, match="stopped"):
        SengaUpscale().upscale(Recorder(), picture(5, 7), **DEFAULTS)


def test_half_precision_pictures_are_taken(monkeypatch):
    image, _ = SengaUpscale().upscale(Recorder(), picture(5, 7).half(), **DEFAULTS)
    assert image.dtype == torch.float32


@pytest.fixture
def comfy(monkeypatch):
    books = Books()
    monkeypatch.setattr(host, "management", books)
    monkeypatch.setattr(host, "patching", Patching)
    return books


def test_inside_comfyui_the_model_gets_a_patcher_and_its_memory(comfy):
    model = small_model("rrdb")
    host.attach_patcher(model)
    assert model.patcher.net is model.model
    assert (model.patcher.load_device.type, model.patcher.offload_device.type) == ("meta", "cpu")
    with host.on_device(model, 1000):
        # Even though these books move nothing, as ComfyUI's do when they take a model for loaded.
        assert model.device.type == "meta"
    assert comfy.calls == [("load", [model.patcher], 1000, True)]


def test_a_model_without_a_patcher_is_put_back_even_after_an_error(comfy):
    model = Recorder()
    with pytest.raises(RuntimeError, match="no"), host.on_device(model, 1000):
        raise RuntimeError("no")
    assert model.moved_to == [torch.device("meta"), "cpu"]
    assert comfy.calls == [("free", 1000 + 48, torch.device("meta"))]  # 12 weights of 4 bytes


def test_the_newer_patcher_is_preferred(comfy, monkeypatch):
    newer = type("CoreModelPatcher", (Patching.ModelPatcher,), {})
    monkeypatch.setattr(Patching, "CoreModelPatcher", newer, raising=False)
    model = small_model("rrdb")
    host.attach_patcher(model)
    assert type(model.patcher) is newer


def test_a_cancel_inside_comfyui_is_its_own_exception(comfy):
    assert host.should_stop() is False
    comfy.interrupted = True
    with pytest.raises(InterruptedError):
        host.should_stop()


def test_stand_alone_the_model_moves_to_the_first_accelerator(monkeypatch):
    monkeypatch.setattr(host, "compute_device", lambda: torch.device("meta"))
    model = small_model("rrdb")
    with host.on_device(model, 0):
        assert model.device.type == "meta"


def test_the_memory_asked_for_grows_with_tile_halo_and_network():
    small, large = small_model("rrdb"), UpscaleModel.create("rrdb", blocks=1)
    assert memory_needed(small, 64, 0) < memory_needed(small, 128, 0) < memory_needed(small, 128, 32)
    assert memory_needed(small, 64, 0) < memory_needed(large, 64, 0)
    assert memory_needed(large, 64, 0) >= 64 * 64 * large.floats_per_pixel * 4


@pytest.mark.parametrize("tile", [1, 15])
def test_a_tile_between_1_and_15_is_refused(tile):
    with pytest.raises(SengaError, match=f"tile is {tile}; expected 0 .* or 16 or more"):
        SengaUpscale().upscale(Recorder(), picture(5, 7), **{**DEFAULTS, "tile": tile})


@pytest.mark.parametrize("name", host.RETIRED)
def test_a_retired_file_is_answered_with_what_replaces_it(name):
    assert host.RETIRED[name] in host.shipped_upscale_models()
    assert name not in host.shipped_upscale_models()
    with pytest.raises(SengaError, match=f"no longer comes with Senga; choose {host.RETIRED[name]}, which replaces it"):
        host.upscale_model_path(name)
