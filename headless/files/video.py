"""The video files that commands read and write: tables of containers and codecs, and PyAV, which reads and writes them.

PyAV is FFmpeg's libraries for Python: https://pyav.basswood-io.com
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ...arch.errors import install
from ...training.run.pictures import MAX_PIXELS
from ..errors import SengaError, one_line
from .video_index import check_index


@dataclass(frozen=True)
class Container:
    id: str  # FFmpeg's
    extension: str
    codecs: tuple[str, ...]  # that it takes; the first is the default
    others: tuple[str, ...] = ()  # more extensions, read and written as this container
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Codec:
    encoder: str  # FFmpeg's
    crf: int  # default of --crf: no difference to be seen beside the frames themselves
    worst: int  # the highest --crf
    deep: bool  # whether 10 bits a sample are possible
    dense: bool  # whether colour may have full resolution (4:4:4)
    clear: tuple[str, ...] = ()  # containers in which it has transparency, beside colour of half resolution
    multiple: int = 2  # that width and height must be of
    least: int = 16  # pixels a side
    tag: str = ""  # what mp4 calls it, where FFmpeg's own choice does not play everywhere
    options: Mapping[str, str] = field(default_factory=dict)


CONTAINERS = {
    "mp4": Container("mp4", ".mp4", ("h264", "h265", "av1", "vp9"), (".m4v", ".mov"), {"movflags": "+faststart"}),
    "mkv": Container("matroska", ".mkv", ("h264", "h265", "av1", "vp9")),
    "webm": Container("webm", ".webm", ("vp9", "av1")),
}
CODECS = {
    "h264": Codec("libx264", 17, 51, deep=True, dense=True),
    "h265": Codec("libx265", 19, 51, deep=True, dense=True, tag="hvc1", options={"x265-params": "log-level=none"}),
    "vp9": Codec(
        *("libvpx-vp9", 22, 63),
        deep=False,
        dense=True,
        clear=("mkv", "webm"),
        multiple=1,
        options={"cpu-used": "3", "row-mt": "1"},
    ),
    "av1": Codec("libsvtav1", 22, 63, deep=True, dense=False, least=64, options={"preset": "8"}),
}
# FFmpeg's own decoders pass over transparency, which these codecs have beside each frame.
CLEAR_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
VIDEO_ENDINGS = tuple(ending for known in CONTAINERS.values() for ending in (known.extension, *known.others))
# What a video may be in, whatever its name says: FFmpeg would also follow lists of other files and addresses (concat,
# HLS, SDP) that have the name of a video.
READ = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,ogg,asf"
PATIENCE = 60.0  # seconds until FFmpeg has found out what a file is
BORDERS = 1 << 16  # pixels around a small frame, while it is decoded
INSTALL = f"in Senga's folder, run: {install('video')}"


def container_of(name: str) -> str | None:
    """The container of a file name's ending, None for an ending of something else."""
    ending = Path(name).suffix.lower()
    return next((key for key, known in CONTAINERS.items() if ending in (known.extension, *known.others)), None)


def pyav() -> ModuleType:
    """The package `av`. Raises SengaError where it is not installed."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise SengaError(f"video files need the package 'av', which is not installed; {INSTALL}") from error
    os.environ.setdefault("SVT_LOG", "1")  # errors only: its AV1 encoder writes to the error stream by itself
    return av


def url(path: Path) -> str:
    """A path for FFmpeg, to which `Re:Zero.mkv` would be an address of the protocol `Re`."""
    return f"file:{path}"


def open_video(path: Path, max_pixels: int = MAX_PIXELS) -> Any:
    """A video to be read, and no other file or address; no frame of more than `max_pixels` is decoded.

    Raises SengaError for an index that announces more frames than fit the file, and what PyAV raises.
    """
    check_index(path)
    alone = {"format_whitelist": READ, "protocol_whitelist": "file"}
    return pyav().open(url(path), options=limits(max_pixels), container_options=alone, timeout=(PATIENCE, None))


def limits(max_pixels: int) -> dict[str, str]:
    """Options of a decoder. Twice as many, since it counts what it adds to a frame's borders; others check exactly."""
    return {"max_pixels": str(2 * max_pixels + BORDERS)}


@contextmanager
def named_faults(path: Path, what: str) -> Iterator[None]:
    """FFmpeg's errors as SengaError: `clip.mp4: cannot be read as a video (...); fetch or save it again`."""
    av = pyav()
    try:
        yield
    except SengaError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise SengaError(f"{path}: {what.format(error=one_line(error))}") from error
