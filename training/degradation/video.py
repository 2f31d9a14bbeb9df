"""Video codecs in this process, through PyAV: one key frame, without a container, a file or an ffmpeg program."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arch import SengaError
from .blur import Image
from .codecs import from_yuv420, shift, to_yuv420
from .colour import from_levels, to_levels

CODECS = {"h264": "libx264", "h265": "libx265", "mpeg4": "mpeg4", "mpeg2": "mpeg2video"}  # ours -> FFmpeg's encoder
DECODERS = {"h264": "h264", "h265": "hevc", "mpeg4": "mpeg4", "mpeg2": "mpeg2video"}
SPEEDS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
SMALLEST = 32  # x265 takes no smaller side
# One thread and the exact transforms: the same bits on every machine.
EXACT = {"flags": "+bitexact", "idct": "simple"}


def video(image: Image, p: Mapping[str, Any]) -> Image:
    """`quantiser` is the CRF of h264 and h265 (0-51) and the quantiser of mpeg4 and mpeg2 (2-31)."""
    height, width = image.shape[:2]
    levels = shift(to_levels(image), p["shift_x"], p["shift_y"])
    rows, columns = (max(SMALLEST, side + side % 2) for side in levels.shape[:2])
    padding = ((0, rows - levels.shape[0]), (0, columns - levels.shape[1]), (0, 0))
    decoded = from_yuv420(*_code(to_yuv420(from_levels(np.pad(levels, padding, mode="edge"))), p))
    return decoded[p["shift_y"] :, p["shift_x"] :][:height, :width]


def _code(planes: tuple[NDArray[np.uint8], ...], p: Mapping[str, Any]) -> list[NDArray[np.uint8]]:
    try:
        import av
        from av.error import FFmpegError
        from av.video.codeccontext import VideoCodecContext
    except ModuleNotFoundError as error:
        raise SengaError("step video: PyAV is not installed; install it with pip install av") from error
    name = p["codec"]
    height, width = planes[0].shape
    try:
        encoder = av.CodecContext.create(CODECS[name], "w")
    except ValueError as error:  # a build without the encoder: some leave x264 and x265 out for their licence
        raise SengaError(
            f"step video: this PyAV has no encoder {CODECS[name]}; install av from PyPI, or choose another codec"
        ) from error
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    encoder.options = _options(name, p)
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, pixels in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = pixels
        plane.update(padded.tobytes())
    frame.pts = 0
    decoder = av.CodecContext.create(DECODERS[name], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = EXACT
    try:
        packets = [*encoder.encode(frame), *encoder.encode(None)]
        (decoded, *_) = [found for packet in [*packets, None] for found in decoder.decode(packet)]
    except FFmpegError as error:
        raise SengaError(
            f"step video: {name} refused {width} x {height} pixels ({error}); give a smaller picture"
        ) from error
    return [
        np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in decoded.planes
    ]


def _options(name: str, p: Mapping[str, Any]) -> dict[str, str]:
    quantiser = p["quantiser"]
    if name in ("mpeg4", "mpeg2"):
        held = str(min(max(quantiser, 2), 31))
        return {"qmin": held, "qmax": held, "dct": "int", **EXACT}
    own = {"x265-params": "log-level=none:pools=none:frame-threads=1"} if name == "h265" else {}
    return {"crf": str(quantiser), "preset": p["speed"], **own}
