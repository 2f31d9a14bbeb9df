"""How a picture becomes a tagger's input. Part of the model, and of its file's header."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .errors import SengaError, quoted

RESIZES = ("bicubic", "bilinear")
ORDERS = ("rgb", "bgr")
LARGEST_INPUT = 4096  # pixels, each side: taggers take 224 to 1024
ADDED = ("pad_first", "eight_bit")  # fields that headers hold only where they are True

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """The input that the net was trained on. Raises SengaError for impossible values."""

    size: int  # pixels, each side of the square
    mean: Triple = (0.5, 0.5, 0.5)  # subtracted, per colour channel of [0, 1], in RGB order
    std: Triple = (0.5, 0.5, 0.5)  # divided by, afterwards
    pad_colour: Triple = (
        1.0,
        1.0,
        1.0,
    )  # RGB in [0, 1]: under transparent pixels and around pictures that are not square
    resize: str = "bicubic"  # "bicubic" or "bilinear", both antialiased
    order: str = "rgb"  # of the net's input channels: "rgb", or "bgr" as in OpenCV
    # Other programs' scripts; a header does not hold these two where they are False.
    pad_first: bool = False  # the picture is padded to a square and that is resized, instead of the other way round
    eight_bit: bool = False  # pixels are 8-bit levels until they are normalised, as in Pillow

    def __post_init__(self) -> None:
        for name in ("mean", "std", "pad_colour"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or len(value) != 3 or not all(_is_number(v) for v in value):
                raise SengaError(f"preprocessing: {name} is {quoted(value)}; expected three numbers")
            object.__setattr__(self, name, tuple(float(v) for v in value))
        if type(self.size) is not int or not 32 <= self.size <= LARGEST_INPUT:
            raise SengaError(f"preprocessing: size is {quoted(self.size)}; expected 32 pixels or more, up to 4096")
        if min(self.std) <= 0:
            raise SengaError(f"preprocessing: std is {self.std}; expected numbers above 0")
        if not all(0 <= v <= 1 for v in self.pad_colour):
            raise SengaError(f"preprocessing: pad_colour is {self.pad_colour}; expected numbers from 0 to 1")
        for name, known in (("resize", RESIZES), ("order", ORDERS)):
            if getattr(self, name) not in known:
                raise SengaError(
                    f"preprocessing: {name} is {quoted(getattr(self, name))}; expected one of {', '.join(known)}"
                )
        for name in ADDED:
            if type(getattr(self, name)) is not bool:
                raise SengaError(f"preprocessing: {name} is {quoted(getattr(self, name))}; expected true or false")

    def as_table(self) -> dict[str, Any]:
        """As a header holds it: the same bytes as before there were the fields of ADDED, where they are not used."""
        return {key: value for key, value in asdict(self).items() if value or key not in ADDED}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e6 < value < 1e6  # neither NaN


def preprocess(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Prepare pictures of any size for the net; all pictures of a batch have one size.

    Transparent pixels are composited onto the pad colour; the longer side becomes `size`, and the aspect is kept; the
    rest of the square is pad colour on both sides (an odd pixel goes below or right). The result for a picture does
    not depend on the others.

    Args:
        image: (B, C, H, W) in [0, 1]; C = 1 (grey), 3, or 4 (the fourth is alpha).

    Returns:
        (B, 3, size, size) float32, normalised, on the image's device.

    Raises:
        SengaError: another number of channels, or an empty picture.
    """
    if image.ndim != 4 or image.shape[1] not in (1, 3, 4) or 0 in image.shape:
        raise SengaError(
            f"the image has shape {tuple(image.shape)}; expected (frames, 1, 3 or 4 channels, height, width)"
        )
    # The same layout for one picture and for many: the filter's arithmetic depends on the layout.
    x = image.float().contiguous()
    pad = _per_channel(preprocessing.pad_colour, x)
    if x.shape[1] == 4:
        colour, alpha = x[:, :3], x[:, 3:].clamp(0, 1)
        x = (colour * alpha).add_(pad * (1 - alpha)).clamp_(0, 1)
    else:
        x = x.clamp(0, 1).expand(-1, 3, -1, -1)
    if preprocessing.eight_bit:
        x, pad = to_levels(x), to_levels(pad)
    size = preprocessing.size
    height, width = x.shape[-2:]
    longer = max(height, width)
    if preprocessing.pad_first:
        x = _in_square(x, pad, longer)
        fitted = [size, size]
    else:
        # In integers, so that 2:1 stays 2:1; a line one pixel high stays one pixel high.
        fitted = [max(1, (2 * side * size + longer) // (2 * longer)) for side in (height, width)]
    if fitted != [*x.shape[-2:]]:
        x = _resized(x, fitted, preprocessing.resize)
    x = _in_square(x, pad, size)
    if preprocessing.eight_bit:
        x = x.float() / 255
    normal = (x - _per_channel(preprocessing.mean, x)) / _per_channel(preprocessing.std, x)
    return normal.flip(1) if preprocessing.order == "bgr" else normal


def to_levels(x: Tensor) -> Tensor:
    """[0, 1] -> the nearest of 0 to 255, as bytes."""
    return x.mul(255).round_().to(torch.uint8)


def _in_square(x: Tensor, pad: Tensor, size: int) -> Tensor:
    """(B, 3, H, W) in the middle of (B, 3, size, size) of pad colour."""
    height, width = x.shape[-2:]
    if height == width == size:
        return x
    square = pad.expand(len(x), 3, size, size).contiguous()
    top, left = ((size - side) // 2 for side in (height, width))
    square[..., top : top + height, left : left + width] = x
    return square


def _resized(x: Tensor, size: list[int], mode: str) -> Tensor:
    """Antialiased, in the type that comes in: floats in [0, 1], or bytes.

    Bytes are resized as Pillow does it: along each row, then along each column, each rounded. Its bicubic gives the
    same levels but for a rare tie (torch's own resize of bytes is four times as fast, and off by one in 500).
    """
    if x.dtype != torch.uint8:
        return F.interpolate(x, size, mode=mode, antialias=True, align_corners=False).clamp(0, 1)
    for step in ([x.shape[-2], size[1]], size):
        if step != [*x.shape[-2:]]:
            levels = F.interpolate(x.float(), step, mode=mode, antialias=True, align_corners=False)
            x = levels.add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)
    return x


def _per_channel(values: Triple, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device).view(1, 3, 1, 1)
