"""Pictures that are read and made a strip of rows at a time, so that no whole frame is held between input and result.

A step that needs rows above and below those that it makes (a tile's context, a filter's support) asks its source for
them. A source that is itself made by a step makes rows as far as it is asked, and drops those that nobody needs again.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from ..tiling import Tile

ROWS = 128  # of a strip


class Source(Protocol):
    """A picture to read from. All in one size, (B, C, height, width), and one type."""

    height: int
    width: int

    def of(self, part: Tile) -> Tensor:
        """(B, C, h, w)."""
        ...

    def drop(self, row: int) -> None:
        """Nothing above this row will be asked for again."""
        ...


class Whole:
    """A picture that is in memory anyway."""

    def __init__(self, image: Tensor) -> None:
        self.image = image
        self.height, self.width = image.shape[-2:]

    def of(self, part: Tile) -> Tensor:
        return part.of(self.image)

    def drop(self, row: int) -> None:
        pass


class Made:
    """A picture that is made from top to bottom while it is read."""

    def __init__(self, height: int, width: int, strips: Iterator[Tensor]) -> None:
        """`strips`: (B, C, rows, width), together all rows from top to bottom."""
        self.height, self.width = height, width
        self._strips = strips
        self._held: list[tuple[int, Tensor]] = []  # the first row of each
        self._end = 0

    def of(self, part: Tile) -> Tensor:
        while self._end < part.bottom:
            strip = next(self._strips)
            self._held.append((self._end, strip))
            self._end += strip.shape[2]
        rows = [
            strip[:, :, max(0, part.top - top) : part.bottom - top, part.left : part.right]
            for top, strip in self._held
            if top < part.bottom and top + strip.shape[2] > part.top
        ]
        return rows[0] if len(rows) == 1 else torch.cat(rows, 2)

    def drop(self, row: int) -> None:
        self._held = [(top, strip) for top, strip in self._held if top + strip.shape[2] > row]


class Canvas:
    """Where a picture is written: a result that it may not fill, or not fit into."""

    def __init__(self, result: Tensor, height: int, width: int, top: int = 0, left: int = 0) -> None:
        """
        Args:
            result: (B, C, H, W).
            height, width: of the picture.
            top, left: where the result begins in it; negative: the picture begins later than the result.
        """
        self.result, self.height, self.width = result, height, width
        self.top, self.left = top, left

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def fills_result(self) -> bool:
        """Whether each pixel of the result is one of the picture."""
        high, wide = self.result.shape[2:]
        return self.top >= 0 <= self.left and self.top + high <= self.height and self.left + wide <= self.width

    def rows(self, top: int, bottom: int) -> Tensor | None:
        """The place of these rows of the picture, if all of them are in the result. A view."""
        left, right = -self.left, self.width - self.left
        if left < 0 or right > self.result.shape[3] or top < self.top or bottom - self.top > self.result.shape[2]:
            return None
        return self.result[:, :, top - self.top : bottom - self.top, left:right]

    def place(self, strip: Tensor, top: int) -> None:
        """Write what is in the result of rows that begin at `top` of the picture: (B, C, rows, width)."""
        first, last = max(top, self.top), min(top + strip.shape[2], self.top + self.result.shape[2])
        left, right = max(0, self.left), min(self.width, self.left + self.result.shape[3])
        if first < last and left < right:
            part = self.result[:, :, first - self.top : last - self.top, left - self.left : right - self.left]
            part.copy_(strip[:, :, first - top : last - top, left:right])


def spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    """[start, stop) of strips that cover a length; the last may be shorter."""
    return ((start, min(start + step, length)) for start in range(0, length, step))
