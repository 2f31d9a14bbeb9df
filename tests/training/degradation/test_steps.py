"""Each step does what its name says: kernels, filters, noise, codecs, print damage."""

import io
import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_drawings import drawing
from senga.arch import SengaError
from senga.training.degradation import KINDS, Recipe, degrade
from senga.training.degradation.blur import convolve, gaussian_kernel, motion_kernel, sinc_kernel
from senga.training.degradation.codecs import from_yuv420, to_yuv420
from senga.training.degradation.resize import FILTERS, resize, resize_to
from torch.nn import functional as F


def run(step, picture=None, seed=0, **values):
    picture = drawing() if picture is None else picture
    recipe = Recipe.from_data({"steps": [{"step": step, **values}]})
    return degrade(picture, recipe, seed=seed)[0]


def floats(picture=None) -> Any:
    return (drawing() if picture is None else picture).astype(np.float32) / 255


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


def test_every_step_runs_with_its_defaults_and_changes_what_it_should():
    unchanged = {"resize", "misregister"}  # by 1 and by 0 pixels
    for kind in KINDS:
        result = run(kind)
        assert result.shape == drawing().shape
        assert np.array_equal(result, drawing()) == (kind in unchanged), kind


def test_a_convolution_is_the_sum_it_says_with_a_mirrored_border():
    image = floats(drawing(12, 9))
    kernel = np.random.default_rng(0).random((5, 3))
    padded = F.pad(torch.from_numpy(image.transpose(2, 0, 1)).double(), (1, 1, 2, 2), mode="reflect")
    weight = torch.from_numpy(kernel[::-1, ::-1].copy()).expand(3, 1, 5, 3)
    wanted = F.conv2d(padded[None], weight, groups=3)[0].numpy().transpose(1, 2, 0)
    assert np.abs(convolve(image, kernel) - wanted).max() < 1e-5


@pytest.mark.parametrize("profile", ["normal", "generalised", "plateau"])
def test_gaussian_kernels_sum_to_1_and_turn(profile):
    kernel = gaussian_kernel(21, 3.0, 1.0, 0.0, profile, 1.5)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[10].sum() < kernel[:, 10].sum() * 4
    assert kernel[10, 14] > kernel[14, 10]  # wider along x
    turned = gaussian_kernel(21, 3.0, 1.0, math.pi / 2, profile, 1.5)
    assert np.allclose(turned, kernel.T)


def test_the_normal_profile_has_the_variance_asked_for():
    kernel = gaussian_kernel(51, 4.0, 0.0, 0.3, "normal", 1.0)
    axis = np.arange(51) - 25
    assert (kernel.sum(0) * axis**2).sum() == pytest.approx(16, rel=0.01)


def test_the_sinc_filter_keeps_low_waves_and_stops_high_ones():
    response = np.abs(np.fft.rfft2(sinc_kernel(21, math.pi / 2), (256, 256)))
    assert response[0, 0] == pytest.approx(1)
    assert response[0, 32] == pytest.approx(1, abs=0.2)  # pi / 4
    assert response[0, 100:].max() < 0.15


def test_a_motion_kernel_is_a_line_of_its_length():
    kernel = motion_kernel(9, 0.0)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel[kernel.shape[0] // 2] > 0.05).sum() in (9, 10)
    assert np.count_nonzero(kernel.sum(1) > 1e-9) == 1


def test_usm_sharpens_edges_and_leaves_flat_parts():
    picture = np.full((60, 60, 3), 90, np.uint8)
    picture[:, 30:] = 170
    result = run("sharpen", picture, radius=15)
    assert result[30, 27, 0] < 90
    assert result[30, 32, 0] > 170
    assert result[30, 2, 0] == 90
    assert np.array_equal(run("sharpen", picture, radius=15, threshold=200), picture)


@pytest.mark.parametrize("name", ["box", "bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize("factor", [0.4, 1.7])
def test_pillows_filters_are_pillows(name, factor):
    """With 256 levels bit for bit; in floats up to the rounding, where Pillow does not clip."""
    height, width = round(80 * factor), round(96 * factor)
    values = {"factor": factor, "filter": name, "of": "current", "light": "encoded", "depth": "8bit"}
    for picture in (drawing(), 100 + drawing() // 5):
        resampling = getattr(Image.Resampling, name.upper())
        wanted = np.asarray(Image.fromarray(picture).resize((width, height), resampling))
        assert np.array_equal(np.rint(resize(floats(picture), values, (80, 96)) * 255), wanted)
    assert np.abs(resize_to(floats(picture), height, width, name) * 255 - wanted).max() < 1.2


@pytest.mark.parametrize(("ours", "theirs"), [("bilinear_plain", "bilinear"), ("bicubic_plain", "bicubic")])
@pytest.mark.parametrize("size", [(33, 41), (160, 100), (1, 1)])
def test_the_plain_filters_are_torchs_without_antialiasing(ours, theirs, size: tuple[int, int]):
    x = torch.from_numpy(floats().transpose(2, 0, 1).copy())[None]
    wanted = F.interpolate(x, size, mode=theirs, align_corners=False)[0].numpy().transpose(1, 2, 0)
    assert np.abs(resize_to(floats(), size[0], size[1], ours) - wanted).max() < 1e-5


def test_area_is_the_mean_over_the_exact_area():
    x = torch.from_numpy(floats().transpose(2, 0, 1).copy())[None]
    wanted = F.interpolate(x, (20, 24), mode="area")[0].numpy().transpose(1, 2, 0)
    assert np.abs(resize_to(floats(), 20, 24, "area") - wanted).max() < 1e-5
    uneven = resize_to(floats(), 33, 50, "area")
    assert uneven.mean((0, 1)) == pytest.approx(floats().mean((0, 1)), abs=1e-4)


@pytest.mark.parametrize("name", FILTERS)
def test_no_filter_moves_the_picture_or_changes_a_flat_one(name):
    flat = np.full((31, 47, 3), 0.3, np.float32)
    assert np.abs(resize_to(flat, 12, 80, name) - 0.3).max() < 1e-6
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32)[:, None, None], (64, 64, 3))
    half = resize_to(ramp, 32, 32, name)[:, :, 0]
    assert np.abs(half[::-1] + half - 1).max() < 0.02  # nearest reads half a pixel off


def test_gamma_correct_resizing_mixes_light():
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[::2] = 255
    plain = Recipe.from_data({"scale": 2, "steps": [{"step": "resize", "of": "final", "filter": "box"}]})
    data = {"step": "resize", "of": "final", "filter": "box", "light": "linear"}
    linear = Recipe.from_data({"scale": 2, "steps": [data]})
    assert np.unique(degrade(stripes, plain)[0]).tolist() == [128]
    assert np.unique(degrade(stripes, linear)[0]).tolist() == [188]


def test_noise_has_the_strength_and_the_channels_asked_for():
    flat = np.full((200, 200, 3), 128, np.uint8)
    colour = run("gaussian_noise", flat, sigma=12).astype(float) - 128
    assert colour.std() == pytest.approx(12, rel=0.03)
    assert abs(np.corrcoef(colour[..., 0].ravel(), colour[..., 1].ravel())[0, 1]) < 0.02
    for kind in ("gaussian_noise", "poisson_noise", "salt_and_pepper"):
        grey = run(kind, flat, channels="grey")
        assert np.array_equal(grey[..., 0], grey[..., 1])
        assert grey.std() > 0
        assert not np.array_equal(run(kind, flat, seed=1), run(kind, flat, seed=2))


def test_poisson_noise_grows_with_the_light():
    picture = np.repeat(np.arange(0, 256, dtype=np.uint8), 40)[None, :, None].repeat(40, 0).repeat(3, 2)
    noise = run("poisson_noise", picture).astype(float) - picture
    dark, bright = noise[:, 1000:2000].std(), noise[:, 7000:8000].std()
    assert 1.5 * dark < bright
    assert bright == pytest.approx(255 * math.sqrt(187 / 255 / 256), rel=0.1)


def test_salt_and_pepper_hits_its_share():
    result = run("salt_and_pepper", np.full((200, 200, 3), 128, np.uint8), amount=0.1, channels="grey")
    hit = (result != 128).all(axis=2)
    assert hit.mean() == pytest.approx(0.1, abs=0.01)
    assert (result == 255).sum() == pytest.approx((result == 0).sum(), rel=0.15)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_is_pillows_jpeg(subsampling):
    buffer = io.BytesIO()
    Image.fromarray(drawing()).save(buffer, "JPEG", quality=40, subsampling=subsampling)
    assert np.array_equal(run("jpeg", quality=40, subsampling=subsampling), np.asarray(Image.open(buffer)))


def test_further_passes_and_shifts_do_further_damage():
    once = run("jpeg", quality=50)
    assert np.array_equal(run("jpeg", once, quality=50), once) is False
    recipe = Recipe.from_data({"steps": [{"step": "jpeg", "quality": 50, "shift_x": [0, 7], "then": [10, [20, 25]]}]})
    result, report = degrade(drawing(), recipe, seed=2)
    steps = report.entries[0].steps
    assert [step.values["quality"] for step in steps[:2]] == [50, 40]
    assert 25 <= steps[2].values["quality"] <= 30
    assert all("then" not in step.values for step in steps)
    assert psnr(result, drawing()) < psnr(once, drawing())
    assert not np.array_equal(run("jpeg", quality=50, shift_x=3), once)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_lower_quality_is_further_from_the_source(kind):
    near, far = (psnr(run(kind, quality=q), drawing()) for q in (95, 15))
    assert near > far + 3
    assert near > 25


@pytest.mark.parametrize("codec", ["h264", "h265", "mpeg4", "mpeg2"])
def test_video_codecs_damage_with_the_quantiser_and_keep_odd_sizes(codec):
    picture = drawing(57, 91)
    near, far = (run("video", picture, codec=codec, quantiser=q) for q in (5, 31))
    assert near.shape == far.shape == picture.shape
    assert psnr(near, picture) > psnr(far, picture) + 2
    assert psnr(near, picture) > 20
    assert np.array_equal(run("video", picture, codec=codec, quantiser=31), far)
    assert not np.array_equal(run("video", picture, codec=codec, quantiser=31, shift_x=5, shift_y=3), far)


def test_our_yuv_conversion_keeps_greys_and_flat_colours():
    flat = floats(np.full((8, 6, 3), (200, 40, 90), np.uint8))
    assert np.abs(from_yuv420(*to_yuv420(flat)) - flat).max() < 2.5 / 255
    grey = floats(np.repeat(np.arange(48).reshape(8, 6, 1) * 5, 3, axis=2))
    assert np.abs(from_yuv420(*to_yuv420(grey)) - grey).max() < 1.5 / 255


@pytest.mark.parametrize("step", ["video", "video_shot"])
def test_video_without_pyav_says_what_to_install(step, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    command = r"pip install -c constraints\.txt \"\.\[video\]\""
    with pytest.raises(SengaError, match=f"step video: PyAV is not installed; in the repository, run: {command}"):
        run(step)


def test_a_picture_too_large_for_a_codec_is_refused_in_one_sentence():
    wide = np.zeros((1, 17000, 3), np.uint8)
    with pytest.raises(SengaError, match=r"step webp: the codec refused 17000 x 1 pixels .*; give a smaller picture"):
        run("webp", wide)
    with pytest.raises(SengaError, match=r"step video: h264 refused 17000 x 32 pixels .*; give a smaller picture"):
        run("video", wide)


def test_a_halftone_keeps_the_mean_and_prints_black_and_white_solid():
    for level in (0, 64, 128, 192, 255):
        flat = np.full((120, 120, 3), level, np.uint8)
        for ink in ("black", "colour"):
            result = run("halftone", flat, period=6, ink=ink, softness=0.05)
            assert result.mean() == pytest.approx(level, abs=8)
            if level in (0, 255):
                assert np.array_equal(result, flat)
            else:
                assert result.std() > 60
    assert np.array_equal(run("halftone", blend=0), drawing())


def test_banding_and_palettes_leave_so_many_colours():
    ramp = np.linspace(0, 255, 90 * 90).astype(np.uint8).reshape(90, 90, 1).repeat(3, 2)
    assert len(np.unique(run("banding", ramp, levels=5))) == 5
    assert np.array_equal(run("banding", levels=256), drawing())
    plain = run("palette", ramp, colours=6)
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 6
    dithered = run("palette", ramp, colours=6, dither="floyd_steinberg")
    assert len(np.unique(dithered.reshape(-1, 3), axis=0)) <= 6
    assert not np.array_equal(plain, dithered)


def test_misregistration_moves_colour_and_not_the_drawing():
    picture = drawing()
    red = run("misregister", what="red", x=3, y=-2)
    assert np.array_equal(red[..., 1:], picture[..., 1:])
    assert np.array_equal(red[:-2, 3:, 0], picture[2:, :-3, 0])
    chroma = run("misregister", picture, what="chroma", x=1.5)
    luma = [p.astype(float) @ [0.299, 0.587, 0.114] for p in (picture, chroma)]
    kept = ((chroma > 0) & (chroma < 255)).all(axis=2)  # where nothing was clipped
    assert np.abs(luma[0] - luma[1])[kept].max() < 1.01
    assert not np.array_equal(chroma, picture)
