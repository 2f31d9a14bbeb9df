"""Video files read: what a file says about its frames, and the frames one by one, from any of them on."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...arch.files.reading import why_unreadable
from ...training.run.pictures import MAX_PIXELS, TooLargeError, check_pixels
from ..errors import SengaError
from ..log import logger
from .video import CLEAR_DECODERS, limits, named_faults, open_video, pyav
from .video_colour import FULL, Colour, matrix_of, to_rgb

UNREADABLE = "cannot be read as a video ({error}); fetch or save it again"
MOST_FRAMES = 5_000_000  # of which the times are held; 23 hours with 60 a second
FRACTIONS = (1, 2)  # how much smaller colour may be, for its planes to be read as they are


@dataclass(frozen=True)
class Shot:
    """One upright frame."""

    time: int  # when it is shown, in units of the clip's time_base
    digest: bytes  # equal for frames of equal samples
    rgb: Tensor  # (H, W, 3) float32 in [0, 1]; (H, W, 4) with alpha in clear clips


@dataclass(frozen=True)
class Clip:
    """What a file's first video stream is."""

    path: Path
    width: int  # of an upright frame
    height: int
    count: int  # frames
    times: tuple[int, ...]  # when each is shown; empty where the file does not say it of every one
    last: int  # how long the last frame is shown
    time_base: Fraction  # seconds
    rate: Fraction  # frames a second, on average
    turns: int  # quarters of a circle, counterclockwise, by which players turn the stored frames
    colour: Colour
    bits: int  # of a sample, 8 or 10
    dense: bool  # whether colour has full resolution
    aspect: Fraction  # width of a pixel, when its height is 1, of an upright frame
    clear: bool = False  # whether its frames have alpha
    limit: int = MAX_PIXELS  # of a frame, decoded

    def shots(self, first: int = 0) -> Iterator[Shot]:
        """The frames from the one of number `first` on. Raises SengaError."""
        before: int | None = None
        with named_faults(self.path, UNREADABLE):
            for frame in self._frames(first):
                time = self._time(frame, before)
                before = time
                yield self._shot(frame, time)

    def _frames(self, first: int) -> Iterator[Any]:
        if first and self.times:
            with opened(self.path, self.limit) as (file, stream):
                if (found := self._from(file, stream, first)) is not None:
                    yield from found
                    return
        with opened(self.path, self.limit) as (file, stream):
            yield from islice(self._decoded(file, stream), first, None)

    def _decoded(self, file: Any, stream: Any) -> Iterator[Any]:
        decoder = clear_decoder(stream) if self.clear else None
        if decoder is None:
            return file.decode(stream)
        return (frame for packet in file.demux(stream) for frame in decoder.decode(packet if packet.size else None))

    def _from(self, file: Any, stream: Any, first: int) -> Iterator[Any] | None:
        """The frames from a key frame's neighbourhood on; None where the file cannot be entered there."""
        file.seek(self.times[first], stream=stream, backward=True)
        frames = self._decoded(file, stream)
        for frame in frames:
            if frame.pts is None or frame.pts > self.times[first]:
                break
            if frame.pts == self.times[first]:
                return chain((frame,), frames)
        logger.debug("%s: cannot be entered at frame %d; read from its beginning", self.path, first)
        return None

    def _time(self, frame: Any, before: int | None) -> int:
        step = max(1, round(1 / (self.rate * self.time_base)))
        time = frame.pts if frame.pts is not None else 0 if before is None else before + step
        return time if before is None else max(time, before + 1)  # encoders take no time twice

    def _shot(self, frame: Any, time: int) -> Shot:
        turned = (frame.height, frame.width) if self.turns % 2 else (frame.width, frame.height)
        if turned != (self.width, self.height):
            raise SengaError(
                f"{self.path}: a frame has {turned[0]}x{turned[1]} pixels where {self.width}x{self.height} were"
                " expected; videos that change their size are not taken"
            )
        samples, rgb = _decoded(frame, self.colour, clear=self.clear)
        return Shot(time, samples, torch.rot90(rgb, self.turns).contiguous())


@contextmanager
def opened(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[tuple[Any, Any]]:
    """A file, and its pictures' stream (not one with a cover alone, if there is another). Raises what PyAV raises."""
    with open_video(path, max_pixels) as file:
        if (stream := file.streams.best("video")) is None:
            raise SengaError(
                f"{path}: has no pictures in it{', only sound' if file.streams.audio else ''}; name a video file"
            )
        if stream.codec_context is None:
            raise SengaError(f"{path}: its pictures have a codec that FFmpeg does not know; save it as H.264")
        stream.thread_type = "AUTO"
        stream.codec_context.options = limits(max_pixels)
        yield file, stream


def clear_decoder(stream: Any) -> Any:
    """A decoder for a stream with transparency beside its frames; None for any other stream.

    Raises ValueError where FFmpeg was built without it.
    """
    said = {key.lower(): value for key, value in stream.metadata.items()}
    name = CLEAR_DECODERS.get(stream.codec_context.name)
    if said.get("alpha_mode") != "1" or name is None:
        return None
    decoder = pyav().CodecContext.create(name, "r")
    if stream.codec_context.extradata:
        decoder.extradata = stream.codec_context.extradata
    return decoder


def read_clip(path: Path, max_pixels: int = MAX_PIXELS) -> Clip:
    """Everything about a file's first video stream but its frames, of which one is decoded and all are counted.

    Raises SengaError, naming the file, where it is missing, damaged, too large or of a kind that is not taken.
    """
    if reason := why_unreadable(path):
        raise SengaError(f"{path}: {reason}")
    with named_faults(path, UNREADABLE):
        with opened(path, max_pixels) as (file, stream):
            size = (stream.codec_context.width, stream.codec_context.height)
            try:
                if not all(size):
                    raise TooLargeError(f"the size of its frames is unknown, or far over {max_pixels:,} pixels")
                check_pixels(size, 1, max_pixels)
            except TooLargeError as error:
                raise TooLargeError(f"{path}: {error}; --max-pixels raises the limit") from error
            frame = next(iter(file.decode(stream)), None)
            if frame is None:
                raise SengaError(f"{path}: no frame of it can be decoded; fetch or save it again")
        with opened(path, max_pixels) as (file, stream):
            taken = (packet for packet in file.demux(stream) if packet.size and not packet.is_discard)  # by edit lists
            packets = [(packet.pts, packet.duration) for packet in islice(taken, MOST_FRAMES + 1)]
            if len(packets) > MOST_FRAMES:
                raise TooLargeError(f"{path}: has more than {MOST_FRAMES:,} frames; cut it into parts")
            if frame.interlaced_frame:
                logger.warning("%s: is interlaced; its lines will be enlarged as they are: deinterlace it first", path)
            return replace(_clip(path, stream, frame, packets), limit=max_pixels)


def _clip(path: Path, stream: Any, frame: Any, packets: list[tuple[int | None, int | None]]) -> Clip:
    times = sorted(time for time, _ in packets if time is not None)
    whole = len(times) == len(packets) and all(one < other for one, other in pairwise(times))
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    turns = round(frame.rotation / 90) % 4
    if frame.rotation % 90:
        logger.warning("%s: says that it is turned by %g degrees, which is not applied", path, frame.rotation)
    size = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    kind = frame.format
    try:
        matrix = matrix_of(int(frame.colorspace), frame.width, frame.height)
    except SengaError as error:
        raise SengaError(f"{path}: {error}") from error
    return Clip(
        path=path,
        width=size[0],
        height=size[1],
        count=len(packets),
        times=tuple(times) if whole else (),
        last=max((span or 0 for time, span in packets if not times or time == times[-1]), default=0)
        or max(1, round(1 / (rate * stream.time_base))),
        time_base=stream.time_base,
        rate=rate,
        turns=turns,
        colour=Colour(matrix, _is_full(frame), int(frame.color_primaries), int(frame.color_trc)),
        bits=10 if max(part.bits for part in kind.components) > 8 else 8,
        dense=kind.is_rgb or (len(kind.components) > 2 and kind.chroma_width() == kind.width),
        aspect=1 / aspect if turns % 2 else aspect,
        clear=_is_clear(path, stream, kind),
    )


def _is_clear(path: Path, stream: Any, kind: Any) -> bool:
    try:
        return _has_alpha(kind) or clear_decoder(stream) is not None
    except ValueError:  # no such codec
        logger.warning("%s: its transparency cannot be read by this build of FFmpeg and is left out", path)
        return False


def _has_alpha(kind: Any) -> bool:
    return any(part.is_alpha for part in kind.components)


def _is_full(frame: Any) -> bool:
    """RGB has no range of its own, and is written as videos are; the names of old formats for JPEG say it."""
    return not frame.format.is_rgb and (int(frame.color_range) == FULL or frame.format.name.startswith("yuvj"))


def _decoded(frame: Any, colour: Colour, *, clear: bool = False) -> tuple[bytes, Tensor]:
    """A digest of the samples, and (H, W, 3) in [0, 1] as stored; (H, W, 4) if `clear`."""
    kind = frame.format
    bits = max(part.bits for part in kind.components)
    digest, rgb = _colours(frame, colour)
    if not clear:
        return digest, rgb
    if not _has_alpha(kind):
        return digest, F.pad(rgb, (0, 1), value=1.0)
    if kind.is_rgb or not _plain(kind):
        levels = frame.reformat(format="rgba64le" if bits > 8 else "rgba").to_ndarray()[..., 3]
        most = np.iinfo(levels.dtype).max
    else:
        levels, most = _samples(frame.planes[3], bits), (1 << bits) - 1
    alpha = torch.from_numpy(levels.astype(np.float32) / most)
    return digest + _digest(levels), torch.cat((rgb, alpha[..., None]), 2)


def _colours(frame: Any, colour: Colour) -> tuple[bytes, Tensor]:
    kind = frame.format
    bits = max(part.bits for part in kind.components)
    if kind.is_rgb or kind.has_palette:
        levels = frame.reformat(format="rgb48le" if bits > 8 else "rgb24").to_ndarray()
        return _digest(levels), torch.from_numpy(levels.astype(np.float32) / np.iinfo(levels.dtype).max)
    if not _plain(kind):
        grey = len(kind.components) < 3
        name = ("yuv444p16le" if bits > 8 else "yuv444p") if not grey else ("gray16le" if bits > 8 else "gray")
        frame, bits = frame.reformat(format=name), 16 if bits > 8 else 8
    planes = [_samples(plane, bits) for plane in frame.planes[:3]]
    luma = torch.from_numpy(planes[0])
    grey = torch.full(luma.shape, 1 << (bits - 1))
    blue, red = map(torch.from_numpy, planes[1:]) if len(planes) == 3 else (grey, grey)
    return _digest(*planes), to_rgb(luma, blue, red, bits, colour)


def _plain(kind: Any) -> bool:
    """Whether a frame has three planes of whole numbers, with colour of full or half resolution, and maybe alpha."""
    parts = [part for part in kind.components if not part.is_alpha]
    if not kind.is_planar or len(parts) != 3 or len({part.plane for part in parts}) != 3:
        return False
    if kind.is_big_endian and max(part.bits for part in parts) > 8:
        return False
    sizes = {(-(-kind.width // x), -(-kind.height // y)) for x in FRACTIONS for y in FRACTIONS}
    return (kind.chroma_width(), kind.chroma_height()) in sizes


def _samples(plane: Any, bits: int) -> "np.ndarray[Any, Any]":
    """(H, W) of one plane, whose rows may be padded."""
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    return rows[:, : plane.width].astype(np.uint8 if bits == 8 else np.int32)


def _digest(*samples: "np.ndarray[Any, Any]") -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in samples:
        digest.update(np.ascontiguousarray(part).data)
    return digest.digest()
