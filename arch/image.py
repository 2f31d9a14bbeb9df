"""Pictures as tensors: layouts, sizes, alpha and channels. The only file of the project that changes layouts."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from .errors import SengaError


def check_pictures(image: Tensor) -> None:
    """Raises SengaError unless the image is (B, H, W, C) float32 with 1, 3 or 4 channels, and not empty."""
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4) or 0 in image.shape:
        raise SengaError(
            f"the image has shape {tuple(image.shape)}; expected (frames, height, width, 1, 3 or 4 channels)"
        )
    if image.dtype != torch.float32:
        raise SengaError(f"the image is {image.dtype}; expected torch.float32 with values in 0 to 1")


def to_bchw(image: Tensor) -> Tensor:
    """(B, H, W, C), ComfyUI's layout, -> (B, C, H, W), torch's. A view, nothing is copied."""
    return rearrange(image, "b h w c -> b c h w")


def to_bhwc(image: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C). A view, nothing is copied."""
    return rearrange(image, "b c h w -> b h w c")


def pad_to_multiple(image: Tensor, multiple: int, border: int = 0) -> Tensor:
    """Repeat the edge of (B, C, H, W): `border` pixels on each side, then more below and right up to a multiple."""
    height, width = (side + 2 * border for side in image.shape[-2:])
    bottom, right = border + -height % multiple, border + -width % multiple
    if not bottom and not right:
        return image
    return F.pad(image, (border, right, border, bottom), mode="replicate")


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """(B, C, H, W) -> (B, C, height, width): antialiased bicubic, clamped to [0, 1]. Same size: the input itself."""
    if image.shape[-2:] == (height, width):
        return image
    x = F.interpolate(image, (height, width), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    # The filter's weights sum to 1 except for rounding, and ComfyUI truncates on saving: white must not be 0.9999999.
    level = (x * 255).round()
    return torch.where((x * 255 - level).abs() < 1e-3, level / 255, x)


def within_neighbours(larger: Tensor, image: Tensor) -> Tensor:
    """Clamp each pixel of an upscaled picture to the minimum and maximum of its source pixel's 3 x 3 neighbourhood.

    For alpha: a network adds a level or two of noise to flat parts, but the inside of a sprite must stay fully opaque
    and the outside fully transparent. Edges keep the network's sharpness.

    Args:
        larger: (B, C, scale * H, scale * W), upscaled from `image`.
        image: (B, C, H, W).
    """
    greatest = F.max_pool2d(image, 3, stride=1, padding=1)
    least = -F.max_pool2d(-image, 3, stride=1, padding=1)
    low, high = (F.interpolate(bound, larger.shape[-2:], mode="nearest") for bound in (least, greatest))
    return larger.maximum(low).minimum(high)


def bleed(colour: Tensor, alpha: Tensor) -> Tensor:
    """Fill the colour of fully transparent pixels from the nearest visible ones.

    Editors leave black (or anything) under alpha 0, which a network or a filter would mix into the edge as a dark
    fringe. A pyramid of alpha-weighted means is built down to one pixel; its levels then fill the holes.

    Args:
        colour: (B, 3, H, W) in [0, 1], not premultiplied.
        alpha: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 3, H, W); pixels with alpha > 0 are unchanged. A picture without visible pixels is returned unchanged.
    """
    hole = alpha <= 0
    if not hole.any() or hole.all():
        return colour
    levels = [(colour * alpha, alpha)]
    while max(levels[-1][0].shape[-2:]) > 1:
        # Pad odd sizes with weight 0, so that only real pixels count at the border.
        height, width = levels[-1][0].shape[-2:]
        padding = (0, width % 2, 0, height % 2)
        total, weight = (F.avg_pool2d(F.pad(part, padding), 2) for part in levels[-1])
        levels.append((total, weight))
    total, weight = levels.pop()
    filled = total / weight.clamp_min(1e-12)
    while levels:
        total, weight = levels.pop()
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        coarse = coarse[..., : total.shape[-2], : total.shape[-1]]
        filled = torch.where(weight > 1e-6, total / weight.clamp_min(1e-6), coarse)
    return torch.where(hole, filled.clamp(0, 1), colour)


def apply_mask(image: Tensor, mask: Tensor | None) -> Tensor:
    """Put ComfyUI's mask (1 - alpha) into a picture, as its fourth channel.

    Args:
        image: (B, H, W, 1, 3 or 4) in [0, 1].
        mask: (B or 1, h, w), (B or 1, 1, h, w) or (h, w), 1 is transparent. None and all zeros of any
            size mean opaque: ComfyUI's LoadImage gives 64 x 64 zeros for a picture without alpha. A mask of another
            size is resized.

    Returns:
        The image itself if everything is opaque, else (B, H, W, 4). An existing alpha channel is multiplied.

    Raises:
        SengaError: the mask has neither one frame nor as many as the image.
    """
    if mask is None or not mask.any():
        return image
    mask = mask.reshape(-1, *mask.shape[-2:]).to(image.device)
    if mask.shape[0] not in (1, image.shape[0]):
        raise SengaError(
            f"the mask has {mask.shape[0]} frames, the image {image.shape[0]}; expected equal numbers, or one for all"
        )
    height, width = image.shape[1:3]
    alpha = 1 - mask[:, None].float().clamp(0, 1)  # (B or 1, 1, h, w)
    if alpha.shape[-2:] != (height, width):
        alpha = F.interpolate(alpha, (height, width), mode="bilinear", antialias=True, align_corners=False)
    alpha = to_bhwc(alpha.expand(image.shape[0], -1, -1, -1))
    colour = image[..., :3].expand(-1, -1, -1, 3)
    if image.shape[3] == 4:
        alpha = alpha * image[..., 3:]
    return torch.cat((colour, alpha), dim=3)


def flatten(image: Tensor, colour: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Tensor:
    """Put a picture on a ground: (B, H, W, 1, 3 or 4) in [0, 1] -> (B, H, W, 3). Without alpha only grey is spread."""
    if image.shape[3] < 4:
        return image.expand(-1, -1, -1, 3)
    rgb, alpha = image[..., :3], image[..., 3:].clamp(0, 1)
    return rgb * alpha + rgb.new_tensor(colour) * (1 - alpha)


def take_mask(image: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Undo `apply_mask`: the picture with `channels` channels, and its mask (B, H, W), zeros if opaque."""
    mask = 1 - image[..., 3] if image.shape[3] == 4 else torch.zeros(image.shape[:3])
    if channels == image.shape[3]:
        return image, mask
    colour = image[..., :3]
    return (colour.mean(3, keepdim=True) if channels == 1 else colour.contiguous()), mask
