"""LDL, focal frequency, wavelets and colour, each against its paper's formula written out independently."""

import math

import numpy as np
import pytest
import torch
from sample_runs import checkpoint, equal, tiny_config
from sample_vgg import noise_pictures
from senga.training.run.settings import read_settings
from senga.training.sr import train as sr
from senga.training.sr.gan import wavelet_details
from senga.training.sr.losses.artifacts import artifact_map, ldl
from senga.training.sr.losses.colours import colour, oklab_chroma
from senga.training.sr.losses.spectra import BANDS, SYM7, focal_frequency, wavelet, wavelet_bands
from senga.training.sr.settings import Settings


def test_focal_frequency_is_the_papers_formula():
    a, b = noise_pictures(8, 6)
    total = 0.0
    for i in range(2):
        for c in range(3):
            spectra = [np.fft.fft2(x[i, c].double().numpy()) / math.sqrt(48) for x in (a, b)]
            distance = np.abs(spectra[0] - spectra[1])
            total += (distance / distance.max() * distance**2).sum()
    assert focal_frequency(a, b).item() == pytest.approx(total / (2 * 3 * 48), rel=1e-5)


class TestWavelets:
    def test_the_filter_is_orthonormal_with_seven_vanishing_moments(self):
        taps = np.array(SYM7)
        assert taps.sum() == pytest.approx(math.sqrt(2), abs=1e-9)
        for shift in range(0, 14, 2):
            assert (taps[shift:] * taps[: 14 - shift]).sum() == pytest.approx(float(shift == 0), abs=1e-9)
        high = taps[::-1] * (-1.0) ** np.arange(14)
        for power in range(7):
            assert (high * np.arange(-7, 7) ** power).sum() == pytest.approx(0, abs=1e-8)
        assert abs((high * np.arange(-7, 7) ** 7).sum()) > 1

    def test_bands_are_those_of_sums_written_out(self):
        picture = noise_pictures(9, 16)[0][:1]  # a side shorter than the filter: it wraps twice
        low, high = np.array(SYM7) / math.sqrt(2), np.array(SYM7)[::-1] * (-1.0) ** np.arange(14)
        y = np.tensordot([0.299, 0.587, 0.114], picture[0].double().numpy(), 1)

        def along(values: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
            return np.stack([tap * np.roll(values, 7 - k, axis) for k, tap in enumerate(taps)]).sum(0)

        expected = [along(along(y, rows, 0), columns, 1) for rows in (low, high) for columns in (low, high)]
        np.testing.assert_allclose(wavelet_bands(picture)[0].numpy(), np.stack(expected), atol=1e-5)

    def test_the_loss_weighs_the_bands_and_the_discriminator_sees_the_high_ones(self):
        a, b = noise_pictures()
        bands = [wavelet_bands(x) for x in (a, b)]
        means = [(bands[0][:, i] - bands[1][:, i]).abs().mean().item() for i in range(4)]
        assert wavelet(a, b).item() == pytest.approx(sum(w * m for w, m in zip(BANDS, means, strict=True)), rel=1e-4)
        torch.testing.assert_close(wavelet_details(a), bands[0][:, 1:])
        flat = wavelet_details(torch.full((1, 3, 20, 20), 0.7))
        assert float(flat.abs().max()) < 1e-5  # tone and colour are not there


class TestColour:
    @pytest.mark.parametrize(
        ("rgb", "chroma"),  # the values of a and b that the author's page and CSS Color 4 give
        [
            ((1, 0, 0), (0.22486, 0.12585)),
            ((0, 1, 0), (-0.23389, 0.17950)),
            ((0, 0, 1), (-0.03246, -0.31153)),
            ((0.5, 0.5, 0.5), (0, 0)),
        ],
    )
    def test_oklab_has_the_published_values(self, rgb, chroma):
        found = oklab_chroma(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1)).flatten()
        assert found.tolist() == pytest.approx(chroma, abs=1e-3)

    def test_lightness_costs_nothing_and_a_tint_its_chroma(self):
        grey = torch.full((1, 3, 30, 30), 0.5)
        assert colour(grey + 0.2, grey).item() == pytest.approx(0, abs=1e-4)
        tinted = grey * torch.tensor([1.1, 1.0, 0.9]).view(1, 3, 1, 1)
        assert colour(tinted, grey).item() == pytest.approx(oklab_chroma(tinted).abs().mean().item(), rel=1e-2)

    def test_black_and_what_is_out_of_range_have_a_gradient(self):
        x = torch.tensor([0.0, 1.4, -0.2, 0.04045]).view(1, 1, 2, 2).repeat(1, 3, 1, 1).requires_grad_()
        colour(x, torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))).backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()


class TestLdl:
    def test_is_the_papers_formula(self):
        target, prediction = noise_pictures(10, 12)
        average = prediction + 0.3 * (torch.rand(2, 3, 10, 12, generator=torch.Generator().manual_seed(1)) - 0.5)
        expected = np.zeros((2, 10, 12))
        for i in range(2):
            residual, before = (np.abs((target - x)[i].double().numpy()).sum(0) for x in (prediction, average))
            padded = np.pad(residual, 3, mode="reflect")
            for y in range(10):
                for x in range(12):
                    local = padded[y : y + 7, x : x + 7].var(ddof=1)
                    expected[i, y, x] = (residual[y, x] >= before[y, x]) * local * residual.var(ddof=1) ** 0.2
        found = artifact_map(prediction, target, average)
        np.testing.assert_allclose(found[:, 0].numpy(), expected, atol=1e-5)
        assert 0 < (found == 0).sum() < found.numel()
        error = (prediction - target).abs().double().numpy()
        assert ldl(prediction, target, average).item() == pytest.approx((expected[:, None] * error).mean(), rel=1e-4)

    def test_no_gradient_goes_through_the_map(self):
        target, prediction = noise_pictures(8, 8)
        weights = artifact_map(prediction, target, target)
        assert float(weights.min()) > 0  # the average is better everywhere
        prediction.requires_grad_()
        ldl(prediction, target, target).backward()
        expected = weights * (prediction - target).sign().detach() / prediction.numel()
        assert prediction.grad is not None
        torch.testing.assert_close(prediction.grad, expected)

    @pytest.mark.usefixtures("quick_scores")
    def test_a_run_with_it_that_was_cut_off_ends_with_the_same_bits(self, tmp_path, art):
        config = tiny_config(tmp_path, art)
        losses = "loss.weights={l1 = 1.0, ldl = 1.0, wavelet = 1.0, focal_frequency = 0.1, colour = 0.1}"
        changes = [losses, "gan.weight=0.1", "gan.features=4", "gan.wavelet=true"]
        sr.train(read_settings(Settings, config, changes), "test")
        folder = tmp_path / "runs" / "tiny"
        whole = checkpoint(folder, 6)
        (folder / "checkpoint-0000006.pt").unlink()
        sr.train(read_settings(Settings, config, changes), "test")
        again = checkpoint(folder, 6)
        assert all(equal(whole[name], again[name]) for name in ("net", "discriminator", "optimiser_0", "average"))
