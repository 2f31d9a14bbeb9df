"""Video codecs in this process, through PyAV: a few frames, without a container, a file or an ffmpeg program."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arch.errors import SengaError, install
from .blur import Image
from .codecs import from_yuv420, shift, to_yuv420
from .colour import from_levels, moved, to_levels

# ours -> FFmpeg's encoder and decoder
CODECS = {"h264": "libx264", "h265": "libx265", "mpeg4": "mpeg4", "mpeg2": "mpeg2video", "vp9": "libvpx-vp9"}
DECODERS = {"h264": "h264", "h265": "hevc", "mpeg4": "mpeg4", "mpeg2": "mpeg2video", "vp9": "vp9"}
SPEEDS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
SMALLEST = 32  # x265 takes no smaller side
# One thread and the exact transforms: the same bits on every machine.
EXACT = {"flags": "+bitexact", "idct": "simple"}


def video(image: Image, p: Mapping[str, Any]) -> Image:
    """A key frame. `quantiser` is the CRF of h264, h265 (0-51), vp9 (0-63), the quantiser of mpeg4 and mpeg2 (2-31)."""
    return _shown(image, [image], 0, p)


def video_shot(image: Image, p: Mapping[str, Any]) -> Image:
    """The picture as frame `shown` of a shot of `frames` in which it moves by `motion_x`, `motion_y` pixels a frame.

    Frames after the first are predicted from others, so the damage of several adds up and drags behind, as RealBasicVSR
    makes it for training (Chan et al. 2022, arXiv:2111.12704). `quantiser` as of `video`.
    """
    shown = min(p["shown"], p["frames"]) - 1
    wide = image.astype(np.float64)
    away = [frame - shown for frame in range(p["frames"])]
    shot = [moved(wide, p["motion_x"] * by, p["motion_y"] * by).astype(np.float32) if by else image for by in away]
    return _shown(image, shot, shown, p)


def _shown(image: Image, shot: Sequence[Image], index: int, p: Mapping[str, Any]) -> Image:
    """Frame `index` of the shot after the codec, at the size of `image`."""
    height, width = image.shape[:2]
    rows, columns = (max(SMALLEST, side + side % 2) for side in (height + p["shift_y"], width + p["shift_x"]))
    padding = ((0, rows - height - p["shift_y"]), (0, columns - width - p["shift_x"]), (0, 0))
    frames = [np.pad(shift(to_levels(frame), p["shift_x"], p["shift_y"]), padding, mode="edge") for frame in shot]
    decoded = from_yuv420(*_code([to_yuv420(from_levels(frame)) for frame in frames], p)[index])
    return decoded[p["shift_y"] :, p["shift_x"] :][:height, :width]


def _code(shot: Sequence[tuple[NDArray[np.uint8], ...]], p: Mapping[str, Any]) -> list[list[NDArray[np.uint8]]]:
    """Y, U and V of each frame -> the same, decoded."""
    try:
        import av
        from av.error import FFmpegError
        from av.video.codeccontext import VideoCodecContext
    except ModuleNotFoundError as error:
        raise SengaError(f"step video: PyAV is not installed; in the repository, run: {install('video')}") from error
    name = p["codec"]
    height, width = shot[0][0].shape
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
    if len(shot) > 1:
        encoder.gop_size = len(shot) + 1  # one key frame
        encoder.max_b_frames = 2
    if name == "vp9":
        encoder.bit_rate = 0  # else its quality is bounded by the rate
    frames = []
    for number, planes in enumerate(shot):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, pixels in zip(frame.planes, planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = pixels
            plane.update(padded.tobytes())
        frame.pts = number
        frames.append(frame)
    decoder = av.CodecContext.create(DECODERS[name], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = EXACT
    try:
        packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
        decoded = [found for packet in [*packets, None] for found in decoder.decode(packet)]
    except FFmpegError as error:
        raise SengaError(
            f"step video: {name} refused {width} x {height} pixels ({error}); give a smaller picture"
        ) from error
    return [
        [
            np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            for plane in frame.planes
        ]
        for frame in decoded
    ]


def _options(name: str, p: Mapping[str, Any]) -> dict[str, str]:
    quantiser = p["quantiser"]
    if name in ("mpeg4", "mpeg2"):
        held = str(min(max(quantiser, 2), 31))
        return {"qmin": held, "qmax": held, "dct": "int", **EXACT}
    if name == "vp9":
        haste = str(max(0, 6 - SPEEDS.index(p["speed"])))
        return {"crf": str(quantiser), "deadline": "good", "cpu-used": haste, "row-mt": "0", "auto-alt-ref": "0"}
    quantiser = min(quantiser, 51)
    own = {"x265-params": "log-level=none:pools=none:frame-threads=1"} if name == "h265" else {}
    return {"crf": str(quantiser), "preset": p["speed"], **own}
