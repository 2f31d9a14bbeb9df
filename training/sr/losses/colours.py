"""A loss of colour alone: what a GAN shifts although every line is right."""

import torch
from torch import Tensor

from .blurring import blur

TAPS, SIGMA = 21, 3.0  # of the blur; pixels
DARKEST = 1e-4  # linear light, a third of a level: the cube root has no slope at 0

# Linear sRGB -> cones, and their cube roots -> a (green to red) and b (blue to yellow); Ottosson 2020.
CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
OPPONENTS = ((1.9779984951, -2.4285922050, 0.4505937099), (0.0259040371, 0.7827717662, -0.8086757660))


def oklab_chroma(picture: Tensor) -> Tensor:
    """(B, 3, H, W) sRGB in [0, 1], clamped to it -> (B, 2, H, W): a and b of Oklab (Ottosson 2020, "A perceptual color
    space for image processing"), about -0.3 to 0.3, 0 for greys."""
    picture = picture.clamp(0, 1)
    curve = ((picture + 0.055) / 1.055).clamp_min(0.04) ** 2.4  # the clamp keeps the unused branch's slope finite
    linear = torch.where(picture <= 0.04045, picture / 12.92, curve)
    cones, opponents = (torch.tensor(m, device=linear.device, dtype=linear.dtype) for m in (CONES, OPPONENTS))
    roots = torch.einsum("ij,bjhw->bihw", cones, linear).clamp_min(DARKEST) ** (1 / 3)
    return torch.einsum("ij,bjhw->bihw", opponents, roots)


def colour(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 between the chroma (a and b of Oklab) of the two pictures, both blurred first.

    Colour consistency: the blur is DPED's colour loss (Ignatov et al. 2017, arXiv:1704.02470, section 3.1: Gaussian,
    sigma 3), which leaves texture to the other losses; Oklab in place of RGB leaves lightness to them as well, and
    weighs colours as they are seen.
    """
    chroma = [oklab_chroma(blur(picture, TAPS, SIGMA, mirror=True)) for picture in (prediction, target)]
    return (chroma[0] - chroma[1]).abs().mean()
