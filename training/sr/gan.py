"""Training against a discriminator: the network, its steps, the sharpened targets. Its losses: losses/gan_losses.py.

Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833) trains with L1 and perceptual losses against `usm_sharpen`ed targets
and 0.1 times the vanilla GAN loss, its discriminator shown the targets as they are. Give the generator's losses some
`low_frequency` (losses/table.py) as well, or its colours may drift.
"""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ...arch.precision import autocast
from ..run.scaling import scaler_of
from .losses.blurring import blur
from .losses.gan_losses import accuracies, discriminator_loss, generator_loss
from .losses.spectra import wavelet_bands
from .losses.table import mean_terms
from .settings import GanSettings


class UNetDiscriminator(nn.Module):
    """How real each place of a picture looks: (B, channels, H, W) in [0, 1] -> logits (B, 1, H, W).

    Real-ESRGAN's U-Net with spectral normalisation (Wang et al. 2021, section 3.4; Miyato et al. 2018,
    arXiv:1802.05957), 4,376,897 parameters at 64 features. Sides of 8 pixels or more, multiples of 8 or not.

    In training mode every call brings the estimates of the spectral norms forward; they are buffers and so part of
    the state_dict.
    """

    def __init__(self, features: int = 64, channels: int = 3) -> None:
        super().__init__()
        f = features

        def conv(ins: int, outs: int, kernel: int, stride: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(ins, outs, kernel, stride, padding=1, bias=False))

        self.first = nn.Conv2d(channels, f, 3, padding=1)
        self.down = nn.ModuleList(conv(ins, 2 * ins, 4, 2) for ins in (f, 2 * f, 4 * f))
        self.up = nn.ModuleList(conv(ins, ins // 2, 3, 1) for ins in (8 * f, 4 * f, 2 * f))
        self.extra = nn.ModuleList(conv(f, f, 3, 1) for _ in range(2))
        self.last = nn.Conv2d(f, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x), 0.2)
        skips = []
        for layer in self.down:
            skips.append(x)
            x = F.leaky_relu(layer(x), 0.2)  # (B, 128, H/2), (B, 256, H/4), (B, 512, H/8)
        for layer in self.up:
            skip = skips.pop()
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(x), 0.2) + skip
        for layer in self.extra:
            x = F.leaky_relu(layer(x), 0.2)
        return self.last(x)


@torch.no_grad()
def usm_sharpen(picture: Tensor, *, radius: int = 50, amount: float = 0.5, threshold: float = 10.0) -> Tensor:
    """Real-ESRGAN's sharper targets: unsharp masking where it exceeds a threshold, with a soft mask.

    The same arithmetic as the degradation step `sharpen`, for batches of patches on any device.

    Args:
        picture: (B, C, H, W) in [0, 1].
        radius: of the Gaussian blur, in pixels; its kernel has the next odd number of taps.
        amount: how much of the difference from the blurred picture is added.
        threshold: the difference, in levels of 255, below which nothing is.

    Returns:
        (B, C, H, W) float32 in [0, 1].
    """
    taps = radius // 2 * 2 + 1
    sigma = 0.3 * ((taps - 1) * 0.5 - 1) + 0.8  # OpenCV's rule for a Gaussian of this size
    with autocast(picture.device, "fp32"):
        picture = picture.float()
        residue = picture - blur(picture, taps, sigma, mirror=True)
        soft = blur((residue.abs() * 255 > threshold).float(), taps, sigma, mirror=True).clamp(0, 1)
        sharp = (picture + amount * residue).clamp(0, 1)
        return soft * sharp + (1 - soft) * picture


def wavelet_details(picture: Tensor) -> Tensor:
    """(B, 3, H, W): the high bands LH, HL and HH of the luma, float32. What WGSR's discriminator sees (Korkmaz, Tekalp
    and Dogan 2024, arXiv:2402.19215), so that it judges details and has no say in tone and colour."""
    with autocast(picture.device, "fp32"):
        return wavelet_bands(picture.float())[:, 1:]


def _whole(picture: Tensor) -> Tensor:
    return picture


class GanStep:
    """The discriminator of a run with its optimiser: the generator's adversarial loss, and its own step.

    Args:
        fabric: puts it on the device; averages its gradients over processes.
        settings: kind, learning_rate, features, wavelet.
        channels: of the pictures.
    """

    def __init__(self, fabric: Fabric, settings: GanSettings, channels: int) -> None:
        self.fabric, self.kind = fabric, settings.kind
        self.view = wavelet_details if settings.wavelet else _whole
        self.unwrapped = UNetDiscriminator(features=settings.features, channels=3 if settings.wavelet else channels).to(
            memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.net = fabric.setup_module(self.unwrapped)
        self.optimiser = torch.optim.AdamW(self.unwrapped.parameters(), settings.learning_rate, weight_decay=0.0)

    def generator_loss(self, fake: Tensor, real: Tensor) -> Tensor:
        """The generator's loss. Gradients reach `fake` alone."""
        self.unwrapped.requires_grad_(False)
        with self.fabric.autocast():
            logits = self.unwrapped(self.view(fake)), self.unwrapped(self.view(real))
        self.unwrapped.requires_grad_(True)
        return generator_loss(self.kind, fake=logits[0], real=logits[1])

    def update(self, batch: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """One step of the discriminator on a detached batch, given in equal parts (fake, real) of it.

        Returns `loss_discriminator`, `accuracy_fake` and `accuracy_real`, means over the parts.
        """
        self.unwrapped.zero_grad(set_to_none=True)
        found = []
        for i, (fake, real) in enumerate(batch, 1):
            waits = self.fabric.world_size > 1 and i < len(batch)
            with self.fabric.no_backward_sync(self.net) if waits else nullcontext():
                # One call for both, or the processes would average half of the gradient.
                logits = self.net(self.view(torch.cat((fake, real)))).chunk(2)
                loss = discriminator_loss(self.kind, fake=logits[0], real=logits[1])
                self.fabric.backward(loss / len(batch))
            seen = accuracies(self.kind, fake=logits[0], real=logits[1])
            found.append({"loss_discriminator": loss.detach(), **seen})
        if scaler := scaler_of(self.fabric):
            scaler.step(self.optimiser)
        else:
            self.optimiser.step()
        return mean_terms(found)
