"""The picture formats that commands write: a table, and one function that writes a still or an animation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from ..errors import SengaError
from ..log import logger
from .animations import LONGEST_GIF, LONGEST_PNG, UNTIMED, Reel, timed, write_gif, write_png_animation
from .deep import AnyLevels, write_deep_png, write_tiff
from .metadata import Metadata, save_options

NOTHING = Metadata()
OPAQUE = 128  # from this alpha on a pixel is opaque, in formats with only clear and opaque pixels
SHORTEST_GIF = 20  # milliseconds; the shortest time above UNTIMED that a GIF can state


@dataclass(frozen=True)
class Format:
    id: str  # Pillow's
    extension: str
    others: tuple[str, ...] = ()  # more extensions of the format
    quality: int | None = None  # default of --quality; None: the format has no quality
    options: dict[str, Any] = field(default_factory=dict)
    alpha: bool = True
    animated: bool = True
    deep: bool = False  # whether stills may have 16 bits a sample
    largest: int = 65535  # pixels a side


# PNG level 4, measured on a drawing of 2560x3520 pixels: level 1 takes 0.27 s and 4.9 MB, 4 0.41 s and 4.1 MB, 6 0.92 s
# and 3.9 MB, 9 6 s and 3.7 MB. JPEG without 4:2:0, which blurs the colour of thin lines.
FORMATS = {
    "png": Format("PNG", ".png", (".apng",), options={"compress_level": 4}, deep=True, largest=2**31 - 1),
    "jpeg": Format("JPEG", ".jpg", (".jpeg",), 95, {"subsampling": 0, "optimize": True}, alpha=False, animated=False),
    "webp": Format("WEBP", ".webp", (), 90, {"method": 4}, largest=16383),
    "avif": Format("AVIF", ".avif", (), 85, {"subsampling": "4:4:4", "speed": 7}),
    "gif": Format("GIF", ".gif"),
    "tiff": Format("TIFF", ".tif", (".tiff",), animated=False, deep=True),
    "bmp": Format("BMP", ".bmp", alpha=False, animated=False),
}
LOSSLESS = 100  # the quality at which WebP keeps every pixel


def format_of(name: str) -> str | None:
    """The format of a file name's ending, None for an unknown ending."""
    ending = Path(name).suffix.lower()
    return next((key for key, known in FORMATS.items() if ending in (known.extension, *known.others)), None)


def write_picture(
    file: IO[bytes],
    frames: Iterable[AnyLevels],
    name: str,
    path: Path,
    *,
    durations: Sequence[float] = (),
    plays: int = 0,
    meta: Metadata = NOTHING,
    quality: int | None = None,
) -> None:
    """(H, W, C) levels, C 1, 3 or 4, as a file of the format `name`; an animation of as many frames as `durations`.

    A still of a deep format may have levels of 16 bits.

    The frames of an animation are taken one by one, and are compressed before the next is taken. `durations` are in ms;
    `plays` is how often it plays, 0 endlessly; `path` is the file's name in messages; `file` can seek. Raises
    SengaError where the format cannot hold the picture.
    """
    known = FORMATS[name]
    count = max(1, len(durations))
    if count > 1 and not known.animated:
        raise SengaError(f"{path}: {name} cannot hold an animation ({count} frames); choose png, webp, avif or gif")
    if name == "avif" and count > 1 and plays:
        logger.warning("%s: avif cannot say that it plays %d times and will play endlessly; webp, png can", path, plays)
    each = iter(frames)
    levels = next(each)
    height, width, channels = levels.shape
    if max(width, height) > known.largest:
        raise SengaError(
            f"{path}: {width}x{height} is too large for {name} (at most {known.largest} pixels a side); choose png"
        )
    space = b"GRAY" if channels == 1 else b"RGB "
    if meta.profile is not None and (own := meta.profile[16:20]) != space:
        logger.warning("%s: its colour profile is for %s and was dropped", path, own.decode("ascii", "replace").strip())
        meta = replace(meta, profile=None)
    options = {**known.options, **_quality(name, quality), **save_options(meta, name, path)}
    if name == "tiff":
        write_tiff(file, levels, path, **options)
    elif levels.dtype == np.uint16:
        write_deep_png(file, levels, **options)
    elif count == 1:
        _write_still(file, _page(levels, known, path), known, options)
    else:
        pages = (_page(one, known, path) for one in chain((levels,), each))
        _write_animation(file, pages, name, durations, plays, options)


def _write_still(file: IO[bytes], page: Image.Image, known: Format, options: dict[str, Any]) -> None:
    if known.id == "GIF":
        write_gif(file, [(page, 0)], plays=1)
    else:
        page.save(file, format=known.id, **options)


def _write_animation(
    file: IO[bytes],
    pages: Iterator[Image.Image],
    name: str,
    durations: Sequence[float],
    plays: int,
    options: dict[str, Any],
) -> None:
    if name == "gif":
        write_gif(file, timed(pages, rounded_times(durations, 10, SHORTEST_GIF), LONGEST_GIF), plays)
        return
    times = rounded_times(durations, 1, UNTIMED + 1)
    if name == "png":
        write_png_animation(file, timed(pages, times, LONGEST_PNG), plays, **options)
        return
    first = next(pages)
    if name == "webp":
        options["loop"] = plays
        if first.mode == "RGBA":
            # Key frames only. Otherwise the encoder may crop every frame to its opaque part and mark the file as
            # opaque: readers that trust the mark show the clear background as black.
            options["kmax"] = 1
    reel = Reel(pages, len(durations) - 1)
    first.save(file, format=FORMATS[name].id, save_all=True, append_images=[reel], duration=times, **options)


def _page(levels: AnyLevels, known: Format, path: Path) -> Image.Image:
    channels = levels.shape[2]
    page = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if channels == 1 else levels))
    if channels == 4 and not known.alpha:
        logger.warning("%s: the format has no transparency; transparent parts became white", path)
        return Image.alpha_composite(Image.new("RGBA", page.size, "white"), page).convert("RGB")
    return _palette(page) if known.id == "GIF" else page


def _palette(page: Image.Image) -> Image.Image:
    """256 colours; with alpha the last of them is clear."""
    if page.mode != "RGBA":
        return page.convert("RGB").quantize(256)
    few = page.convert("RGB").quantize(255)
    indices = np.where(np.asarray(page.getchannel("A")) < OPAQUE, np.uint8(255), np.asarray(few))
    clear = Image.fromarray(indices).convert("L")
    colours = (few.getpalette() or [])[: 255 * 3]
    clear.putpalette(colours + [0] * (256 * 3 - len(colours)))
    clear.info["transparency"] = 255
    return clear


def _quality(name: str, quality: int | None) -> dict[str, Any]:
    chosen = FORMATS[name].quality if quality is None else quality
    if chosen is None:
        return {}
    return {"lossless": True, "exact": True} if name == "webp" and chosen >= LOSSLESS else {"quality": chosen}


def rounded_times(durations: Sequence[float], unit: int, shortest: int) -> list[int]:
    """Times in whole units (ms) that together last as long as `durations`: 33, 33, 33 in units of 10 are 30, 40, 30.

    Times of up to UNTIMED ms mean "as the viewer likes" and stay as they are; others become `shortest` at least.
    """
    times, owed = [], 0.0  # what the frames so far were shown too short
    for ms in durations:
        if ms <= UNTIMED:
            times.append(round(ms / unit) * unit)
            continue
        times.append(max(shortest, round((ms + owed) / unit) * unit))
        owed += ms - times[-1]
    return times
