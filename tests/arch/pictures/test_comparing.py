"""Two pictures compared: the numbers are those of arch/pictures/metrics.py, and each mode shows what it says."""

import pytest
import torch
from sample_upscalers import picture
from senga.arch import SengaError
from senga.arch.image import flatten, to_bchw
from senga.arch.pictures.comparing import GAIN, GAP, MODES, compare
from senga.arch.pictures.metrics import psnr_y, ssim_y


def test_the_numbers_are_means_of_the_frames():
    a, b = picture(20, 24, frames=2), picture(20, 24, frames=2, seed=1)
    found = compare(a, b)
    assert found.psnr == pytest.approx(float(psnr_y(to_bchw(a), to_bchw(b), 0).mean()), abs=1e-4)
    assert found.ssim == pytest.approx(float(ssim_y(to_bchw(a), to_bchw(b), 0).mean()), abs=1e-6)
    assert found.note == f"PSNR {found.psnr:.2f} dB, SSIM {found.ssim:.4f}; means of 2 frames"


def test_equal_pictures_say_so():
    a = picture(16, 16)
    found = compare(a, a.clone())
    assert (found.psnr, found.ssim, found.note) == (100.0, 1.0, "A and B are equal")


def test_another_size_is_resized_to_the_first_and_named():
    a = torch.full((1, 24, 30, 3), 0.4)
    found = compare(a, a[:, ::2, ::2])
    assert found.b.shape == (1, 24, 30, 3)
    assert found.note == "A and B are equal; B was resized from 15x12 to A's 30x24"


def test_one_frame_is_compared_with_each_of_a_batch_and_others_are_refused():
    a, b = picture(16, 16, frames=3), picture(16, 16, seed=1)
    assert compare(a, b).psnr == compare(b, a).psnr
    assert compare(a, b).picture("difference").shape[0] == 3
    with pytest.raises(SengaError, match="image_a has 3 frames and image_b 2"):
        compare(a, a[:2])


def test_transparency_is_white_and_grey_is_spread():
    image = torch.cat((torch.zeros(1, 16, 16, 3), torch.zeros(1, 16, 16, 1)), 3)
    assert compare(image, torch.ones(1, 16, 16, 1)).psnr == 100
    assert torch.equal(flatten(image, (0.25, 0.5, 1.0))[0, 0, 0], torch.tensor([0.25, 0.5, 1.0]))


def test_each_mode_shows_both():
    a, b = torch.full((1, 16, 20, 3), 0.25), torch.full((1, 16, 20, 3), 0.5)
    found = compare(a, b)
    beside = found.picture("side by side")
    assert beside.shape == (1, 16, 2 * 20 + GAP, 3)
    assert (beside[0, 0, 0, 0], beside[0, 0, -1, 0], beside[0, 0, 22, 0]) == (0.25, 0.5, 1.0)
    split = found.picture("slider")
    assert split[0, 0, :, 0].tolist() == [0.25] * 10 + [1.0] + [0.5] * 9
    assert found.picture("difference").unique().tolist() == [0.25 * GAIN]
    assert set(MODES) == {"slider", "side by side", "difference"}
    with pytest.raises(SengaError, match="mode is 'blink'"):
        found.picture("blink")


def test_a_picture_smaller_than_the_window_of_ssim_is_named():
    with pytest.raises(SengaError, match="image_a has 20x8 pixels"):
        compare(picture(8, 20), picture(8, 20))
