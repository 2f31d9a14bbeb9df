"""The losses: their values, their gradients, and their sum by weight."""

import math

import numpy as np
import pytest
import torch
from sample_vgg import VGG16, dists_weights, noise_pictures, vgg_state
from senga.arch import SengaError
from senga.training.sr.losses.blurring import blur
from senga.training.sr.losses.table import (
    LOSSES,
    LUMA,
    NAMES,
    charbonnier,
    fft,
    low_frequency,
    make_loss,
    ms_ssim,
)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(vgg_state(), path)
    return path


def loss_named(name: str, vgg):
    """That loss alone, of two pictures; `ldl` with an average that is right, so that every place counts."""
    if name == "dists":
        path = vgg.parent / "dists.pt"
        torch.save(vgg_state(VGG16) | dists_weights(), path)
        return make_loss({name: 1.0}, dists_network=str(path))
    loss = make_loss({name: 1.0}, str(vgg) if name == "feature" else "")
    return (lambda a, b: loss(a, b, b)) if name == "ldl" else loss


# L1 has corners; waifu2x's gradient is on purpose another one; the weights of focal frequencies count as constants.
NOT_THEIR_OWN_SLOPE = ("l1", "waifu2x_huber", "focal_frequency")


class TestEveryLoss:
    @pytest.mark.parametrize("name", NAMES)
    def test_is_zero_for_equal_pictures_and_more_for_others(self, name, vgg):
        loss = loss_named(name, vgg)
        a, b = noise_pictures()
        assert loss(a, a)[0].item() == pytest.approx(0, abs=1e-6)
        near, far = loss(a + 0.01 * (b - a), a)[0].item(), loss(b, a)[0].item()
        assert 0 < near < far

    @pytest.mark.parametrize("name", NAMES)
    def test_a_step_down_its_gradient_lowers_it(self, name, vgg):
        loss = loss_named(name, vgg)
        a, b = noise_pictures()
        a.requires_grad_()
        before = loss(a, b)[0]
        before.backward()
        assert a.grad is not None
        assert torch.isfinite(a.grad).all()
        step = 1e-3 * a.grad / a.grad.abs().max()
        assert loss((a - step).detach(), b)[0] < before

    @pytest.mark.parametrize("name", [name for name in LOSSES if name not in NOT_THEIR_OWN_SLOPE])
    def test_its_gradient_is_the_numerical_one(self, name):
        a, b = (x[:1, :, :12, :12].double() for x in noise_pictures())
        assert torch.autograd.gradcheck(lambda x: LOSSES[name](x, b), a.requires_grad_(), fast_mode=True)


class TestValues:
    def test_luma_mse_weighs_the_difference_before_squaring(self):
        prediction, target = torch.zeros(1, 3, 1, 1), torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
        expected = ((0.1 * 0.89673) ** 2 + (0.2 * 1.75983) ** 2 + (0.3 * 0.34344) ** 2) / 3
        assert LOSSES["luma_mse"](prediction, target).item() == pytest.approx(expected, rel=1e-5)

    def test_waifu2x_multiplies_the_difference_first(self):
        target = torch.full((1, 3, 1, 1), 0.5)
        difference = torch.tensor([0.05, 0.2, 0.2]).view(1, 3, 1, 1)
        weighted = [d * w for d, w in zip((0.05, 0.2, 0.2), LUMA, strict=True)]
        # 0.045 and 0.069 lie inside gamma, where it is a square; green's 0.352 outside.
        expected = (0.5 * weighted[0] ** 2 + 0.1 * (weighted[1] - 0.05) + 0.5 * weighted[2] ** 2) / 3
        assert LOSSES["waifu2x_huber"](target + difference, target).item() == pytest.approx(expected, rel=1e-5)

    def test_waifu2x_clamps_the_prediction_but_not_the_gradient(self):
        """As its own updateGradInput: Huber's slope at the clamped, weighted difference, over the count."""
        prediction = torch.tensor([1.3, -0.4, 0.52]).view(1, 3, 1, 1).requires_grad_()
        target = torch.tensor([0.98, 0.4, 0.5]).view(1, 3, 1, 1)
        loss = LOSSES["waifu2x_huber"](prediction, target)
        loss.backward()
        weighted = [0.02 * LUMA[0], -0.4 * LUMA[1], 0.02 * LUMA[2]]
        expected = (0.5 * weighted[0] ** 2 + 0.1 * (0.4 * LUMA[1] - 0.05) + 0.5 * weighted[2] ** 2) / 3
        assert loss.item() == pytest.approx(expected, rel=1e-4)
        assert prediction.grad is not None
        gradient = [weighted[0] / 3, -0.1 / 3, weighted[2] / 3]
        torch.testing.assert_close(prediction.grad.flatten(), torch.tensor(gradient), rtol=1e-4, atol=1e-7)

    def test_charbonnier_is_nearly_l1_far_from_zero_and_a_square_near_it(self):
        zero = torch.zeros(1, 3, 2, 2)
        assert charbonnier(zero + 0.5, zero).item() == pytest.approx(math.hypot(0.5, 1e-3) - 1e-3, rel=1e-5)
        assert charbonnier(zero + 1e-5, zero).item() == pytest.approx(0.5 * 1e-10 / 1e-3, rel=1e-3)

    def test_fft_of_one_wave_is_the_height_of_its_line(self):
        wave = 0.1 * torch.cos(2 * torch.pi * 3 / 16 * torch.arange(16)).expand(1, 3, 16, 16)
        # One place of 16 x 9, of height 0.1 / 2 * 16 by the unitary transform, shared among real and imaginary parts.
        assert fft(wave, torch.zeros(1, 3, 16, 16)).item() == pytest.approx(0.1 / 2 * 16 / (16 * 9 * 2), rel=1e-5)

    def test_fft_does_not_grow_with_the_patch(self):
        torch.manual_seed(0)
        small, large = (fft(torch.randn(4, 3, side, side), torch.zeros(4, 3, side, side)) for side in (24, 96))
        assert small.item() == pytest.approx(large.item(), rel=0.03)

    def test_low_frequency_sees_the_tone_and_no_texture(self):
        target = noise_pictures(64, 64)[1] / 2
        y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
        texture = 0.2 * ((x + y) % 2 * 2.0 - 1)
        assert low_frequency(target + texture, target).item() == pytest.approx(0, abs=1e-6)
        assert low_frequency(target + texture + 3 / 255, target).item() == pytest.approx(3 / 255, rel=1e-3)

    def test_low_frequency_takes_small_pictures_whole(self):
        a, b = noise_pictures(9, 20)
        means = [(a - b)[..., :16].mean((2, 3)), (a - b)[..., 8:].mean((2, 3))]
        assert low_frequency(a, b).item() == pytest.approx(torch.stack(means).abs().mean().item(), rel=1e-5)


class TestMsSsim:
    @staticmethod
    def moments(picture: np.ndarray) -> np.ndarray:
        """Weighted means over every 11x11 window inside a (C, H, W) picture."""
        axis = np.arange(11) - 5
        line = np.exp(-0.5 * (axis / 1.5) ** 2)
        window = np.outer(line, line) / line.sum() ** 2
        return (np.lib.stride_tricks.sliding_window_view(picture, (11, 11), axis=(1, 2)) * window).sum((-2, -1))

    def reference(self, a: np.ndarray, b: np.ndarray, weights: list[float]) -> float:
        """The paper's formula in float64, window by window."""
        result = np.ones(len(a))
        for i, weight in enumerate(weights):
            if i:
                a, b = (p.reshape(len(p), p.shape[1] // 2, 2, p.shape[2] // 2, 2).mean((2, 4)) for p in (a, b))
            ma, mb = self.moments(a), self.moments(b)
            va, vb, cov = self.moments(a * a) - ma**2, self.moments(b * b) - mb**2, self.moments(a * b) - ma * mb
            similarity = (2 * cov + 0.0009) / (va + vb + 0.0009)
            if i + 1 == len(weights):
                similarity = similarity * (2 * ma * mb + 0.0001) / (ma**2 + mb**2 + 0.0001)
            result *= similarity.mean((1, 2)) ** weight
        return float(result.mean())

    def test_is_the_papers_formula_over_as_many_scales_as_fit(self):
        a, b = noise_pictures(96, 48)  # three scales fit into 48 pixels: 48, 24, 12
        b = 0.7 * a + 0.3 * b
        weights = [w / (0.0448 + 0.2856 + 0.3001) for w in (0.0448, 0.2856, 0.3001)]
        expected = [self.reference(a[i].double().numpy(), b[i].double().numpy(), weights) for i in range(2)]
        assert 1 - ms_ssim(a, b).item() == pytest.approx(sum(expected) / 2, abs=1e-5)

    def test_all_five_scales_have_the_papers_weights(self):
        a, b = noise_pictures(176, 176)
        b = 0.7 * a + 0.3 * b
        weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
        scaled = [weight / sum(weights) for weight in weights]
        expected = self.reference(a[0].double().numpy(), b[0].double().numpy(), scaled)
        assert sum(weights) == pytest.approx(1, abs=2e-4)
        assert 1 - ms_ssim(a[:1], b[:1]).item() == pytest.approx(expected, abs=1e-5)

    @pytest.mark.parametrize("side", [11, 21, 96, 100, 128])
    def test_patches_of_any_size_have_a_gradient(self, side):
        a, b = noise_pictures(side, side)
        a.requires_grad_()
        ms_ssim(a, 1 - a.detach() + 0 * b).backward()  # negatives: contrast below 0 everywhere
        assert a.grad is not None
        assert torch.isfinite(a.grad).all()

    def test_a_patch_below_the_window_is_an_error(self):
        with pytest.raises(SengaError, match="the patch has a side of 10 pixels; it needs 11"):
            ms_ssim(*noise_pictures(10, 40))


@pytest.mark.parametrize("side", [2, 5, 40])
def test_a_blur_mirrors_without_repeating_the_edge(side):
    """Also where the kernel is longer than the side, and the mirror must turn more than once."""
    x = torch.rand(1, 1, side, 33, generator=torch.Generator().manual_seed(side))
    offsets = np.arange(51) - 25
    line = np.exp(-0.5 * (offsets / 8.0) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    padded = np.pad(x[0, 0].double().numpy(), 25, mode="reflect")
    expected = (np.lib.stride_tricks.sliding_window_view(padded, (51, 51)) * kernel).sum((-2, -1))
    np.testing.assert_allclose(blur(x, 51, 8.0, mirror=True)[0, 0].numpy(), expected, atol=1e-6)


def test_a_blur_along_a_side_of_one_pixel_leaves_it():
    x = torch.tensor([0.2, 0.6]).view(2, 1, 1, 1)
    torch.testing.assert_close(blur(x, 51, 8.0, mirror=True), x)


def test_a_matrix_made_while_validating_serves_training():
    a, b = noise_pictures(37, 41)
    with torch.inference_mode():
        ms_ssim(a, b)
    a.requires_grad_()
    ms_ssim(a, b).backward()
    assert a.grad is not None


class TestMakeLoss:
    def test_sums_by_weight_and_tells_each_loss_before_its_weight(self):
        a, b = noise_pictures()
        a.requires_grad_()
        total, parts = make_loss({"l1": 2.0, "fft": 0.5, "charbonnier": 0.0})(a, b)
        assert list(parts) == ["l1", "fft"]
        assert parts["l1"].item() == pytest.approx((a - b).abs().mean().item())
        assert total.item() == pytest.approx(2 * parts["l1"].item() + 0.5 * parts["fft"].item(), rel=1e-6)
        assert total.requires_grad
        assert not any(part.requires_grad for part in parts.values())

    def test_computes_in_float32_under_autocast(self):
        a, b = noise_pictures(32, 32)
        loss = make_loss({"ms_ssim": 1.0, "l1": 1.0})
        with torch.autocast("cpu", dtype=torch.bfloat16):
            total, _ = loss(a, b)
        assert total.dtype == torch.float32
        assert total.item() == loss(a, b)[0].item()
        assert loss(a.bfloat16(), b)[0].dtype == torch.float32

    def test_a_loss_with_the_weight_0_needs_no_network(self):
        a, b = noise_pictures()
        total, terms = make_loss({"l1": 1.0, "feature": 0.0, "dists": 0.0})(a, b)
        assert total.item() == terms["l1"].item() == pytest.approx((a - b).abs().mean().item())
        assert list(terms) == ["l1"]

    @pytest.mark.parametrize(
        ("weights", "network", "message"),
        [
            ({"charbonier": 1.0}, "", "loss 'charbonier' is unknown; did you mean 'charbonnier'"),
            ({"zzz": 1.0}, "", "loss 'zzz' is unknown; it is one of l1, luma_mse, .*, feature"),
            ({"l1": -1.0}, "", "loss 'l1' has the weight -1.0; expected 0 or more"),
            ({"l1": math.nan}, "", "loss 'l1' has the weight nan"),
            ({"l1": 0.0}, "", "no loss has a weight above 0"),
            ({}, "", "no loss has a weight above 0"),
            ({"feature": 1.0}, "", "loss 'feature' needs a network"),
            ({"l1": 1.0}, "vgg.pth", "vgg.pth: no loss uses this network"),
            ({"dists": 1.0}, "", "loss 'dists' needs a network"),
            ({"feature": 1.0}, "nowhere.pth", "nowhere.pth: there is no such file"),
        ],
    )
    def test_faults_are_named(self, weights, network, message):
        with pytest.raises(SengaError, match=message):
            make_loss(weights, network)

    def test_a_network_whose_loss_is_off_is_not_read(self):
        a, b = noise_pictures()
        assert list(make_loss({"l1": 1.0, "feature": 0.0}, "nowhere.pth")(a, b)[1]) == ["l1"]

    def test_shapes_must_be_equal(self):
        with pytest.raises(SengaError, match=r"the prediction is \(2, 3, 24, 28\), its target \(1, 3, 24, 28\)"):
            make_loss({"l1": 1.0})(noise_pictures()[0], noise_pictures()[1][:1])
