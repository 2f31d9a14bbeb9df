"""Pairs whose HR is moved to where LR shows it: the measured shift is corrected, and everything else stays."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import drawing
from sample_runs import checkpoint, equal, tiny_config
from senga.arch import SengaError
from senga.training.run.settings import read_settings
from senga.training.sr import train as sr
from senga.training.sr.pairs.alignment import BORDER, best_shift, moved, usual_shift
from senga.training.sr.pairs.pair_checks import shift_of
from senga.training.sr.pairs.pair_set import open_pictures
from senga.training.sr.patches import batch
from senga.training.sr.settings import DataSettings, PairSettings, Settings

pytestmark = pytest.mark.usefixtures("quick_scores")

SIDE = 240
WHOLE = slice(0, SIDE)


def picture(seed: int, side: int = SIDE) -> Image.Image:
    white = Image.new("RGB", (side, side), (255, 255, 255))
    drawn = drawing(side, seed)
    white.paste(drawn, mask=drawn)
    return white


def shifted_lr(hr: Image.Image, down: float, right: float) -> Image.Image:
    """Half the size, things lower and further right by so many HR pixels."""
    affine = (1, 0, -right, 0, 1, -down)
    side = hr.width // 2
    return hr.transform(hr.size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC).resize(
        (side, side), Image.Resampling.BOX
    )


def make_pairs(folder: Path, shifts: list[tuple[float, float]]) -> PairSettings:
    for name in ("lr", "hr"):
        (folder / name).mkdir(parents=True)
    for i, (down, right) in enumerate(shifts):
        hr = picture(i)
        hr.save(folder / "hr" / f"{i}.png")
        shifted_lr(hr, down, right).save(folder / "lr" / f"{i}.png")
    return PairSettings(lr=(folder / "lr").as_posix(), hr=(folder / "hr").as_posix(), align=True)


def data(pair: PairSettings) -> DataSettings:
    return DataSettings(folder="nowhere", pairs=[pair], patch=16, batch=4, val_share=0.0)


def test_whole_pixels_are_moved_without_a_change():
    hr = np.asarray(picture(1))
    found = moved(hr, (3.0, -2.0), slice(10, 50), slice(20, 90))
    assert (found == hr[7:47, 22:92]).all()
    assert (moved(hr, (-4.0, 0.0), WHOLE, WHOLE)[-4:] == hr[-1]).all()  # edges go on


def test_fractions_move_a_smooth_picture_by_what_they_say():
    y, x = np.mgrid[0:64, 0:64].astype(np.float64)

    def wave(down: float, right: float) -> np.ndarray:
        grey = 128 + 100 * np.sin((y - down) / 2.5) * np.cos((x - right) / 3.0)
        return np.repeat(np.rint(grey)[..., None], 3, 2).astype(np.uint8)

    inner = slice(8, 56)
    found = moved(wave(0, 0), (0.4, -1.7), inner, inner).astype(int)
    assert np.abs(found - wave(0.4, -1.7)[inner, inner].astype(int)).max() <= 2


def test_a_part_is_what_the_whole_picture_has_there():
    hr = np.asarray(picture(2))
    whole = moved(hr, (1.3, 0.6), WHOLE, WHOLE)
    assert (moved(hr, (1.3, 0.6), slice(30, 70), slice(5, 99)) == whole[30:70, 5:99]).all()


def test_every_pair_is_aligned_by_its_own_shift(tmp_path, caplog):
    caplog.set_level("INFO", "senga")
    pair = make_pairs(tmp_path, [(1.0, 0.5), (1.0, 0.5), (1.0, 0.5), (-2.5, 3.0)])
    found = open_pictures(data(pair), 2).pairs[0]
    for twin in found.train:
        lr, hr = found.pixels(twin)
        assert hr.shape == (SIDE - 4 * BORDER, SIDE - 4 * BORDER, 3)
        assert max(map(abs, shift_of(lr, hr))) * 2 < 0.15  # HR pixels
    said = re.search(
        r"4 of 4 pairs looked at were shifted; HR is moved by (\S+) pixels down and (\S+) right", caplog.text
    )
    assert said
    assert [float(one) for one in said.groups()] == pytest.approx([1.0, 0.5], abs=0.15)
    assert "will learn the shift" not in caplog.text


def test_patches_are_aligned_and_the_same_in_another_process(tmp_path):
    settings = data(make_pairs(tmp_path, [(1.5, -1.0)] * 3))
    pictures = open_pictures(settings, 2)
    lr, hr = batch(pictures, settings, 2, 1, 0)
    means = hr.reshape(4, 3, 16, 2, 16, 2).mean((3, 5))
    unaligned = DataSettings(
        **{**vars(settings), "pairs": [PairSettings(**{**vars(settings.pairs[0]), "align": False})]}
    )
    before = open_pictures(unaligned, 2)
    lr_before, hr_before = batch(before, unaligned, 2, 1, 0)
    error_before = float((lr_before - hr_before.reshape(4, 3, 16, 2, 16, 2).mean((3, 5))).abs().mean())
    assert float((lr - means).abs().mean()) < error_before / 3
    sent = pickle.loads(pickle.dumps(pictures.parted(2)))
    assert all((a == b).all() for a, b in zip((lr, hr), batch(sent, settings, 2, 1, 0), strict=True))
    assert pictures.sha256 != before.sha256  # it changes what is learnt


def test_what_is_too_far_apart_is_an_error(tmp_path):
    pair = make_pairs(tmp_path, [(14.0, 0.0)] * 3)
    with pytest.raises(SengaError, match=r"LR is 14\.\d\d HR pixels lower .*align corrects 10 at most: crop"):
        open_pictures(data(pair), 2)


def test_a_shift_is_only_taken_where_it_leaves_less_of_a_difference():
    hr = picture(4)
    lr, still = np.asarray(shifted_lr(hr, 2.0, 0.0)), np.asarray(hr)
    assert best_shift(lr, still, (0.0, 0.0)) == pytest.approx((1.0, 0.0), abs=0.07)
    assert best_shift(np.asarray(shifted_lr(hr, 0, 0)), still, (3.0, 3.0)) == pytest.approx((0.0, 0.0), abs=0.07)
    flat = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert best_shift(flat[:120, :120], flat, (0.0, 0.0)) == (0.0, 0.0)
    assert usual_shift([(0.0, 0.0), (0.5, 1.0), (0.7, 1.0), (0.6, 1.0)]) == (0.6, 1.0)
    assert usual_shift([]) == (0.0, 0.0)


def test_a_run_on_aligned_pairs_that_was_cut_off_ends_with_the_same_bits(tmp_path):
    pair = make_pairs(tmp_path / "pairs", [(1.0, 0.5)] * 6)
    config = tiny_config(tmp_path, tmp_path)
    changes = [f'data.pairs=[{{lr = "{pair.lr}", hr = "{pair.hr}", align = true}}]', "data.val_share=0.5"]
    sr.train(read_settings(Settings, config, [*changes, "name=whole"]), "test")
    sr.train(read_settings(Settings, config, changes), "test")
    (tmp_path / "runs" / "tiny" / "checkpoint-0000006.pt").unlink()
    sr.train(read_settings(Settings, config, changes), "test")
    one, two = (checkpoint(tmp_path / "runs" / name, 6) for name in ("whole", "tiny"))
    assert equal(one["net"], two["net"])
