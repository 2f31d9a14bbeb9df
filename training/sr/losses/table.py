"""Losses by name: (prediction, target), both (B, 3, H, W) in [0, 1], -> scalar, 0 where the two are equal.

`make_loss` puts several together by weight. Those that need a file or more than two pictures: features.py, dists.py,
artifacts.py.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ....arch import SengaError
from ....arch.precision import autocast
from .artifacts import ldl
from .blurring import blur
from .colours import colour
from .dists import Dists
from .features import FeatureLoss
from .spectra import focal_frequency, wavelet

Loss = Callable[[Tensor, Tensor], Tensor]

# waifu2x's luma weights, times 3 so that a grey error weighs as much as in plain RGB.
LUMA = (3 * 0.29891, 3 * 0.58661, 3 * 0.11448)

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first; Wang et al. 2003, section 3.2
SSIM_TAPS, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
LOW_FREQUENCY_SIDE = 16  # pixels


def _luma(like: Tensor) -> Tensor:
    return torch.tensor(LUMA, device=like.device, dtype=like.dtype).view(1, 3, 1, 1)


def luma_mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error with each colour's difference weighted by its share of the luma, as yu45020/Waifu2x trains."""
    return ((prediction - target) * _luma(prediction)).square().mean()


def waifu2x_huber(prediction: Tensor, target: Tensor) -> Tensor:
    """waifu2x's loss (its ClippedWeightedHuberCriterion), value and gradient.

    The difference between the prediction clamped to [0, 1] and the target is multiplied by the luma weights, then
    Huber's loss with gamma 0.1 is taken. waifu2x computes the gradient by hand: it is that of Huber's loss at the
    weighted difference, neither stopped by the clamp nor multiplied by the weights once more (the chain rule would
    square them and all but forget blue).
    """
    weighted = (prediction.clamp(0, 1) - target) * _luma(prediction)
    straight_through = prediction + (weighted - prediction).detach()
    return F.huber_loss(straight_through, torch.zeros_like(weighted), delta=0.1)


def charbonnier(prediction: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """L1 that is smooth around 0: sqrt(difference^2 + epsilon^2), as in LapSRN (Lai et al. 2017, arXiv:1704.03915).

    Epsilon is taken off, so that equal pictures give 0; the gradient is the same.
    """
    # (sqrt(d^2 + e^2) - e) as a quotient: the difference would lose small errors to rounding.
    squared = (prediction - target).square()
    return (squared / ((squared + epsilon**2).sqrt() + epsilon)).mean()


def fft(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between the real and the imaginary parts of the two spectra.

    The multi-scale frequency loss of MIMO-UNet (Cho et al. 2021, arXiv:2108.05054, equation 7) at one scale. The
    transform is scaled by 1 / sqrt(HW), so that the value does not grow with the patch; the paper's is not: its weight
    of 0.1 is 0.1 * sqrt(HW) here.
    """
    spectrum = torch.fft.rfft2(prediction - target, norm="ortho")
    return torch.view_as_real(spectrum).abs().mean()


def low_frequency(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between local means, over squares of 16 pixels that overlap by half (or the whole of a smaller picture).

    A guard for training with a discriminator. A network that is rewarded for texture is free to shift the tone below
    it, since L1 and the perceptual loss hardly see a few levels of it: Real-ESRGAN's issues 745, 210, 148, 285 and 793
    report colours that drift as fine-tuning goes on, skin that turns yellow and pictures that go grey. Here nothing
    but the tone is left, and texture, whose mean over a square is 0, costs nothing.
    """
    sides = [min(LOW_FREQUENCY_SIDE, side) for side in prediction.shape[-2:]]
    steps = [max(1, side // 2) for side in sides]
    return F.avg_pool2d(prediction - target, sides, steps, ceil_mode=True).abs().mean()  # ceil: the last edges count


def ms_ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - MS-SSIM (Wang, Simoncelli and Bovik 2003), each colour by itself.

    A Gaussian window of 11 taps and sigma 1.5, only where it is inside; halved by 2x2 means. The paper's five scales
    need 176 pixels. A smaller patch gets as many scales as keep the window inside it (four from 88 pixels, three from
    44), with the first weights, scaled to sum to 1. Contrast below 0 (a patch that is the negative of its target)
    counts as 0.001, since the fractional powers have no gradient there.

    Raises:
        SengaError: a side is shorter than 11 pixels.
    """
    side = min(prediction.shape[-2:])
    scales = sum(side >> i >= SSIM_TAPS for i in range(len(MS_SSIM_WEIGHTS)))
    if scales == 0:
        raise SengaError(f"ms_ssim: the patch has a side of {side} pixels; it needs {SSIM_TAPS}: raise data.patch")
    weights = [weight / sum(MS_SSIM_WEIGHTS[:scales]) for weight in MS_SSIM_WEIGHTS[:scales]]
    a, b = prediction, target
    similarity = torch.ones(a.shape[:2], device=a.device, dtype=a.dtype)
    for i, weight in enumerate(weights):
        if i:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        moments = blur(torch.cat((a, b, a * a, b * b, a * b), dim=1), SSIM_TAPS, SSIM_SIGMA, mirror=False)
        mean_a, mean_b, square_a, square_b, product = moments.chunk(5, dim=1)
        variances = square_a - mean_a.square() + square_b - mean_b.square()
        found = (2 * (product - mean_a * mean_b) + SSIM_C2) / (variances + SSIM_C2)
        if i + 1 == scales:  # luminance is compared at the coarsest scale alone
            found = found * (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
        similarity = similarity * found.mean(dim=(2, 3)).clamp_min(1e-3) ** weight
    return 1 - similarity.mean()


LOSSES: dict[str, Loss] = {
    "l1": F.l1_loss,
    "luma_mse": luma_mse,
    "charbonnier": charbonnier,
    "waifu2x_huber": waifu2x_huber,
    "ms_ssim": ms_ssim,
    "fft": fft,
    "low_frequency": low_frequency,
    "focal_frequency": focal_frequency,
    "wavelet": wavelet,
    "colour": colour,
}
FEATURE, DISTS, LDL = "feature", "dists", "ldl"
NAMES = (*LOSSES, FEATURE, DISTS, LDL)


def mean_terms(terms: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each term over several results, or parts of a batch."""
    return {name: torch.stack([one[name] for one in terms]).mean() for name in terms[0]}


class LossOf(Protocol):
    """(prediction, target[, what the averaged weights make of the same LR]), all (B, 3, H, W) in [0, 1] -> the sum of
    the losses, to be minimised, and each by name before its factor, detached."""

    def __call__(
        self, prediction: Tensor, target: Tensor, average: Tensor | None = None, /
    ) -> tuple[Tensor, dict[str, Tensor]]: ...


def make_loss(
    weights: Mapping[str, float], feature_network: str = "", dists_network: str = "", dists_weights: str = ""
) -> LossOf:
    """A weighted sum of losses. The arithmetic is float32 whatever autocast does; networks' convolutions follow it.

    Args:
        weights: name (one of NAMES) -> factor, 0 or more; a loss with factor 0 is not computed. "ldl" needs the third
            argument of what is returned.
        feature_network: the weights file of the loss "feature"; see `FeatureLoss`.
        dists_network, dists_weights: the two files of the loss "dists"; see `Dists`.

    Raises:
        SengaError: an unknown name (the nearest is named), a negative factor, no factor above 0, a network that is
            missing or that nothing asks for, or (on a call) two shapes.
    """
    for name, weight in weights.items():
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(NAMES)}"
            raise SengaError(f"loss {name!r} is unknown; {hint}")
        if not 0 <= weight < float("inf"):
            raise SengaError(f"loss {name!r} has the weight {weight}; expected 0 or more")
    if not any(weights.values()):
        raise SengaError(f"no loss has a weight above 0; give one to any of {', '.join(NAMES)}")
    for name, file in ((FEATURE, feature_network), (DISTS, dists_network)):
        if weights.get(name) and not file:
            raise SengaError(f"loss {name!r} needs a network; name its weights file, or leave the loss out")
        if name not in weights and file:
            raise SengaError(f"{file}: no loss uses this network; give {name!r} a weight, or leave it out")
    used = {name: weight for name, weight in weights.items() if weight}
    networks: dict[str, Loss] = {}
    if FEATURE in used:
        networks[FEATURE] = FeatureLoss(Path(feature_network))
    if DISTS in used:
        networks[DISTS] = Dists(Path(dists_network), Path(dists_weights) if dists_weights else None)

    def loss_of(
        prediction: Tensor, target: Tensor, average: Tensor | None = None, /
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if prediction.shape != target.shape:
            shapes = f"{tuple(prediction.shape)}, its target {tuple(target.shape)}"
            raise SengaError(f"the prediction is {shapes}; the two must be equal")
        prediction, target = prediction.float(), target.float()
        found = {name: network(prediction, target) for name, network in networks.items()}
        with autocast(prediction.device, "fp32"):
            for name in used:
                if name in LOSSES:
                    found[name] = LOSSES[name](prediction, target)
            if LDL in used:
                assert average is not None, "ldl compares with the averaged weights"
                found[LDL] = ldl(prediction, target, average.float())
        total = torch.stack([found[name] * weight for name, weight in used.items()]).sum()
        return total, {name: found[name].detach() for name in used}

    return loss_of
