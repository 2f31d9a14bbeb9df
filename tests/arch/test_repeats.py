"""Tiles that are flat, repeated or transparent cost the network once, and not a bit of the picture changes."""

import logging

import pytest
import torch
from sample_engines import skip_without
from sample_upscalers import Recorder, picture, small_model
from senga.arch import repeats, upscale
from senga.arch.engines import engine
from senga.arch.repeats import Repeats


def dense(monkeypatch: pytest.MonkeyPatch, *arguments, **options) -> torch.Tensor:
    """Every tile through the network."""
    with monkeypatch.context() as patch:
        patch.setattr(Repeats, "find", lambda *_: None)
        patch.setattr(Repeats, "invisible", lambda *_: False)
        return upscale(*arguments, **options)


def counted(*arguments, **options) -> tuple[torch.Tensor, int]:
    """The result for a model that only enlarges, and how often it was called."""
    model = Recorder()
    out = upscale(model, *arguments, **options)
    return out, len(model.calls)


def page() -> torch.Tensor:
    """White, with a drawing in a corner."""
    image = torch.ones(1, 96, 128, 3)
    image[:, :20, :24] = picture(20, 24)
    return image


def tiles() -> torch.Tensor:
    """A pattern that repeats with the tiles."""
    return picture(16, 16).repeat(1, 6, 6, 1)


def still_frames() -> torch.Tensor:
    """A background, and a spot that moves."""
    frames = picture(48, 80).repeat(4, 1, 1, 1)
    for i in range(4):
        frames[i, 20:24, 10 * i : 10 * i + 4] = 0.5
    return frames


MODELS = ["dcscn", "rrdb", "compact", "drrn"]


@pytest.mark.parametrize("runs_by", ["plain", "torch", "ncnn"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("image", [page, tiles, still_frames])
def test_not_a_bit_differs_from_the_dense_run(monkeypatch, name, image, runs_by):
    if runs_by == "ncnn":
        skip_without(runs_by)
    monkeypatch.setenv(engine.VARIABLE, runs_by)
    model, options = small_model(name), {"tile": 16, "halo": 8, "precision": "fp32"}
    assert torch.equal(upscale(model, image(), **options), dense(monkeypatch, model, image(), **options))


@pytest.mark.parametrize("size", [None, (200, 150), (60, 50)])
def test_a_sprite_looks_the_same_to_the_bit(monkeypatch, size):
    model = small_model("compact")
    image = picture(80, 100, 4)
    y, x = torch.meshgrid(torch.arange(80), torch.arange(100), indexing="ij")
    image[..., 3] = ((x - 20) ** 2 + (y - 20) ** 2 < 144).float()
    options = {"tile": 16, "halo": 8, "size": size, "precision": "fp32"}
    found, expected = upscale(model, image, **options), dense(monkeypatch, model, image, **options)
    assert torch.equal(found[..., 3], expected[..., 3])
    visible = expected[..., 3] > 0
    assert torch.equal(found[visible], expected[visible])
    assert not visible.all()


def test_each_different_window_goes_through_once():
    _, calls = counted(torch.ones(3, 64, 64, 3), tile=16, halo=8)
    assert calls == 9  # corners, edges and middle differ in shape or in the place of the core
    _, calls = counted(picture(64, 64, frames=2), tile=16, halo=8)
    assert calls == 2 * 16
    _, calls = counted(picture(64, 64).repeat(5, 1, 1, 1), tile=16, halo=8)
    assert calls == 16


def test_frames_share_results_that_are_resized_afterwards():
    out, calls = counted(torch.ones(2, 64, 64, 3), tile=16, halo=8, scale=1.5)
    assert calls == 9
    assert torch.equal(out, torch.ones(2, 96, 96, 3))


def test_copies_are_kept_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(repeats, "COPIED", 40 * 2**10)  # three tiles of 32 x 32
    image = torch.ones(1, 48, 96, 3) * (torch.arange(96) // 16 % 3)[:, None] / 8  # three kinds of tiles
    options = {"tile": 16, "halo": 0}
    assert counted(image, **options, scale=1.5)[1] == 3
    monkeypatch.setattr(repeats, "COPIED", 25 * 2**10)  # two of them
    assert counted(image, **options, scale=1.5)[1] == 18
    assert counted(image, **options)[1] == 3  # views of the result take no memory


def test_transparent_tiles_need_a_halo_that_shows_what_is_near():
    image = picture(64, 64, 4)
    image[..., 3] = 0
    image[:, :4, :4, 3] = 1
    _, calls = counted(image, tile=16, halo=8)
    assert calls == 2  # the corner: colour and alpha
    _, calls = counted(image, tile=16, halo=1)
    assert calls > 2


@pytest.mark.parametrize(("make", "smaller"), [("sprite", True), ("page", True), ("dense", False)])
def test_smaller_tiles_are_taken_where_they_save_more_than_they_cost(make, smaller):
    """Chosen for each picture by itself, and the result is the same but for rounding."""
    image = picture(400, 400, 4 if make == "sprite" else 3)
    if make == "sprite":
        image[..., 3] = 0
        image[:, 150:250, 150:250, 3] = 1
    if make == "page":
        image[:, 100:] = 1
    out, calls = counted(image, halo=8)
    assert (calls > 8) == smaller
    assert torch.equal(counted(image.repeat(2, 1, 1, 1), halo=8)[0][:1], out)
    whole, _ = counted(image, halo=8, tile=400)
    seen = torch.ones_like(out[..., 0]).bool() if make != "sprite" else whole[..., 3] > 0
    assert torch.equal(out[seen], whole[seen])


def test_a_network_that_looks_at_the_whole_picture_has_no_smaller_tiles():
    image = torch.ones(1, 400, 400, 3)
    model = Recorder()
    vars(model)["whole_preferred"] = True
    upscale(model, image, halo=8)
    assert len(model.calls) == 1


def test_the_log_has_the_share_that_was_saved(caplog):
    with caplog.at_level(logging.INFO, "senga"):
        counted(torch.cat((picture(32, 32),) * 2), tile=16, halo=8)
        counted(picture(32, 32), tile=16, halo=8)
    assert [line for line in caplog.messages if "network" in line] == [
        "50 % of the pixels did not need the network: 50 % repeated, 0 % transparent"
    ]
