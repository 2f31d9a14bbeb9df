"""Losses that compare pictures band by band: frequencies by how badly they are met, and wavelets."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# Daubechies' least asymmetric wavelet with seven vanishing moments ("sym7"): its low-pass filter, whose sum is sqrt(2).
SYM7 = (
    0.002681814568257878,
    -0.0010473848886829163,
    -0.01263630340325193,
    0.03051551316596357,
    0.0678926935013727,
    -0.049552834937127255,
    0.017441255086855827,
    0.5361019170917628,
    0.767764317003164,
    0.2886296317515146,
    -0.14004724044296152,
    -0.10780823770381774,
    0.004010244871533663,
    0.010268176708511255,
)
BANDS = (0.1, 0.01, 0.01, 0.05)  # weights of LL, LH, HL and HH; the published training's
LUMA = (0.299, 0.587, 0.114)


def focal_frequency(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared errors of the spectrum, the more weight on a frequency the worse it is met.

    The focal frequency loss of Jiang et al. 2021 (arXiv:2012.12821, equation 8) with alpha 1: the unitary transform,
    weights divided by the largest of each picture and colour and taken as constants.
    """
    error = torch.fft.fft2(prediction - target, norm="ortho")
    power = error.real.square() + error.imag.square()
    with torch.no_grad():
        weight = power.sqrt()
        weight = weight / weight.amax((-2, -1), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * power).mean()


@lru_cache(maxsize=64)
def wavelet_matrices(size: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The low and the high pass of SYM7 along one side, each as a (size, size) matrix that wraps around.

    The low pass is scaled to sum 1, so that the lowest band has the picture's levels.
    """
    low = np.array(SYM7)
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    places = np.arange(size)
    made = []
    for taps in (low / low.sum(), high):
        matrix = np.zeros((size, size))
        for offset, tap in enumerate(taps):
            np.add.at(matrix, (places, (places + offset - len(taps) // 2) % size), tap)
        with torch.inference_mode(False):
            made.append(torch.from_numpy(matrix).to(device, dtype))
    return made[0], made[1]


def wavelet_bands(picture: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 4, H, W): LL, LH, HL and HH of the luma, one level of the stationary wavelet transform."""
    luma = torch.tensor(LUMA, device=picture.device, dtype=picture.dtype).view(1, 3, 1, 1)
    y = (picture * luma).sum(1, keepdim=True)
    rows, columns = (wavelet_matrices(side, y.device, y.dtype) for side in y.shape[-2:])
    return torch.cat([rows[i] @ y @ columns[j].T for i in (0, 1) for j in (0, 1)], dim=1)


def wavelet(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between the wavelet bands of the lumas, each with its own weight.

    The fidelity loss of WGSR (Korkmaz, Tekalp and Dogan 2024, arXiv:2402.19215): it takes the place of L1 beside a
    discriminator, which sees the three high bands (`gan.wavelet`).
    """
    bands = wavelet_bands(prediction - target).abs().mean((0, 2, 3))
    return (bands * torch.tensor(BANDS, device=bands.device, dtype=bands.dtype)).sum()
