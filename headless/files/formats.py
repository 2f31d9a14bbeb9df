"""The picture formats that commands write: a table, and one function that encodes a still or an animation."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import SengaError
from ..log import logger

OPAQUE = 128  # from this alpha on a pixel is opaque, in formats with only clear and opaque pixels
UNTIMED = 10  # milliseconds; viewers show frames of up to 10 ms for 100 ms, whatever the format
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
    largest: int = 65535  # pixels a side


# PNG level 4, measured on a drawing of 2560x3520 pixels: level 1 takes 0.27 s and 4.9 MB, 4 0.41 s and 4.1 MB, 6 0.92 s
# and 3.9 MB, 9 6 s and 3.7 MB. JPEG without 4:2:0, which blurs the colour of thin lines.
FORMATS = {
    "png": Format("PNG", ".png", (".apng",), options={"compress_level": 4}, largest=2**31 - 1),
    "jpeg": Format("JPEG", ".jpg", (".jpeg",), 95, {"subsampling": 0, "optimize": True}, alpha=False, animated=False),
    "webp": Format("WEBP", ".webp", (), 90, {"method": 4}, largest=16383),
    "avif": Format("AVIF", ".avif", (), 85, {"subsampling": "4:4:4", "speed": 7}),
    "gif": Format("GIF", ".gif"),
}
LOSSLESS = 100  # the quality at which WebP keeps every pixel


def format_of(name: str) -> str | None:
    """The format of a file name's ending, None for an unknown ending."""
    ending = Path(name).suffix.lower()
    return next((key for key, known in FORMATS.items() if ending in (known.extension, *known.others)), None)


def encode_picture(
    frames: Sequence[NDArray[np.uint8]],
    name: str,
    path: Path,
    *,
    durations: Sequence[float] = (),
    plays: int = 0,
    profile: bytes | None = None,
    quality: int | None = None,
) -> bytes:
    """(H, W, C) levels, C 1, 3 or 4, as a file of the format `name`; with `durations` in ms, an animation of several.

    `plays` is how often it plays, 0 endlessly; `path` is the file's name in messages. Raises SengaError where the
    format cannot hold the picture.
    """
    known = FORMATS[name]
    height, width = frames[0].shape[:2]
    if len(frames) > 1 and not known.animated:
        raise SengaError(
            f"{path}: {name} cannot hold an animation ({len(frames)} frames); choose png, webp, avif or gif"
        )
    if max(height, width) > known.largest:
        raise SengaError(
            f"{path}: {width}x{height} is too large for {name} (at most {known.largest} pixels a side); choose png"
        )
    pages = [_page(levels, known, path) for levels in frames]
    if name == "avif" and len(pages) > 1 and plays:
        logger.warning("%s: avif cannot say that it plays %d times and will play endlessly; webp, png can", path, plays)
    options = {**known.options, **_quality(name, quality)}
    if profile is not None and (space := profile[16:20]) != _space(pages[0]):
        logger.warning(
            "%s: its colour profile is for %s and was dropped", path, space.decode("ascii", "replace").strip()
        )
        profile = None
    if profile is not None:
        options["icc_profile"] = profile
    if name == "gif" or len(pages) > 1:
        options |= _animation(name, pages, durations, plays)
    file = io.BytesIO()
    pages[0].save(file, format=known.id, **options)
    return file.getvalue()


def _page(levels: NDArray[np.uint8], known: Format, path: Path) -> Image.Image:
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
    clear.putpalette((few.getpalette() or [])[: 255 * 3] + [0] * (768 - len((few.getpalette() or [])[: 255 * 3])))
    clear.info["transparency"] = 255
    return clear


def _space(page: Image.Image) -> bytes:
    return b"GRAY" if page.mode == "L" else b"RGB "


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


def _animation(name: str, pages: Sequence[Image.Image], durations: Sequence[float], plays: int) -> dict[str, Any]:
    options: dict[str, Any] = {"save_all": True, "append_images": pages[1:]}
    if durations:
        options["duration"] = rounded_times(durations, *((10, SHORTEST_GIF) if name == "gif" else (1, UNTIMED + 1)))
    if name == "gif":
        # Each frame clears the one before, so that it may be clear where that was not.
        options |= {"disposal": 2, "optimize": False}
        if "transparency" in pages[0].info:
            options["transparency"] = 255
        return options | ({} if plays == 1 else {"loop": max(0, plays - 1)})
    if name == "png":
        options |= {"disposal": 0, "blend": 0}  # each frame replaces the one before, alpha included
    if name == "webp" and pages[0].mode == "RGBA":
        # Key frames only. Otherwise the encoder may crop every frame to its opaque part and mark the file as opaque:
        # readers that trust the mark show the clear background as black.
        options["kmax"] = 1
    return options if name == "avif" else options | {"loop": plays}
