"""Steps of video, tape and screens: what each changes, and what it leaves."""

import math

import numpy as np
import pytest
from sample_drawings import digest, drawing, why_bits_may_differ
from senga.training.degradation import Recipe, degrade
from senga.training.degradation.analog import filtered, gaussian_taps
from senga.training.degradation.chroma import MATRICES, from_ycc, to_ycc
from senga.training.degradation.video import CODECS

# step and values: the digest of drawing() under seed 1.
GOLDEN = {
    "chroma": ({"subsampling": "4:1:1", "up": "mitchell", "decoded_as": "bt709"}, "b4362feefc5b32a2"),
    "composite": ({"system": "pal", "separation": "comb", "phase": 0.3}, "132cd6d38d4159cd"),
    "interlace": ({"shown": "blend", "motion_x": 2.5}, "efd574dc867f98d5"),
    "levels": ({"gamma": 1.3}, "bf1bbee34d3280b8"),
    "moire": ({"curve": 3.0}, "e1ef1b77c01a42e3"),
    "saturation": ({"hue": 30.0}, "710811e554819940"),
    "vhs": ({"dropouts": 5.0, "head_switch": 0.1}, "a2f26b8f51e26e81"),
    "video_shot": ({"codec": "mpeg2", "quantiser": 12}, "ef6bbbc2cd3158be"),
}


def run(step, picture=None, seed=1, **values):
    picture = drawing() if picture is None else picture
    return degrade(picture, Recipe.from_data({"steps": [{"step": step, **values}]}), seed=seed)[0]


def floats():
    """A drawing far from black and white, so that nothing clips."""
    return (drawing() * 0.4 + 76).astype(np.float32) / 255


@pytest.mark.skipif(bool(why_bits_may_differ()), reason=why_bits_may_differ())
@pytest.mark.parametrize("step", GOLDEN)
def test_a_step_gives_the_recorded_picture(step):
    values, expected = GOLDEN[step]
    assert digest(run(step, **values)) == expected


@pytest.mark.parametrize("matrix", MATRICES)
def test_luma_and_chroma_go_back_to_the_same_colours(matrix):
    planes = to_ycc(floats(), matrix)
    assert np.abs(from_ycc(*planes, matrix) - floats()).max() < 1e-6
    white = to_ycc(np.ones((1, 1, 3), np.float32), matrix)
    assert [float(plane[0, 0]) for plane in white] == pytest.approx([1, 0, 0], abs=1e-12)
    blue = to_ycc(np.array([[[0, 0, 1.0]]]), matrix)
    assert float(blue[1][0, 0]) == pytest.approx(0.5)


@pytest.mark.parametrize(("subsampling", "block"), [("4:2:0", (2, 2)), ("4:1:1", (1, 4)), ("4:1:0", (4, 4))])
@pytest.mark.parametrize("matrix", MATRICES)
def test_chroma_subsampling_keeps_luma_and_shares_chroma(subsampling, block, matrix):
    result = run("chroma", floats(), subsampling=subsampling, up="nearest", matrix=matrix)
    before, after = to_ycc(floats(), matrix), to_ycc(result, matrix)
    assert np.abs(before[0] - after[0]).max() < 1e-6
    assert np.abs(before[1] - after[1]).max() > 0.05
    down, across = block
    blocks = after[1].reshape(80 // down, down, 96 // across, across)
    assert np.abs(blocks - blocks[:, :1, :, :1]).max() < 1e-6


def test_another_matrix_shifts_colours_and_keeps_greys():
    assert np.abs(run("chroma", floats(), subsampling="4:4:4") - floats()).max() < 1e-6
    shifted = run("chroma", floats(), subsampling="4:4:4", matrix="bt601", decoded_as="bt709")
    assert np.abs(shifted - floats()).max() > 0.02
    grey = np.broadcast_to(floats()[..., :1], (80, 96, 3)).copy()
    assert np.abs(run("chroma", grey, matrix="bt601", decoded_as="bt709") - grey).max() < 1e-6


def test_levels_move_black_and_white_and_gamma_the_middle():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    washed = run("levels", ramp)
    assert (washed.min(), washed.max()) == (16, 235)
    crushed = run("levels", ramp, black=-18.6, white=278.3)
    assert np.count_nonzero((crushed == 0).all(axis=2)) in range(15, 18)
    assert np.abs(run("levels", washed, black=-18.63, white=278.29).astype(int) - ramp).max() <= 1
    dark = run("levels", ramp, black=0, white=255, gamma=2)
    assert dark[0, [0, 128, 255], 0].tolist() == [0, 64, 255]


def test_saturation_keeps_luma():
    assert np.abs(to_ycc(run("saturation", floats(), hue=60))[0] - to_ycc(floats())[0]).max() < 1e-6
    assert np.ptp(run("saturation", floats(), factor=0), axis=2).max() < 1e-6
    assert (
        np.abs(run("saturation", run("saturation", floats(), factor=1, hue=90), factor=1, hue=-90) - floats()).max()
        < 1e-5
    )


@pytest.mark.parametrize(("field", "kept"), [("odd", 0), ("even", 1)])
def test_interlacing_leaves_alternate_lines(field, kept):
    picture = drawing()
    combed = run("interlace", motion_x=3, field=field)
    assert np.array_equal(combed[kept::2], picture[kept::2])
    assert np.array_equal(combed[1 - kept :: 2, 3:], picture[1 - kept :: 2, :-3])
    bobbed = run("interlace", shown="bob", field=field)
    assert np.array_equal(bobbed[kept::2], picture[kept::2])
    rows = np.arange(1 + kept, 78, 2)
    neighbours = picture[rows - 1].astype(int) + picture[rows + 1]
    assert np.abs(2 * bobbed[rows].astype(int) - neighbours).max() <= 1
    blended = run("interlace", shown="blend", motion_x=3, field=field)
    assert np.abs(blended[:-1].astype(float) - (combed[:-1] / 2 + combed[1:] / 2)).max() <= 0.5


def flat_halves(vertical_edge):
    """Blue and orange of one luma, side by side or one above the other."""
    left, right = (np.array(c) for c in ((0.3, 0.45, 0.8), (0.75, 0.35, 0.1)))
    right = right + (to_ycc(left[None, None])[0] - to_ycc(right[None, None])[0])[0, 0]
    first = (np.arange(64) < 32)[None, :, None] if vertical_edge else (np.arange(64) < 32)[:, None, None]
    return np.where(first, left, right).repeat(64, 1 if not vertical_edge else 0).astype(np.float32)[:64, :64]


@pytest.mark.parametrize(("separation", "vertical_edge"), [("notch", True), ("comb", False)])
def test_dots_crawl_along_the_edges_of_colours_that_the_separation_cannot_see(separation, vertical_edge):
    picture = flat_halves(vertical_edge)
    result = run("composite", picture, dot_crawl=1, rainbow=0, separation=separation)
    wrong = np.abs(to_ycc(result)[0] - to_ycc(picture)[0])
    if not vertical_edge:
        wrong = wrong.T
    assert wrong[8:-8, 30:36].max() > 0.05
    assert wrong[8:-8, [16, 48]].max() < 0.01
    other = run("composite", flat_halves(not vertical_edge), dot_crawl=1, rainbow=0, separation=separation)
    clean = np.abs(to_ycc(other)[0] - to_ycc(flat_halves(not vertical_edge))[0])
    assert clean[8:-8, 8:-8].max() < wrong[8:-8, 8:-8].max() / 3


@pytest.mark.parametrize("system", ["ntsc", "pal"])
def test_rainbows_are_on_fine_lines_and_flat_grey_has_none(system):
    stripes = np.full((48, 96, 3), 0.5, np.float32)
    stripes[:, 48:] += 0.3 * np.sin(2 * np.pi / 3.6 * np.arange(48, dtype=np.float32))[None, :, None]
    colour = np.ptp(run("composite", stripes, rainbow=1, system=system), axis=2)
    assert colour[:, 58:86].max() > 0.1
    assert colour[:, 8:36].max() < 1e-3
    assert np.array_equal(run("composite", rainbow=0, dot_crawl=0), drawing())


def test_a_tape_blurs_delays_and_tears():
    quiet = dict.fromkeys(("luma_blur", "chroma_blur", "chroma_x", "chroma_y", "ringing", "jitter"), 0)
    quiet |= dict.fromkeys(("noise", "chroma_noise", "dropouts", "head_switch"), 0)
    assert np.array_equal(run("vhs", **quiet), drawing())
    late = run("vhs", floats(), **{**quiet, "chroma_x": 4})
    assert np.abs(to_ycc(late)[0] - to_ycc(floats())[0]).max() < 1e-5
    assert np.abs(to_ycc(late)[1][:, 4:] - to_ycc(floats())[1][:, :-4]).max() < 1e-5
    flat = np.full((60, 200, 3), 128, np.uint8)
    noisy = run("vhs", flat, **{**quiet, "noise": 10}).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.05)
    assert np.ptp(noisy, axis=2).max() <= 1
    assert (run("vhs", flat, **{**quiet, "dropouts": 20}).max(axis=(1, 2)) > 250).sum() > 3
    torn = run("vhs", **{**quiet, "head_switch": 0.1})
    assert np.array_equal(torn[:72], drawing()[:72])
    assert not np.array_equal(torn[79], drawing()[79])
    assert not np.array_equal(run("vhs", seed=2), run("vhs", seed=3))


def test_a_filter_along_the_lines_keeps_flat_ones_and_sums_to_1():
    taps = gaussian_taps(2.0)
    assert sum(taps) == pytest.approx(1)
    assert taps == taps[::-1]
    spread = sum(tap * (i - len(taps) // 2) ** 2 for i, tap in enumerate(taps))
    assert math.sqrt(spread) == pytest.approx(2, rel=0.05)
    assert np.allclose(filtered(np.full((2, 5), 0.3), taps), 0.3)
    assert gaussian_taps(0.0) == [1.0]


@pytest.mark.parametrize("codec", CODECS)
def test_a_shot_damages_with_the_quantiser_and_by_its_frame(codec):
    picture = drawing(57, 71)
    near, far = (run("video_shot", picture, codec=codec, quantiser=q, speed="veryfast") for q in (4, 31))
    errors = [np.mean((found.astype(float) - picture) ** 2) for found in (near, far)]
    assert near.shape == picture.shape
    assert errors[0] < min(errors[1] * 0.8, 900)
    key = run("video_shot", picture, codec=codec, quantiser=31, speed="veryfast", shown=1)
    assert not np.array_equal(key, far)
    assert np.array_equal(run("video_shot", picture, codec=codec, quantiser=31, speed="veryfast"), far)
    last, late = (run("video_shot", picture, codec=codec, speed="veryfast", frames=3, shown=n) for n in (3, 16))
    assert np.array_equal(last, late)


def test_moire_is_a_wide_beat_that_only_darkens():
    flat = np.full((100, 100, 3), 0.8, np.float32)
    grey = run("moire", flat, pitch=1.05, angle=0, channels="grey")
    assert np.ptp(grey, axis=2).max() == 0
    assert grey.max() <= np.float32(0.8)
    assert grey.min() == pytest.approx(0.8 * 0.7, abs=0.01)
    waves = np.abs(np.fft.rfft(grey[0, :, 0] - grey[0, :, 0].mean()))
    assert 100 / waves.argmax() == pytest.approx(21, abs=4)  # 1.05 / (1.05 - 1) pixels
    assert np.ptp(run("moire", flat, pitch=1.05), axis=2).max() > 0.1
