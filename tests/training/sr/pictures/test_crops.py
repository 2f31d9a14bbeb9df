"""Which square is cut from a picture, and what colours it takes."""

import numpy as np
import pytest
import torch
from PIL import Image
from sample_picture_sets import same
from senga.arch import SengaError
from senga.training.sr.patches import GRAIN_LEVELS, batch, grained, recoloured
from senga.training.sr.pictures.crops import cut, difficulty
from senga.training.sr.pictures.picture_files import flatten
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import DataSettings


def corner(side: int = 400, busy: int = 100) -> np.ndarray:
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[:busy, :busy, :3] = np.random.default_rng(0).integers(0, 256, (busy, busy, 3))
    return picture


def test_crops_with_content_inside_their_margin_are_preferred():
    found = [cut(corner(), 64, (1.0, 1.0), np.random.default_rng(seed), scale=2) for seed in range(60)]
    assert sum(crop[16:-16, 16:-16].std() > 3 for crop in found) > 12  # one crop in sixteen would be, at random


def test_a_flat_picture_gives_a_crop_all_the_same():
    flat = np.full((80, 80, 3), 200, np.uint8)
    assert (cut(flat, 64, (0.5, 1.0), np.random.default_rng(0), among=3) == 200).all()


def test_mined_crops_are_those_on_which_lanczos_fails():
    """One half of the picture is a soft gradient, the other fine lines; both have content."""
    picture = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[:, None, None], 400, axis=1).repeat(3, axis=2)
    picture[:, 200:] = np.where(np.arange(200)[None, :, None] // 2 % 2, 255, 0)

    def lined(among: int) -> float:
        crops = [cut(picture, 64, (1.0, 1.0), np.random.default_rng(seed), 2, among) for seed in range(60)]
        return float(np.mean([difficulty(Image.fromarray(crop).convert("L"), 2) for crop in crops]))

    assert lined(4) > 1.2 * lined(1)


def test_mining_is_as_repeatable_as_all_else_and_takes_its_share(art):
    pictures = PictureSet(art, 1.0)
    none, all_, half = (DataSettings(patch=12, batch=16, hard_crops=p, hard_crops_among=5) for p in (0.0, 1.0, 0.5))
    assert same(batch(pictures, all_, 2, 1, 0), batch(pictures, all_, 2, 1, 0))
    a, b, c = (batch(pictures, settings, 2, 1, 0)[1] for settings in (none, all_, half))
    like = [(torch.equal(z, x), torch.equal(z, y)) for x, y, z in zip(a, b, c, strict=True)]
    assert all(plainly or hard for plainly, hard in like)
    assert (True, False) in like
    assert (False, True) in like


def test_recoloured_lines_keep_their_shape_and_take_any_colour():
    black_line = np.full((20, 20, 3), 255, np.uint8)
    black_line[9:11] = 0
    made = [recoloured(black_line, np.random.default_rng(seed)) for seed in range(200)]
    for crop in made:
        line, ground = crop[9, 0], crop[0, 0]
        assert (crop[9:11] == line).all()
        assert (crop[:9] == ground).all()
        assert (crop[11:] == ground).all()
        assert (line != ground).any()
    lines = np.stack([crop[9, 0] for crop in made])
    assert ((lines == 0) | (lines == 255)).all(axis=1).any()  # pure colours
    assert {tuple(line > 127) for line in lines} == {(r, g, b) for r in (0, 1) for g in (0, 1) for b in (0, 1)}
    contrast = np.abs(lines.astype(int) - np.stack([crop[0, 0] for crop in made])).mean()
    assert contrast > 128  # of two random levels: about 100
    shades = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    for channel in recoloured(shades, np.random.default_rng(0))[0].astype(int).T:
        steps = np.diff(channel)
        assert (steps >= 0).all() or (steps <= 0).all()


def test_channels_change_places():
    red_line = np.zeros((4, 4, 3), np.uint8)
    red_line[1, :, 0] = 255
    made = [recoloured(red_line, np.random.default_rng(seed)) for seed in range(50)]
    changed = [tuple((crop[1, 0] != crop[0, 0]).tolist()) for crop in made]
    assert {channels for channels in changed if sum(channels)} == {tuple(i == k for i in range(3)) for k in range(3)}


def test_lr_and_hr_are_recoloured_alike_in_their_share_of_the_patches(art):
    pictures = PictureSet(art, 1.0)
    plain, some = (DataSettings(patch=24, batch=16, degradation="senga_clean", recolour=p) for p in (0.0, 0.5))
    (_, hr), (lr, recoloured_hr) = batch(pictures, plain, 2, 1, 0), batch(pictures, some, 2, 1, 0)
    assert same(batch(pictures, some, 2, 1, 0), (lr, recoloured_hr))
    kept = [torch.equal(a, b) for a, b in zip(hr, recoloured_hr, strict=True)]
    assert 2 < sum(kept) < 14
    reduced = torch.nn.functional.avg_pool2d(recoloured_hr, 2)
    assert (lr - reduced).abs().mean() < 0.03


def test_grain_keeps_the_colour_and_is_grey_or_coloured_fine_or_soft():
    flat = np.full((96, 96, 3), (180, 120, 90), np.uint8)
    made = [grained(flat, np.random.default_rng(seed)).astype(float) - flat for seed in range(60)]
    assert all(np.abs(grain.mean((0, 1))).max() < 1 for grain in made)
    strengths = [grain.std() for grain in made]
    assert GRAIN_LEVELS[0] * 0.9 < min(strengths) < 3
    assert 12 < max(strengths) < GRAIN_LEVELS[1] * 1.1
    strong = [grain for grain, strength in zip(made, strengths, strict=True) if strength > 4]
    alike = [np.corrcoef(grain[..., 0].ravel(), grain[..., 2].ravel())[0, 1] for grain in strong]
    assert min(alike) < 0.1
    assert np.median(alike) > 0.95
    neighbours = [np.corrcoef(grain[:, 1:, 0].ravel(), grain[:, :-1, 0].ravel())[0, 1] for grain in strong]
    assert min(neighbours) < 0.1
    assert max(neighbours) > 0.7


def test_grain_is_in_lr_and_hr_of_its_share_of_the_patches(art):
    pictures = PictureSet(art, 1.0)
    plain, some = (DataSettings(patch=24, batch=16, degradation="senga_clean", grain=p) for p in (0.0, 0.5))
    (_, hr), (lr, grained_hr) = batch(pictures, plain, 2, 1, 0), batch(pictures, some, 2, 1, 0)
    assert same(batch(pictures, some, 2, 1, 0), (lr, grained_hr))
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(hr, grained_hr, strict=True)])
    assert 2 < kept.sum() < 14
    grain = torch.nn.functional.avg_pool2d(grained_hr - hr, 2)[~kept]
    in_lr = (lr - torch.nn.functional.avg_pool2d(hr, 2))[~kept]
    assert torch.corrcoef(torch.stack([grain.flatten(), in_lr.flatten()]))[0, 1] > 0.5


def test_clear_parts_take_a_background():
    clear = np.zeros((80, 80, 4), np.uint8)
    clear[20:60, 20:60] = (255, 0, 0, 255)
    grounds = {tuple(cut(clear, 80, (1.0, 1.0), np.random.default_rng(seed))[0, 0].tolist()) for seed in range(20)}
    assert (255, 255, 255) in grounds
    assert len(grounds) > 5
    half = np.full((1, 1, 4), (200, 100, 0, 128), np.uint8)
    exact = np.rint(np.array([200, 100, 0]) * (128 / 255) + np.array([10, 20, 30]) * (127 / 255))
    assert flatten(half, np.array([10, 20, 30], np.uint8))[0, 0].tolist() == exact.tolist()


def test_pictures_too_small_for_a_crop_are_passed_over(art):
    pictures = PictureSet(art, 1.0)
    assert sum(map(len, pictures.sources(220).values())) == 4
    with pytest.raises(SengaError, match=r"no training picture has the 221 pixels a side .* largest has 220"):
        pictures.sources(221)
