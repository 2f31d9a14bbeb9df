"""What a picture is worth: PSNR on luma, as the super-resolution papers report it."""

import torch
from torch import Tensor


def luma(image: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 1, H, W): BT.601 Y from 16/255 to 235/255, as MATLAB's rgb2ycbcr."""
    weights = torch.tensor((65.481, 128.553, 24.966), device=image.device, dtype=image.dtype).view(1, 3, 1, 1)
    return ((image * weights).sum(1, keepdim=True) + 16) / 255


def psnr_y(image: Tensor, reference: Tensor, shave: int) -> Tensor:
    """PSNR in dB of each picture of a batch, on luma, after rounding to 8 bits, `shave` border pixels left out.

    Equal pictures give 100 dB rather than infinity, so that means stay finite.
    """
    a, b = (
        luma((x.float() * 255).round().clamp(0, 255) / 255)[
            ..., shave : x.shape[-2] - shave, shave : x.shape[-1] - shave
        ]
        for x in (image, reference)
    )
    mse = (a - b).square().mean(dim=(1, 2, 3))
    return (-10 * mse.clamp_min(1e-10).log10()).clamp_max(100)
