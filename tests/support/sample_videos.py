"""Small videos drawn by the tests, through PyAV's own encoders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MUXERS = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
ENCODERS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".mov": "libx264"}
RATE = 8000  # samples of sound a second


@dataclass(frozen=True)
class Film:
    """What is drawn: a grey that grows by `step` with each picture, and a square that moves."""

    path: Path
    size: tuple[int, int] = (48, 32)  # width, height
    times: Sequence[int] = field(default_factory=lambda: range(0, 12 * 512, 512))
    time_base: Fraction = Fraction(1, 12800)
    layout: str = "yuv420p"
    colour: tuple[int, int] = (1, 1)  # FFmpeg's numbers of matrix and range
    sound: str = ""  # an encoder
    rotation: int = 0
    aspect: Fraction | None = None
    held: int = 1  # for how many frames a picture is shown
    options: dict[str, str] = field(default_factory=lambda: {"crf": "1"})


def draw(film: Film) -> Path:
    """Write the file."""
    film.path.parent.mkdir(parents=True, exist_ok=True)
    ending = film.path.suffix
    with av.open(str(film.path), "w", format=MUXERS[ending]) as out:
        stream: Any = out.add_stream(ENCODERS[ending], rate=25, options=film.options)
        context = stream.codec_context
        context.width, context.height = film.size
        context.pix_fmt, context.time_base = film.layout, film.time_base
        context.colorspace, context.color_range = film.colour
        if film.aspect is not None:
            context.sample_aspect_ratio = film.aspect
        if film.rotation:
            stream.set_display_rotation(film.rotation)
        sound: Any = out.add_stream(film.sound, rate=RATE) if film.sound else None
        for number, time in enumerate(film.times):
            frame = av.VideoFrame.from_ndarray(planes(film, number // film.held), film.layout)
            frame.pts, frame.time_base = time, film.time_base
            frame.colorspace, frame.color_range = film.colour
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            for packet in _sound(sound, len(film.times)):
                out.mux(packet)
    return film.path


def planes(film: Film, number: int) -> NDArray[Any]:
    """One picture as PyAV takes its layout: luma above both colours."""
    width, height = film.size
    kind, factor = (np.uint16, 4) if film.layout.endswith("10le") else (np.uint8, 1)
    luma = np.full((height, width), (60 + 8 * (number % 16)) * factor, kind)
    left = 2 * (number % 10)
    luma[8:16, left : left + 8] = 200 * factor
    blue = np.full((height // 2, width // 2), 128 * factor, kind)
    blue[:, : width // 4] = 90 * factor  # yellow on the left
    red = np.full_like(blue, 128 * factor)
    return np.concatenate((luma, blue.reshape(-1, width), red.reshape(-1, width)))


def _sound(stream: Any, frames: int) -> Any:
    length = RATE * frames // 25
    size = 1024
    for begin in range(0, length, size):
        wave = np.sin(np.arange(begin, begin + size) / 9).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack((wave, wave)), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


@dataclass(frozen=True)
class Found:
    """What a video file has in it."""

    size: tuple[int, int]
    seconds: list[float]  # when frames are shown
    colour: tuple[int, int]
    layout: str
    codecs: list[str]  # of all streams
    aspect: Fraction | None
    rotation: int
    frames: list[NDArray[np.uint8]]  # (H, W, 3)
    sound: list[bytes]  # packets


def look(path: Path) -> Found:
    """Read a video as a player does: colours by its tags."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(stream))
        first: Any = frames[0]
        shown: list[Any] = [frame.to_ndarray(format="rgb24") for frame in frames]
        times = [float(frame.time) for frame in frames]
        codecs = [one.codec_context.name for one in file.streams if one.codec_context is not None]
        with av.open(str(path)) as again:
            tracks = again.streams.audio
            sound = [bytes(packet) for packet in again.demux(tracks[0]) if packet.size] if tracks else []
        return Found(
            (first.width, first.height),
            times,
            (int(first.colorspace), int(first.color_range)),
            first.format.name,
            codecs,
            stream.sample_aspect_ratio,
            first.rotation,
            shown,
            sound,
        )
