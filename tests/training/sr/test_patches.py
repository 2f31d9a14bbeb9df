"""The data stream: a batch is a function of seed and step alone, whoever cuts it; and the crops in it."""

import copy
import json
import threading
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from sample_picture_sets import SMALL, drawing, same
from senga.arch import SengaError
from senga.headless.cli import main
from senga.training.degradation import preset
from senga.training.run.sheet import CAPTION, GAP
from senga.training.sr import patches as data
from senga.training.sr.patches import batch, batches
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.recipes import damaged, described, mixture
from senga.training.sr.settings import DataSettings
from senga.training.sr.validation.scores import levels


def kept_bytes(pictures: PictureSet) -> int:
    """Of the decoded pictures that a set keeps."""
    return sum(picture.nbytes for picture in pictures._cache.values())


# --- the stream -------------------------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_step_alone(art):
    first, second = PictureSet(art, 1.0), PictureSet(art, 0.0)  # the second keeps nothing
    batch(second, SMALL, 2, 1, 7)
    for step in (3, 0):
        assert same(batch(first, SMALL, 2, 1, step), batch(second, SMALL, 2, 1, step))
    lr, hr = batch(first, SMALL, 2, 1, 0)
    assert lr.shape == (4, 3, 12, 12)
    assert hr.shape == (4, 3, 24, 24)
    assert 0 <= lr.min() < lr.max() <= 1
    assert not same((lr, hr), batch(first, SMALL, 2, 2, 0))
    assert not same((lr, hr), batch(first, SMALL, 2, 1, 1))


def test_batches_come_in_order_from_the_thread(art):
    pictures = PictureSet(art, 1.0)
    for steps in (range(5, 9), range(2, 3), range(0)):
        found = list(batches(pictures, SMALL, 2, 1, steps))
        assert len(found) == len(steps)
        assert all(same(pair, batch(pictures, SMALL, 2, 1, step)) for pair, step in zip(found, steps, strict=True))


def test_a_stream_that_is_left_early_ends_its_thread(art):
    before = threading.active_count()
    stream = batches(PictureSet(art, 1.0), SMALL, 2, 1, range(1000))
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_processes_cut_the_same_batches(art):
    pictures = PictureSet(art, 1.0)
    settings = DataSettings(patch=12, batch=4, degradation="senga_blind", workers=2)
    found = list(batches(pictures, settings, 2, 1, range(3)))
    assert len(found) == 3
    assert all(same(pair, batch(pictures, SMALL, 2, 1, step)) for step, pair in enumerate(found))


@pytest.mark.parametrize("world", [2, 4])
def test_the_parts_of_several_processes_are_the_batch_of_one(world, art):
    pictures = PictureSet(art, 1.0)
    parts = [batch(pictures, SMALL, 2, 1, 5, rank, world) for rank in range(world)]
    together = tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
    assert same(together, batch(pictures, SMALL, 2, 1, 5))
    streamed = list(batches(pictures, SMALL, 2, 1, range(5, 6), 1, world))
    assert same(streamed[0], parts[1])


def test_a_batch_that_cannot_be_dealt_out_is_named(art):
    with pytest.raises(SengaError, match=r"data\.batch is 4; expected a multiple of the 3 processes"):
        batch(PictureSet(art, 1.0), SMALL, 2, 1, 0, 0, 3)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_lr_and_hr_show_the_same_place(scale, art):
    """A shift of a pixel between them would cost decibels for ever."""
    settings = DataSettings(patch=24, batch=4, degradation="senga_clean")
    lr, hr = batch(PictureSet(art, 1.0), settings, scale, 1, 0)
    assert (torch.nn.functional.avg_pool2d(hr, scale) - lr).abs().mean() < 0.02


def test_a_net_that_keeps_the_size_learns_from_codecs_alone(art):
    pictures = PictureSet(art, 1.0)
    clean, hr = batch(pictures, DataSettings(patch=24, batch=8, degradation="bicubic"), 1, 1, 0)
    assert torch.equal(clean, hr)
    damaged, hr = batch(pictures, DataSettings(patch=24, batch=8, degradation="senga_blind"), 1, 1, 0)
    errors = (damaged - hr).abs().mean(dim=(1, 2, 3))
    assert 1 <= (errors == 0).sum() < 8  # three in ten are left as they are
    assert 0.001 < errors.mean() < 0.05


def test_the_degradation_damages_the_small_picture_alone(art):
    """The draws of the crop are the same, so the large pictures are equal and the small ones are not."""
    pictures = PictureSet(art, 1.0)
    (clean, hr), (damaged, hr2) = (
        batch(pictures, DataSettings(patch=24, batch=4, degradation=name), 2, 1, 0) for name in ("bicubic", "q50")
    )
    assert torch.equal(hr, hr2)
    assert 0.001 < (clean - damaged).abs().mean() < 0.1


def test_recipes_of_a_mixture_are_drawn_by_their_weights():
    hr = np.asarray(drawing(32, 0).convert("RGB"))
    rng = np.random.default_rng(0)
    weights = {"clean": 3, "q50": 1.0, "q95": 0.0}
    results = Counter(damaged(hr, weights, 2, rng)[0].tobytes() for _ in range(400))
    assert len(results) == 2
    assert 0.68 < results[damaged(hr, "clean", 2, rng)[0].tobytes()] / 400 < 0.82


def test_a_recipe_may_be_a_file_and_what_is_none_is_named(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(preset("yu45020_1").to_json())
    ((recipe, weight),) = mixture(path.as_posix(), 4)
    assert (recipe.name, recipe.scale, weight) == ("yu45020_1", 4.0, 1.0)
    assert json.loads(described(path.as_posix(), 4)[0][0])["steps"] == json.loads(recipe.to_json())["steps"]
    with pytest.raises(SengaError, match=r"nowhere\.json: cannot be read"):
        mixture("nowhere.json", 2)
    with pytest.raises(SengaError, match=r"data\.degradation is 'senga_blnd'; did you mean 'senga_blind'"):
        mixture({"bicubic": 1.0, "senga_blnd": 1.0}, 2)


def test_sources_are_drawn_by_their_shares(art, monkeypatch):
    pictures = PictureSet(art, 1.0)
    drawn: list[str] = []
    monkeypatch.setattr(PictureSet, "pixels", lambda self, row: drawn.append(row.source))
    settings = DataSettings(shares={"a": 3.0})
    for seed in range(400):
        data.draw_picture(pictures, settings, 50, np.random.default_rng(seed))
    assert 0.68 < drawn.count("a") / 400 < 0.82


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_cache_keeps_its_budget_and_forgets_the_oldest(art):
    one = 220 * 220 * 4
    pictures = PictureSet(art, 2.5 * one / 2**30)
    a, b, c, _ = pictures.train
    for row in (a, b, a, c):  # b was not asked for the longest
        pictures.pixels(row)
        assert kept_bytes(pictures) <= 2.5 * one
    assert pictures.pixels(a) is pictures.pixels(a)
    kept = pictures.pixels(c)
    pictures.pixels(b)
    assert kept_bytes(pictures) == 2 * one
    assert pictures.pixels(c) is kept


def test_threads_share_the_cache_without_losing_count(art):
    one = 220 * 220 * 4
    pictures = PictureSet(art, 2.5 * one / 2**30)

    def read(offset: int) -> None:
        for i in range(40):
            pictures.pixels(pictures.train[(i + offset) % 4])

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pictures._bytes == kept_bytes(pictures) <= 2.5 * one


def test_a_part_of_a_set_has_a_part_of_the_budget_and_travels_to_a_process(art):
    whole = PictureSet(art, 1.0)
    whole.pixels(whole.train[0])
    part = copy.deepcopy(whole.parted(4))  # by the same state that pickling takes
    assert part._budget == 2**28
    assert kept_bytes(part) == 0
    assert same(batch(part, SMALL, 2, 1, 0), batch(whole, SMALL, 2, 1, 0))


# --- validation -------------------------------------------------------------------------------------------------------


def test_a_preview_shows_the_patches_of_a_step(art, tmp_path, caplog):
    caplog.set_level("INFO", logger="senga")
    config = tmp_path / "a.toml"
    config.write_text(
        f'name = "a"\n[model]\narchitecture = "espcn_7"\n[data]\nfolder = "{art.as_posix()}"\npatch = 12\nbatch = 9\n'
        "shares = { a = 3.0 }\n[optim]\nsteps = 1\n"
    )
    assert main(["data", "preview", str(config), "--out", str(tmp_path / "a.png"), "--step", "2"]) == 0
    assert "a: 2 pictures to train on, 75 % of the patches" in caplog.text
    assert "a batch of 9, decoded: " in caplog.text
    with Image.open(tmp_path / "a.png") as image:
        # Two rows of LR and HR: eight pairs, and the ninth. Patches of 24 HR pixels are shown six times as large.
        assert image.size == (8 * (144 + GAP) + GAP, 4 * (CAPTION + 144 + GAP) + GAP)
        found = np.asarray(image)
    lr, hr = batch(PictureSet(art, 1.0), DataSettings(patch=12, batch=9, shares={"a": 3.0}), 2, 1, 2)
    left, top = slice(GAP, GAP + 144), GAP + CAPTION
    assert np.array_equal(found[top : top + 144 : 12, left][:, ::12], levels(lr[:1]))
    top += 144 + GAP + CAPTION
    assert np.array_equal(found[top : top + 144 : 6, left][:, ::6], levels(hr[:1]))
    assert main(["data", "preview", str(config), "--set", "data.patch=900", "--out", str(tmp_path / "b.png")]) == 1
