"""Metrics against values worked out by hand, and against the definitions written out plainly."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sample_upscalers import picture
from senga.arch import SengaError
from senga.arch.image import to_bchw
from senga.arch.pictures.metrics import compared, psnr_y, ssim_y
from senga.training.sr.validation.metrics import colour_shift, ssimulacra2


def pictures(count=2, side=32, seed=0):
    return to_bchw(picture(side, side, frames=count, seed=seed)).contiguous()


def smooth(side=48):
    """(1, 3, side, side): waves, between 0.2 and 0.8."""
    y, x = torch.meshgrid(torch.linspace(0, 9, side), torch.linspace(0, 7, side), indexing="ij")
    return torch.stack([(y + x).sin(), (y - x).cos(), (y * 0.7).sin()]).mul(0.3).add(0.5)[None]


def plain_ssim(image, reference, shave):
    """Wang et al. 2004, window by window, of (H, W, 3) arrays of levels."""
    planes = []
    for levels in (image, reference):
        y = levels.astype(np.float64) @ (65.481, 128.553, 24.966) / 255 + 16
        planes.append(y[shave:-shave, shave:-shave] if shave else y)
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    height, width = planes[0].shape
    values = []
    for top in range(height - 10):
        for left in range(width - 10):
            a, b = (p[top : top + 11, left : left + 11] for p in planes)
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            covariance = (window * (a - ma) * (b - mb)).sum()
            values.append((2 * ma * mb + c1) * (2 * covariance + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(values))


def test_equal_pictures_have_the_best_value_of_each():
    x = pictures(side=40)
    assert psnr_y(x, x, 2).tolist() == [100, 100]
    assert ssim_y(x, x, 2).tolist() == [1, 1]
    assert colour_shift(x, x).tolist() == [[0, 0, 0]] * 2


def test_psnr_of_a_step_of_one_level_is_that_of_its_luma():
    a = torch.full((1, 3, 16, 16), 100 / 255)
    grey = psnr_y(a + 1 / 255, a, 0)
    # One level in each channel is (65.481 + 128.553 + 24.966) / 255 = 219 / 255 of a level of luma.
    assert float(grey[0]) == pytest.approx(20 * np.log10(255 / (219 / 255)), abs=1e-3)
    green = a.clone()
    green[:, 1] += 3 / 255
    assert float(psnr_y(green, a, 0)[0]) == pytest.approx(20 * np.log10(255 / (3 * 128.553 / 255)), abs=1e-3)


def test_half_a_level_that_rounding_takes_away_costs_nothing():
    a = torch.full((1, 3, 16, 16), 100 / 255)
    assert float(psnr_y(a + 0.4 / 255, a, 0)[0]) == 100
    assert colour_shift(a + 0.4 / 255, a).tolist() == [[0, 0, 0]]


def test_the_shaved_border_is_not_looked_at():
    a = smooth()
    b = a.clone()
    b[..., :3, :] = b[..., :, -3:] = 0
    assert float(psnr_y(b, a, 3)[0]) == 100
    assert float(ssim_y(b, a, 3)[0]) == 1
    assert float(psnr_y(b, a, 2)[0]) < 40
    assert float(ssim_y(b, a, 2)[0]) < 1


@pytest.mark.parametrize("shave", [0, 2])
def test_ssim_is_the_papers_written_out(shave):
    generator = torch.Generator().manual_seed(1)
    a = smooth(30)
    for noise in (0.02, 0.2):
        b = (a + noise * torch.randn(a.shape, generator=generator)).clamp(0, 1)
        b_levels, a_levels = ((x[0].permute(1, 2, 0) * 255).round().numpy() for x in (b, a))
        assert float(ssim_y(b, a, shave)[0]) == pytest.approx(plain_ssim(b_levels, a_levels, shave), abs=1e-6)


@pytest.mark.parametrize("shave", [0, 2])
def test_ssim_is_that_of_torchmetrics(shave):
    import torchvision_cpu_shim  # noqa: F401 (torchmetrics imports torchvision)
    from torchmetrics.functional.image import structural_similarity_index_measure

    b, a = pictures(side=40), pictures(side=40, seed=1)
    luma_b, luma_a = (y.double() for y in compared(b, a, shave))
    _, full = structural_similarity_index_measure(luma_b, luma_a, sigma=1.5, data_range=1.0, return_full_image=True)
    theirs = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))  # it mirrors the border; the papers take whole windows alone
    assert ssim_y(b, a, shave).tolist() == pytest.approx(theirs.tolist(), abs=1e-6)


def test_every_picture_of_a_batch_has_its_own_value():
    a = smooth().expand(3, -1, -1, -1)
    b = a + torch.tensor([0.0, 4.0, 20.0]).view(3, 1, 1, 1) / 255
    for metric in (psnr_y, ssim_y):
        values = metric(b, a, 2)
        assert values.shape == (3,)
        assert values[0] > values[1] > values[2]
        assert values[1] == metric(b[1:2], a[1:2], 2)[0]


def test_the_colour_shift_is_signed_and_in_levels():
    a = torch.full((2, 3, 8, 8), 120 / 255)
    b = a.clone()
    b[0, 0] += 3 / 255
    b[0, 2] -= 5 / 255
    b[1, :, :4] += 2 / 255
    shift = colour_shift(b, a)
    assert shift.tolist() == [[3, 0, -5], [1, 1, 1]]
    assert shift.abs().amax(1).tolist() == pytest.approx([5, 1])


def test_ssimulacra2_orders_damage_and_looks_at_colour():
    pytest.importorskip("ssimulacra2")
    a = smooth(64)
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(2))
    b = torch.cat([a, (a + 0.02 * noise).clamp(0, 1), (a + 0.1 * noise).clamp(0, 1), a.flip(1)])
    equal, little, much, swapped = ssimulacra2(b, a.expand(4, -1, -1, -1))
    assert equal == 100
    assert equal > little > much
    assert swapped < little


def test_ssimulacra2_is_given_the_reference_first_and_eight_bits(monkeypatch):
    seen = []

    def compute(original, distorted):
        seen.append([np.asarray(Image.open(path)).tolist() for path in (original, distorted)])
        return len(seen)

    monkeypatch.setitem(sys.modules, "ssimulacra2", SimpleNamespace(compute_ssimulacra2=compute))
    image, reference = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    image[1, 2] = 100.4 / 255
    assert ssimulacra2(image, reference) == [1, 2]
    assert seen == [[[[[255] * 3] * 8] * 8, [[[0, 0, blue]] * 8] * 8] for blue in (0, 100)]


def test_without_its_package_ssimulacra2_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(SengaError, match=r"not installed; in the repository, run: pip install .* \"\.\[train\]\""):
        ssimulacra2(pictures(), pictures())


def test_sizes_that_cannot_be_compared_are_one_sentence():
    x = pictures(side=16)
    for metric in (psnr_y, ssim_y):
        with pytest.raises(SengaError, match=r"\(2, 3, 16, 15\)"):
            metric(x[..., 1:], x, 1)
        with pytest.raises(SengaError, match="nothing is left of 16x16 pixels without 8"):
            metric(x, x, 8)
    with pytest.raises(SengaError, match="10x10 pixels are left"):
        ssim_y(x, x, 3)
    with pytest.raises(SengaError, match="expected equal shapes"):
        colour_shift(x[..., 1:], x)
    with pytest.raises(SengaError, match="8 pixels a side"):
        ssimulacra2(x[..., :7], x[..., :7])


def test_psnr_is_the_papers_luma_psnr():
    """A grey difference of 10 levels is 10 * 219/255 in studio-range luma."""
    a, b = torch.full((1, 3, 16, 16), 100 / 255), torch.full((1, 3, 16, 16), 110 / 255)
    assert psnr_y(a, b, 2).item() == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)), abs=0.01)
    assert psnr_y(a, a, 2).item() == 100
    b[..., :2, :] = 1  # in the shaved border
    b[..., 2:-2, 2:-2] = a[..., 2:-2, 2:-2]
    assert psnr_y(a, b, 2).item() == 100
