"""Pictures on disk: read here for the commands and for LoadImage alike.

A picture in memory is a float32 tensor in [0, 1]: (H, W, C) for one frame, (B, H, W, C) for several.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError
from torch import Tensor

from ...arch.files.reading import why_unreadable
from ...nodes.saving import truncated_levels, write_png
from ...training.run.pictures import MAX_PIXELS, TooLargeError, check_pixels, clear, is_deep, open_picture, scaled
from ..errors import SengaError, one_line
from .deep import low_half
from .metadata import Metadata, metadata_of

GREY_MODES = ("1", "L")
# Formats whose further frames are other views of the same shot (depth map, thumbnail) or layers, not an animation.
FIRST_FRAME_ONLY = ("MPO", "PSD")
# Formats whose pages are an animation. Pages of other formats (TIFF, ICO) are separate pictures.
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
ROWS = 256  # of a picture, made to levels at once
STREAMED = 100  # times the pixels of one frame that the frames of an animation may have together, read one by one,
DENSEST = 2000  # and pixels for each byte of the file: drawings have up to 500, files made to fill a disk thousands
Take = Literal["all", "animation", "first"]  # which pages are wanted; "animation": all of an animation, else the first

__all__ = [
    "Frame",
    "Picture",
    "as_image",
    "decode",
    "deep_levels",
    "read_frames",
    "read_picture",
    "rounded_levels",
    "truncated_levels",
    "write_png",
]


@dataclass(frozen=True)
class Picture:
    """The content of a file: upright pages, each a whole canvas that includes what earlier frames left on it."""

    pages: list[Image.Image]  # those that are held: of an animation that is read frame by frame, none
    durations: list[float]  # milliseconds for each page of an animation; empty for a still picture
    plays: int  # how often the animation plays; 0: endlessly
    meta: Metadata  # what the file says besides
    count: int = 1  # pages of the file, of which `pages` may hold the first alone
    clear: bool = False  # whether a page has transparency
    again: Callable[[], Iterator[Image.Image]] | None = None  # reads the pages that are not held
    low: Image.Image | None = None  # the lower bytes of a still of 16 bits in colour, of which the page has the upper

    @property
    def depth(self) -> int:
        """Bits of a sample of a still, 8 or 16."""
        return 16 if self.low is not None or any(page.mode == "F" for page in self.pages) else 8

    def frames(self) -> Iterator[Image.Image]:
        """Each page. Where they are read again, raises SengaError as read_picture does."""
        return iter(self.pages) if self.again is None else self.again()


@dataclass(frozen=True)
class Frame:
    """One decoded, upright frame of a picture file.

    `own_alpha` is False where transparency is only a colour key (a PNG's tRNS chunk on grey or RGB): LoadImage
    ignores it, `senga upscale` keeps it.
    """

    grey: Tensor | None  # (H, W), where the file holds one channel
    rgb: Tensor  # (H, W, 3)
    alpha: Tensor | None  # (H, W), 1 is opaque
    own_alpha: bool


def read_frames(path: Path, *, take: Take = "all", max_pixels: int = MAX_PIXELS) -> list[Frame]:
    """All frames of a picture file that have the size of the first, as ComfyUI loads them, or the first alone.

    Raises SengaError, naming the file, where it is missing, empty, cut short, not a picture or too large.
    """
    return [decode(page) for page in read_picture(path, take=take, max_pixels=max_pixels).pages]


def read_picture(path: Path, *, take: Take = "all", max_pixels: int = MAX_PIXELS) -> Picture:
    """The same as upright pages before decoding to floats, with the timing of an animation.

    With "animation", the frames of an animation are all decoded, so that a damaged file is known, and none is held.
    `max_pixels` is the most that a page may have, and all that are held together; it is checked before they are
    decoded. The frames of an "animation" may have STREAMED times as many together in a file that is not tiny.

    Raises SengaError, naming the file, where it is missing, empty, cut short, not a picture or too large.
    """
    with _named_faults(path), open_picture(path, max_pixels) as picture:
        return _read(path, picture, take, _Limits.of(path, take, max_pixels))


@dataclass(frozen=True)
class _Limits:
    page: int  # pixels of one page
    together: int  # of all pages that are taken

    @classmethod
    def of(cls, path: Path, take: Take, max_pixels: int) -> "_Limits":
        if take != "animation":
            return cls(max_pixels, max_pixels)
        return cls(max_pixels, max(max_pixels, min(max_pixels * STREAMED, path.stat().st_size * DENSEST)))


@contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    if reason := why_unreadable(path):
        raise SengaError(f"{path}: {reason}")
    if path.stat().st_size == 0:
        raise SengaError(f"{path}: the file is empty (0 bytes) where a picture was expected; fetch or save it again")
    try:
        yield
    except UnidentifiedImageError as error:
        raise SengaError(f"{path}: not a picture that Pillow can read; give a PNG, JPEG or WebP file") from error
    except TooLargeError as error:
        raise TooLargeError(f"{path}: {error}; --max-pixels raises the limit") from error
    except SengaError as error:
        raise SengaError(f"{path}: {error}") from error
    except Exception as error:  # Pillow's readers raise whatever their parsing runs into: SyntaxError, struct.error...
        raise SengaError(f"{path}: the picture is damaged ({one_line(error)}); fetch or save it again") from error


def _read(path: Path, picture: Image.Image, take: Take, limits: _Limits) -> Picture:
    kind = str(picture.format)
    first = take == "first" or kind in FIRST_FRAME_ONLY or (take == "animation" and kind not in ANIMATED)
    count = int(getattr(picture, "n_frames", 1))
    if not first and kind in ANIMATED:
        check_pixels(picture.size, count, limits.together)
    pages: list[Image.Image] = []
    durations: list[float] = []
    clear = False
    for page, ms in _upright(picture, first, limits):
        durations.append(ms)
        clear |= page.has_transparency_data  # a GIF's first frame may be opaque and the others not
        if take == "all" or not pages:
            pages.append(page)
    if not durations:
        raise SengaError("has no picture in it; fetch or save it again")
    plays = int(picture.info.get("loop", 0))
    if kind == "GIF":  # it counts repeats; without a count it plays once
        plays = 1 if "loop" not in picture.info else plays + 1 if plays else 0
    count, meta = 1 if kind in FIRST_FRAME_ONLY else count, metadata_of(picture)
    if kind not in ANIMATED or len(durations) < 2:
        low = low_half(path, limits.page) if take == "animation" else None
        return Picture(pages, [], plays, meta, count, clear, low=low)
    if take == "all":
        return Picture(pages, durations, plays, meta, count, clear)
    again = partial(_frames_again, path, limits, pages[0].size, len(durations))
    return Picture([], durations, plays, meta, count, clear, again)


def _upright(picture: Image.Image, first: bool, limits: _Limits) -> Iterator[tuple[Image.Image, float]]:
    """Pages that have the size of the first one, and their times in ms; with `first`, that one alone."""
    count = int(getattr(picture, "n_frames", 1))
    instead = bool(picture.info.get("default_image")) and count > 1  # shown where animated PNG is not supported
    size: tuple[int, int] | None = None
    pixels = 0
    lone = picture.format in FIRST_FRAME_ONLY  # a flattened PSD has no layer, of which Pillow makes a sequence
    for number, page in enumerate((picture,) if lone else ImageSequence.Iterator(picture)):
        pixels += page.width * page.height  # of pages that may differ in size
        check_pixels(page.size, 1, limits.page)
        if pixels > limits.together:
            raise TooLargeError(f"has {count} pages of more than {limits.together:,} pixels together")
        if instead and number == 0:
            continue
        upright = ImageOps.exif_transpose(scaled(page))  # a copy; WebP has a frame's duration only after decoding
        if size is None or upright.size == size:
            size = upright.size
            yield upright, float(page.info.get("duration", 0))
        if first:
            return


def _frames_again(path: Path, limits: _Limits, size: tuple[int, int], count: int) -> Iterator[Image.Image]:
    """The frames of an animation that had `count` of this size when it was read first."""
    with _named_faults(path), open_picture(path, limits.page) as picture:
        number = 0
        for number, (page, _) in enumerate(_upright(picture, False, limits), 1):
            if page.size != size or number > count:
                break
            yield page
        if number != count:
            raise SengaError("the animation was changed while it was read; run the command again")


def decode(page: Image.Image, low: Image.Image | None = None) -> Frame:
    """A page's samples; `low` are the lower bytes of a page that has 16 bits in colour."""
    if is_deep(page):
        page = page if page.mode == "F" else scaled(page)
        grey = torch.from_numpy(np.array(page))
        holes = clear(page)
        alpha = None if holes is None else torch.from_numpy(~holes).float()
        return Frame(grey, grey[..., None].expand(-1, -1, 3), alpha, False)
    alpha = None
    own_alpha = "A" in page.getbands() or (page.mode == "P" and "transparency" in page.info)
    if page.has_transparency_data:
        page = page.convert("RGBA")
        alpha = _levels(page.getchannel("A"), low.getchannel("A") if low is not None and low.mode == "RGBA" else None)
    grey = _levels(page.convert("L")) if page.mode in GREY_MODES else None
    rgb = _levels(page.convert("RGB"), None if low is None else low.convert("RGB"))
    return Frame(grey, rgb, alpha, own_alpha)


def _levels(page: Image.Image, low: Image.Image | None = None) -> Tensor:
    if low is None:
        return torch.from_numpy(np.divide(np.asarray(page), np.float32(255), dtype=np.float32))
    levels = np.asarray(page, np.float32) * 256
    levels += np.asarray(low)
    levels /= 65535.0
    return torch.from_numpy(levels)


def as_image(frame: Frame, *, alpha: bool, grey: bool) -> Tensor:
    """(H, W, C): grey 1 where `grey` allows, colour 3, with `alpha` 4 channels."""
    if alpha:
        opacity = torch.ones(frame.rgb.shape[:2]) if frame.alpha is None else frame.alpha
        return torch.cat((frame.rgb, opacity[:, :, None]), dim=2)
    return frame.rgb if frame.grey is None or not grey else frame.grey[:, :, None]


def deep_levels(image: Tensor) -> NDArray[np.uint16]:
    """(H, W, C) float in [0, 1] to the nearest of 65,536 levels."""
    levels = np.empty(image.shape, np.uint16)
    for part, top in zip(image.split(ROWS), range(0, len(levels), ROWS), strict=True):
        levels[top : top + ROWS] = part.float().cpu().clamp(0, 1).mul_(65535).round_().numpy()
    return levels


def rounded_levels(image: Tensor) -> NDArray[np.uint8]:
    """(H, W, C) float in [0, 1] to the nearest of 256 levels."""
    levels = torch.empty(image.shape, dtype=torch.uint8)
    for part, result in zip(image.split(ROWS), levels.split(ROWS), strict=True):  # without another large copy
        result.copy_(part.float().cpu().clamp(0, 1).mul_(255).round_())
    return levels.numpy()
