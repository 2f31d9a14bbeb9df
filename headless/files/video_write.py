"""Video files written: frames become parts, each with an encoder of its own, and parts become a file with its sound.

Parts are NUT files, FFmpeg's own container, in the order of decoding; Matroska where frames have transparency, which
NUT drops. Their times are beside them, since containers shift or round them.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...arch.image import to_bchw, to_bhwc
from ..errors import SengaError
from ..log import logger
from .deep import AnyLevels
from .video import CODECS, CONTAINERS, container_of, named_faults, open_video, pyav, url
from .video_colour import Colour, to_planes

LIMITED = 1  # FFmpeg's number of the range 16 to 235; that of the full range is one more
COPIED = ("audio", "subtitle")


@dataclass(frozen=True)
class Encoding:
    """How frames become a stream."""

    codec: str  # a key of CODECS
    crf: int
    time_base: Fraction
    rate: Fraction
    colour: Colour
    bits: int
    dense: bool
    aspect: Fraction
    clear: bool = False  # whether frames have alpha

    @property
    def layout(self) -> str:
        """FFmpeg's name of the planes."""
        return f"yuv{'a' if self.clear else ''}{'444' if self.dense else '420'}p{'10le' if self.bits > 8 else ''}"


def checked_encoding(encoding: Encoding, path: Path) -> Encoding:
    """The same with what the codec can hold. Says what it cannot."""
    known = CODECS[encoding.codec]
    clear = encoding.clear and container_of(path.name) in known.clear
    bits, dense = encoding.bits if known.deep else 8, encoding.dense and known.dense and not clear
    if clear != encoding.clear:
        logger.warning(
            "%s: %s has no transparency here; the video's is left out: vp9 in webm or mkv keeps it",
            path,
            encoding.codec,
        )
    if bits != encoding.bits:
        logger.warning("%s: %s has 8 bits a sample here; the video's %d are rounded", path, encoding.codec, 10)
    if dense != encoding.dense:
        logger.warning(
            "%s: %s has colour in half resolution here; the video's full one is halved", path, encoding.codec
        )
    return Encoding(**{**vars(encoding), "bits": bits, "dense": dense, "clear": clear})


def write_part(path: Path, frames: Iterable[tuple[int, AnyLevels]], encoding: Encoding, target: Path) -> list[int]:
    """Encode frames, (H, W, C) levels with their times, into a file of their own; returns the times.

    Raises SengaError, naming `target`, where the encoder refuses them.
    """
    times: list[int] = []
    each = iter(frames)
    known = CODECS[encoding.codec]
    with ExitStack() as stack:
        stream: Any = None
        out: Any = None
        for time, levels in each:
            with named_faults(target, f"{encoding.codec} cannot be written ({{error}}); choose another --codec"):
                if stream is None:
                    height, width = (_even(side, known.multiple) for side in levels.shape[:2])
                    if min(width, height) < known.least:
                        raise SengaError(
                            f"{target}: {width}x{height} is too small for {encoding.codec} (at least {known.least}"
                            " pixels a side); choose another --codec"
                        )
                    out = stack.enter_context(
                        pyav().open(url(path), "w", format="matroska" if encoding.clear else "nut")
                    )
                    stream = _encoder(out, width, height, encoding)
                out.mux(stream.encode(_frame(levels, time, stream, encoding)))
            times.append(time)
        if stream is not None:
            with named_faults(target, f"{encoding.codec} cannot be written ({{error}}); choose another --codec"):
                out.mux(stream.encode(None))
    return times


def _even(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _encoder(out: Any, width: int, height: int, encoding: Encoding) -> Any:
    known = CODECS[encoding.codec]
    options = {**known.options, "crf": str(encoding.crf)}
    stream = out.add_stream(known.encoder, rate=encoding.rate, options=options)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = width, height, encoding.layout
    context.time_base = encoding.time_base
    context.sample_aspect_ratio = encoding.aspect
    _tag(context, encoding.colour)
    return stream


def _tag(context: Any, colour: Colour) -> None:
    context.colorspace, context.color_range = colour.matrix, LIMITED + colour.full
    context.color_primaries, context.color_trc = colour.primaries, colour.transfer


def _frame(levels: AnyLevels, time: int, stream: Any, encoding: Encoding) -> Any:
    """One frame as the encoder takes it; where it takes even sizes only, its last row and column are repeated."""
    height, width = levels.shape[:2]
    rgb = torch.from_numpy(levels.astype(np.float32) / np.iinfo(levels.dtype).max)
    if encoding.clear and rgb.shape[2] == 3:
        rgb = F.pad(rgb, (0, 1), value=1.0)
    beyond = (0, stream.width - width, 0, stream.height - height)
    if any(beyond):
        rgb = to_bhwc(F.pad(to_bchw(rgb[None]), beyond, mode="replicate"))[0]
    frame = pyav().VideoFrame(stream.width, stream.height, encoding.layout)
    planes = [*to_planes(rgb[..., :3], encoding.bits, encoding.colour, halved=not encoding.dense)]
    if encoding.clear:
        planes.append((rgb[..., 3] * 255).round().to(torch.uint8))
    for plane, samples in zip(frame.planes, planes, strict=True):
        kind = np.dtype(np.uint8 if encoding.bits == 8 else "<u2")
        rows = np.zeros((plane.height, plane.line_size // kind.itemsize), kind)
        rows[:, : plane.width] = samples.numpy()
        plane.update(rows.tobytes())
    frame.pts, frame.time_base = time, encoding.time_base
    frame.colorspace, frame.color_range = encoding.colour.matrix, LIMITED + encoding.colour.full
    return frame


def packets_in(part: Path) -> int:
    """How many frames a part has. Raises SengaError for one that is damaged."""
    with named_faults(part, "is damaged ({error}); remove it"), pyav().open(url(part)) as file:
        return sum(1 for packet in file.demux(file.streams.video[0]) if packet.size)


def join(
    parts: Sequence[Path],
    times: Sequence[int],
    last: int,
    encoding: Encoding,
    source: Path,
    path: Path,
    target: Path,
    *,
    strip: bool,
) -> None:
    """Write the parts' frames at their times, with sound and subtitles of the source, as the video `path`.

    `last` is how long the last frame is shown; `target` is the file's name in messages, and says the container; with
    `strip` the source's title and other texts are left out. Raises SengaError.
    """
    name = container_of(target.name)
    assert name is not None
    known = CONTAINERS[name]
    with ExitStack() as stack:
        stack.enter_context(named_faults(target, "cannot be written ({error}); choose another container"))
        av = pyav()
        given = stack.enter_context(open_video(source))
        options = {
            **known.options,
            **({"movie_timescale": str(encoding.time_base.denominator)} if name == "mp4" else {}),
        }
        out = stack.enter_context(av.open(url(path), "w", format=known.id, options=options))
        if not strip:
            out.metadata.update(given.metadata)
        first = stack.enter_context(av.open(url(parts[0])))
        stream = out.add_stream_from_template(first.streams.video[0], opaque=True)
        _tag(stream.codec_context, encoding.colour)
        if (tag := CODECS[encoding.codec].tag) and name == "mp4":
            stream.codec_context.codec_tag = tag
        stream.time_base = encoding.time_base
        if encoding.clear:
            stream.metadata["alpha_mode"] = "1"
        others = _copied(given, out, name, target)
        pictures = _pictures(parts, _in_order(parts, times, last), encoding.time_base, stream)
        for _, _, packet in heapq.merge(
            pictures, _others(given, others, whole=name == "mp4"), key=lambda item: item[:2]
        ):
            out.mux(packet)


def _copied(given: Any, out: Any, name: str, target: Path) -> dict[int, Any]:
    """The result's stream for each stream of the source that its container takes; says which it does not."""
    found: dict[int, Any] = {}
    left: list[str] = []
    for stream in given.streams:
        if stream.type not in COPIED or stream.codec_context is None:
            continue
        try:
            found[stream.index] = copy = out.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
        except ValueError:  # the container does not take the codec
            left.append(f"{'sound' if stream.type == 'audio' else 'subtitles'} ({stream.codec_context.name})")
    if left:
        logger.warning("%s: %s cannot hold the video's %s, left out; mkv can", target, name, " and ".join(left))
    return found


Item = tuple[float, int, Any]  # seconds, stream, packet


def _others(given: Any, copies: dict[int, Any], *, whole: bool) -> Iterator[Item]:
    """The packets that are copied; only with `whole` those that end before 0, which decoders of sound begin with.

    mp4 alone can hold these; the other muxers would show everything later to make room for them.
    """
    if not copies:
        return
    for packet in given.demux([stream for stream in given.streams if stream.index in copies]):
        early = packet.pts is not None and packet.pts + (packet.duration or 0) <= 0 and not whole
        if packet.size and packet.dts is not None and not early:
            seconds = float(packet.dts * packet.time_base)
            packet.stream = copies[packet.stream_index]
            yield seconds, 1, packet


def _in_order(parts: Sequence[Path], times: Sequence[int], last: int) -> list[tuple[int, int, int]]:
    """(pts, dts, duration) of each packet in the order of decoding.

    Frames that refer to later ones are behind them in the file. As many places as the one that is moved most, decoding
    runs ahead of showing.
    """
    orders: list[int] = []
    for part in parts:
        with pyav().open(url(part)) as file:
            shown = [packet.pts for packet in file.demux(file.streams.video[0]) if packet.size]
        rank = {time: number for number, time in enumerate(sorted(shown))}
        begin = len(orders)
        orders += [begin + rank[time] for time in shown]
    ahead = max(place - number for place, number in enumerate(orders))
    spans = [*(after - before for before, after in pairwise(times)), last]
    early = [times[0] - spans[0] * (ahead - number) for number in range(ahead)]
    decoded = [*early, *times]
    return [(times[number], decoded[place], spans[number]) for place, number in enumerate(orders)]


def _pictures(
    parts: Sequence[Path], places: Sequence[tuple[int, int, int]], time_base: Fraction, stream: Any
) -> Iterator[Item]:
    rest = iter(places)
    for part in parts:
        with pyav().open(url(part)) as file:
            for packet in file.demux(file.streams.video[0]):
                if not packet.size:
                    continue
                pts, dts, span = next(rest)
                packet.stream, packet.time_base = stream, time_base
                packet.pts, packet.dts, packet.duration = pts, dts, span
                yield float(dts * time_base), 0, packet
