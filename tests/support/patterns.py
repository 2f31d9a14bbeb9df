"""Patterns of one and two pixels, as in dither, screentone, mesh and small text, and what nets keep of them."""

import torch
from senga.arch import UpscaleModel
from torch import Tensor

SIDE = 40  # pixels of a pattern
MARGIN = 8  # of them not looked at on each side: an edge is no part of a pattern
LARGEST_SHIFT = 4 / 255  # of a channel's mean
NEAREST_STD = 0.5  # of every pattern, since half of it is black and half white


def patterns() -> dict[str, tuple[Tensor, float]]:
    """Name -> (SIDE, SIDE) of 0 and 1, and the least standard deviation that the result may have.

    Bicubic enlargement leaves 0.34 of stripes of one pixel and 0.24 of the checkerboard.
    """
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return {
        "vertical_1px": (x % 2, 0.30),
        "horizontal_1px": (y % 2, 0.30),
        "vertical_2px": (x // 2 % 2, 0.30),
        "horizontal_2px": (y // 2 % 2, 0.30),
        "checkerboard": ((x + y) % 2, 0.20),
        "dither_2x2": ((x // 2 + y // 2) % 2, 0.30),
    }


def faults(model: UpscaleModel) -> dict[str, str]:
    """Pattern -> what is wrong with the model's picture of it, for those that lose contrast or colour."""
    drawn = patterns()
    x = torch.stack([pattern.float() for pattern, _ in drawn.values()])[:, None].expand(
        -1, model.input_channels, -1, -1
    )
    with torch.inference_mode():
        out = torch.cat([model(one[None]) for one in x])
    inside = slice(MARGIN * model.scale, (SIDE - MARGIN) * model.scale)
    found = {}
    for (name, (_, least)), picture in zip(drawn.items(), out[..., inside, inside], strict=True):
        std, shift = picture.std(dim=(1, 2)).min().item(), (picture.mean(dim=(1, 2)) - 0.5).abs().max().item()
        said = [f"std {std:.2f}"] * (std < least) + [f"colour off by {shift * 255:.0f}/255"] * (shift > LARGEST_SHIFT)
        if said:
            found[name] = ", ".join(said)
    return found
