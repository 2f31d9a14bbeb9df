"""Dithers, blocks of pixels, and the blurs and filters beside them."""

from typing import Any

import numpy as np
import pytest
from sample_drawings import digest, drawing, why_bits_may_differ
from senga.training.degradation import Recipe, degrade
from senga.training.degradation.blur import disc_kernel
from senga.training.degradation.dither import METHODS, ORDERED, PALETTE_DITHERS, mask
from senga.training.degradation.resize import CUBICS, resize_to

# step and values: the digest of drawing() under seed 1.
GOLDEN = [
    ("dither", {"method": "atkinson"}, "bee0e6a51b92acea"),
    ("dither", {"method": "blue_noise", "levels": 4, "ink": "grey"}, "0dadfb30741f3424"),
    ("palette", {"colours": 12, "dither": "atkinson"}, "55f5cf0869121e25"),
    ("palette", {"colours": 12, "dither": "bayer_8"}, "baf3a594f1ed8869"),
    ("lens_blur", {"radius": 2.5}, "0a0cd1aa080df5ca"),
    ("median_blur", {"size": 5}, "01919abdb57e736c"),
    ("pixelate", {"size": 5}, "1fcb329493926a3b"),
    ("resize", {"factor": 0.6, "filter": "mitchell"}, "926f884f2053dc42"),
]
GREY = np.full((64, 64, 3), 90, np.uint8)


def run(step, picture=None, **values):
    recipe = Recipe.from_data({"steps": [{"step": step, **values}]})
    return degrade(drawing() if picture is None else picture, recipe, seed=1)[0]


@pytest.mark.skipif(bool(why_bits_may_differ()), reason=why_bits_may_differ())
@pytest.mark.parametrize(("step", "values", "expected"), GOLDEN)
def test_a_step_gives_the_recorded_picture(step, values, expected):
    assert digest(run(step, **values)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_dither_has_its_levels_and_keeps_the_mean(method):
    colours = run("dither", method=method, levels=3)
    assert set(np.unique(colours)) == {0, 128, 255}
    grey = run("dither", method=method, ink="grey")
    assert np.ptp(grey, axis=2).max() == 0
    flat = run("dither", GREY, method=method)
    assert set(np.unique(flat)) == {0, 255}
    # Four or sixteen thresholds are coarse; Atkinson drops a quarter of the error, so dark greys get darker.
    expected, most = {"bayer_2": (90, 32), "bayer_4": (90, 8), "atkinson": (75, 15)}.get(method, (90, 3))
    assert flat.mean() == pytest.approx(expected, abs=most)
    for level in (0, 255):
        solid = np.full((16, 16, 3), level, np.uint8)
        assert np.array_equal(run("dither", solid, method=method), solid)


@pytest.mark.parametrize("method", PALETTE_DITHERS)
def test_a_palette_has_no_more_than_its_colours(method):
    result = run("palette", colours=9, dither=method)
    assert 2 < len(np.unique(result.reshape(-1, 3), axis=0)) <= 9
    assert np.array_equal(run("palette", GREY, dither=method), GREY)
    if method != "none":
        assert not np.array_equal(result, run("palette", colours=9))


@pytest.mark.parametrize("method", ORDERED)
def test_a_mask_has_each_threshold_once(method):
    found = mask(method)
    assert np.array_equal(np.sort(found.ravel()), (np.arange(found.size) + 0.5) / found.size)
    assert np.abs(found - found.T).max() > 0


def test_blue_noise_lacks_low_waves():
    waves = np.abs(np.fft.fft2(mask("blue_noise") < 0.3)) ** 2
    wave = np.minimum(np.arange(64), 64 - np.arange(64))
    radius = np.hypot(wave[:, None], wave[None, :])
    low, high = waves[(radius > 0) & (radius < 8)].mean(), waves[radius > 16].mean()
    assert low < high / 10


@pytest.mark.parametrize("how", ["mean", "pick"])
def test_pixelation_leaves_squares_of_one_colour(how):
    picture = drawing(35, 50)
    result = run("pixelate", picture, size=8, how=how)
    for top in range(0, 35, 8):
        for left in range(0, 50, 8):
            block = result[top : top + 8, left : left + 8]
            assert (block == block[0, 0]).all()
    first = picture[:8, :8].astype(float).mean(axis=(0, 1)) if how == "mean" else picture[4, 4]
    assert np.abs(result[0, 0] - first).max() <= 0.5
    assert np.array_equal(run("pixelate", size=1, how=how), drawing())


def test_a_lens_makes_a_disc_of_a_point():
    kernel = disc_kernel(4.0)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[4, 1] == kernel[4, 4] == kernel[7, 4] == pytest.approx(1 / (np.pi * 16), rel=0.02)
    assert kernel[0, 0] == 0 < kernel[1, 1] < kernel[4, 1]
    assert np.array_equal(run("lens_blur", radius=0), drawing())


@pytest.mark.parametrize("size", [3, 7])
def test_the_median_is_the_middle_of_its_window_and_forgets_thin_lines(size):
    half = size // 2
    padded = np.pad(drawing(70, 9), ((half, half), (half, half), (0, 0)), mode="edge")
    result = run("median_blur", drawing(70, 9), size=size)
    for y, x in ((0, 0), (63, 4), (64, 8), (69, 2)):
        window = padded[y : y + size, x : x + size].reshape(-1, 3)
        assert np.array_equal(result[y, x], np.median(window, axis=0))
    line = GREY.copy()
    line[30] = 255
    assert np.array_equal(run("median_blur", line, size=size), GREY)


def test_catmull_rom_is_pillows_bicubic_and_the_others_are_softer_without_halos():
    image: Any = drawing().astype(np.float32) / 255
    for height, width in ((33, 41), (160, 200), (80, 50)):
        ours, theirs = (resize_to(image, height, width, name) for name in ("catmull_rom", "bicubic"))
        assert np.abs(ours - theirs).max() < 1e-5
    edge = np.zeros((4, 40, 3), np.float32)
    edge[:, 20:] = 1
    over = {name: resize_to(edge, 4, 120, name).max() - 1 for name in CUBICS}
    assert over["hermite"] < 1e-6
    assert 0.005 < over["mitchell"] < over["catmull_rom"]
