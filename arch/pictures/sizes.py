"""The sizes of a result, and of the passes through a network that lead to it. Integers only."""

import math

from ..errors import SengaError

LARGEST_SIDE = 65536  # pixels; a larger size is a typing error


def target_size(
    width: int, height: int, own: int, scale: float | None, size: tuple[int, int] | None
) -> tuple[int, int]:
    """(width, height) of the result. Raises SengaError if both are given, or for impossible values."""
    if scale is not None and size is not None:
        raise SengaError(f"scale {scale} and size {size} are both given; give one of them")
    if size is None:
        factor = own if scale is None else scale
        if not math.isfinite(factor) or factor <= 0:
            raise SengaError(f"scale is {factor}; expected a number above 0, or None for the model's own")
        size = max(1, round(width * factor)), max(1, round(height * factor))
    if not all(1 <= side <= LARGEST_SIDE for side in size):
        raise SengaError(f"the result would be {size[0]}x{size[1]} pixels; expected 1 to {LARGEST_SIDE} a side")
    return size


def fit_size(width: int, height: int, target_width: int, target_height: int) -> tuple[int, int] | None:
    """The `size` for widgets and options in which 0 means "not given".

    Both given: that size. One given: the other follows from the aspect. None given: None, the scale decides.
    """
    if target_width < 0 or target_height < 0:
        raise SengaError(f"width is {target_width} and height {target_height}; expected pixels, or 0 to leave one open")
    if not target_width and not target_height:
        return None
    return (
        target_width or max(1, round(width * target_height / height)),
        target_height or max(1, round(height * target_width / width)),
    )


def pass_sizes(width: int, height: int, scale: int, target: tuple[int, int]) -> list[tuple[int, int]]:
    """Input (width, height) of each pass: as many as are needed to reach the target, at least one.

    Raises SengaError if a long thin picture would grow beyond LARGEST_SIDE on the way to another shape. On the way to
    its own shape a side may be longer than that, by less than one pass.
    """
    sizes = [(width, height)]
    if scale > 1:
        while sizes[-1][0] * scale < target[0] or sizes[-1][1] * scale < target[1]:
            sizes.append((sizes[-1][0] * scale, sizes[-1][1] * scale))
    largest = max(sizes[-1]) * scale
    strays = len(sizes) > 1 and sizes[-1][0] * sizes[-1][1] > target[0] * target[1]  # only where the shapes differ
    if largest > LARGEST_SIDE and strays:
        raise SengaError(
            f"{width}x{height} to {target[0]}x{target[1]} pixels would pass through a side of {largest};"
            f" expected at most {LARGEST_SIDE}: choose a size nearer to the picture's shape"
        )
    return sizes
