"""The discriminator, the GAN losses by hand, and the sharpened targets against the degradation step of that name."""

import math

import numpy as np
import pytest
import torch
from senga.training.degradation.blur import sharpen
from senga.training.sr.gan import UNetDiscriminator, usm_sharpen
from senga.training.sr.losses.gan_losses import GAN_LOSSES, discriminator_loss, generator_loss
from torch import Tensor, nn


def small(seed: int = 0) -> UNetDiscriminator:
    torch.manual_seed(seed)
    return UNetDiscriminator(features=4)


class TestDiscriminator:
    def test_has_the_papers_layers(self):
        net = UNetDiscriminator()
        assert sum(p.numel() for p in net.parameters()) == 4_376_897
        shapes = [tuple(m.weight.shape) for m in net.modules() if isinstance(m, nn.Conv2d)]
        down = [(128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
        up = [(256, 512, 3, 3), (128, 256, 3, 3), (64, 128, 3, 3)]
        assert shapes == [(64, 3, 3, 3), *down, *up, (64, 64, 3, 3), (64, 64, 3, 3), (1, 64, 3, 3)]

    @pytest.mark.parametrize(("height", "width"), [(32, 24), (8, 8), (50, 43)])
    def test_says_how_real_each_pixel_is(self, height, width):
        assert small()(torch.rand(2, 3, height, width)).shape == (2, 1, height, width)

    def test_the_kernels_between_the_first_and_the_last_have_spectral_norm_one(self):
        net = small()
        with torch.no_grad():
            for _ in range(50):
                net(torch.rand(1, 3, 16, 16))
        for layer in [*net.down, *net.up, *net.extra]:
            assert isinstance(layer, torch.nn.Conv2d)
            norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
            assert norm == pytest.approx(1, abs=0.02)

    def test_a_checkpoint_holds_the_estimates_too(self):
        net, other = small(), small(seed=1)
        x = torch.rand(1, 3, 16, 16)
        for _ in range(3):
            net(x)
        other.load_state_dict(net.state_dict())
        assert torch.equal(net(x), other(x))

    @pytest.mark.parametrize("kind", GAN_LOSSES)
    def test_learns_to_tell_noise_from_stripes(self, kind):
        net = small()
        optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
        real = (torch.arange(16) % 4 / 3).expand(4, 3, 16, 16)
        fake = torch.rand(4, 3, 16, 16)
        losses = []
        for _ in range(25):
            loss = discriminator_loss(kind, fake=net(fake), real=net(real))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[1] < losses[0]
        assert losses[-1] < 0.5 * losses[0]
        assert net(real).mean() > net(fake).mean()

    @pytest.mark.parametrize("kind", GAN_LOSSES)
    def test_a_step_of_the_generators_makes_its_picture_look_more_real(self, kind):
        net = small().eval().requires_grad_(False)
        real, picture = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16, requires_grad=True)
        before = generator_loss(kind, fake=net(picture), real=net(real))
        before.backward()
        assert picture.grad is not None
        better = (picture - 1e-3 * picture.grad / picture.grad.abs().max()).detach()
        assert generator_loss(kind, fake=net(better), real=net(real)) < before
        assert net(better).mean() > net(picture).mean()


def cross_entropy(logit: float, real: bool) -> float:
    return -math.log(1 / (1 + math.exp(-logit if real else logit)))


class TestLosses:
    FAKE, REAL = (-1.0, 0.5), (2.0, 1.0)

    @staticmethod
    def map_of(logits: tuple[float, ...]) -> Tensor:
        return torch.tensor(logits).view(len(logits), 1, 1, 1)

    def both(self, kind: str) -> tuple[float, float]:
        fake, real = self.map_of(self.FAKE), self.map_of(self.REAL)
        generator = generator_loss(kind, fake=fake, real=real)
        return generator.item(), discriminator_loss(kind, fake=fake, real=real).item()

    def test_vanilla_by_hand(self):
        generator = sum(cross_entropy(x, real=True) for x in self.FAKE) / 2
        discriminator = sum(
            cross_entropy(x, real=True) + cross_entropy(y, real=False)
            for x, y in zip(self.REAL, self.FAKE, strict=True)
        )
        assert self.both("vanilla") == pytest.approx((generator, discriminator / 2), rel=1e-5)

    def test_relativistic_by_hand(self):
        fake, real = -0.25, 1.5  # the means
        generator = sum(cross_entropy(x - real, real=True) for x in self.FAKE) / 2
        generator += sum(cross_entropy(x - fake, real=False) for x in self.REAL) / 2
        discriminator = sum(cross_entropy(x - fake, real=True) for x in self.REAL) / 2
        discriminator += sum(cross_entropy(x - real, real=False) for x in self.FAKE) / 2
        assert self.both("relativistic") == pytest.approx((generator / 2, discriminator / 2), rel=1e-5)

    def test_undecided_costs_log_two(self):
        zero = torch.zeros(2, 1, 3, 3)
        for kind, (generator, discriminator) in {"vanilla": (1, 2), "relativistic": (1, 1)}.items():
            assert generator_loss(kind, fake=zero, real=zero).item() == pytest.approx(generator * math.log(2))
            assert discriminator_loss(kind, fake=zero, real=zero).item() == pytest.approx(discriminator * math.log(2))

    def test_only_the_relativistic_generator_looks_at_the_real(self):
        fake, real = self.map_of(self.FAKE), self.map_of(self.REAL)
        for kind in GAN_LOSSES:
            before, after = (generator_loss(kind, fake=fake, real=logits) for logits in (real, real + 1))
            assert torch.equal(before, after) == (kind == "vanilla")

    @pytest.mark.parametrize("kind", GAN_LOSSES)
    def test_huge_logits_stay_finite(self, kind):
        large = torch.full((1, 1, 2, 2), 1e4)
        losses = (generator_loss(kind, fake=-large, real=large), discriminator_loss(kind, fake=large, real=-large))
        assert all(1e3 < loss.item() < math.inf for loss in losses)


class TestSharpening:
    @staticmethod
    def picture(height: int, width: int) -> Tensor:
        """Edges and soft shades, so that the mask is neither empty nor full."""
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        edges = ((x // 13 + y // 17) % 2) * 0.6 + 0.2
        shade = 0.2 + 0.6 * x / width
        return torch.stack((edges, torch.where(y < height // 2, edges, shade), shade)).expand(2, 3, height, width)

    @pytest.mark.parametrize(("height", "width"), [(96, 128), (20, 60)])
    def test_is_the_degradation_steps_sharpening(self, height, width):
        picture = self.picture(height, width)
        found = usm_sharpen(picture)
        parameters = {"amount": 0.5, "radius": 50, "threshold": 10.0}
        image = np.ascontiguousarray(np.moveaxis(picture[0].numpy(), 0, 2))
        expected = torch.from_numpy(np.moveaxis(sharpen(image, parameters), 2, 0).copy())
        torch.testing.assert_close(found[0], expected, atol=2e-6, rtol=0)
        assert torch.equal(found[0], found[1])
        assert (found - picture).abs().max() > 0.05

    def test_flat_pictures_and_soft_shades_stay(self):
        shade = self.picture(96, 128)[:, 2:]
        torch.testing.assert_close(usm_sharpen(torch.full((1, 3, 40, 40), 0.3)), torch.full((1, 3, 40, 40), 0.3))
        assert (usm_sharpen(shade)[..., 30:-30] - shade[..., 30:-30]).abs().max() < 1e-6

    def test_is_float32_and_in_range_whatever_autocast_says(self):
        picture = self.picture(40, 40)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = usm_sharpen(picture)
        assert torch.equal(found, usm_sharpen(picture))
        assert 0 <= found.min() <= found.max() <= 1
