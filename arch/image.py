"""Pictures as tensors: layouts, sizes, alpha and channels. The only file of the project that changes layouts."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from .errors import SengaError
from .pictures.bleeding import Bled
from .pictures.resizing import resized
from .pictures.strips import Whole
from .tiling import Tile


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
    out = image.new_empty((*image.shape[:2], height, width))
    for top, strip in resized(Whole(image), height, width):
        out[:, :, top : top + strip.shape[2]] = strip
    return out


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
    """Fill the colour of fully transparent pixels from the nearest visible ones, see Bled.

    Args:
        colour: (B, 3, H, W) in [0, 1], not premultiplied.
        alpha: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 3, H, W); pixels with alpha > 0 are unchanged. A picture without visible pixels is returned unchanged.
    """
    return Bled(Whole(colour), Whole(alpha)).of(Tile(0, 0, *colour.shape[-2:]))


def mask_of(image: Tensor, mask: Tensor | None) -> Tensor | None:
    """ComfyUI's mask (1 - alpha) for a picture, in its size.

    Args:
        image: (B, H, W, C).
        mask: (B or 1, h, w), (B or 1, 1, h, w) or (h, w), 1 is transparent. None and all zeros of any
            size mean opaque: ComfyUI's LoadImage gives 64 x 64 zeros for a picture without alpha. A mask of another
            size is resized.

    Returns:
        (B or 1, H, W), None where everything is opaque.

    Raises:
        SengaError: the mask has neither one frame nor as many as the image.
    """
    if mask is None or not mask.any():
        return None
    mask = mask.reshape(-1, *mask.shape[-2:]).to(image.device)
    if mask.shape[0] not in (1, image.shape[0]):
        raise SengaError(
            f"the mask has {mask.shape[0]} frames, the image {image.shape[0]}; expected equal numbers, or one for all"
        )
    size = image.shape[1:3]
    if mask.shape[1:] == size:
        return mask
    alpha = 1 - mask[:, None].float().clamp(0, 1)
    return 1 - F.interpolate(alpha, size, mode="bilinear", antialias=True, align_corners=False)[:, 0]


def apply_mask(image: Tensor, mask: Tensor | None) -> Tensor:
    """Put ComfyUI's mask into a picture, as its fourth channel.

    Args:
        image: (B, H, W, 1, 3 or 4) in [0, 1].
        mask: see mask_of.

    Returns:
        The image itself if everything is opaque, else (B, H, W, 4). An existing alpha channel is multiplied.
    """
    mask = mask_of(image, mask)
    if mask is None:
        return image
    alpha = 1 - mask[..., None].float().clamp(0, 1)  # (B or 1, H, W, 1)
    alpha = alpha.expand(image.shape[0], -1, -1, -1)
    if image.shape[3] == 4:
        alpha = alpha * image[..., 3:]
    return torch.cat((image[..., :3].expand(-1, -1, -1, 3), alpha), dim=3)


class Opacity:
    """The alpha of a frame: that of the picture, times 1 - mask. A Source."""

    def __init__(self, own: Tensor | None, mask: Tensor | None) -> None:
        """(1, 1, H, W) each; one of them is given."""
        self.own, self.mask = own, mask
        known = mask if own is None else own
        assert known is not None
        self.height, self.width = known.shape[-2:]

    def of(self, part: Tile) -> Tensor:
        own = None if self.own is None else part.of(self.own)
        if self.mask is None:
            assert own is not None
            return own
        alpha = 1 - part.of(self.mask).float().clamp(0, 1)
        return alpha if own is None else own * alpha

    def drop(self, row: int) -> None:
        pass


def flatten(image: Tensor, colour: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Tensor:
    """Put a picture on a ground: (B, H, W, 1, 3 or 4) in [0, 1] -> (B, H, W, 3). Without alpha only grey is spread."""
    if image.shape[3] < 4:
        return image.expand(-1, -1, -1, 3)
    rgb, alpha = image[..., :3], image[..., 3:].clamp(0, 1)
    return rgb * alpha + rgb.new_tensor(colour) * (1 - alpha)
