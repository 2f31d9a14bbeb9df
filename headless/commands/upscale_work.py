"""What `senga upscale` does with each file: read it, run the node on its frames, write the result."""

import hashlib
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...arch.image import resize, to_bchw, to_bhwc
from ...nodes import NODE_CLASS_MAPPINGS
from ..files.deep import AnyLevels
from ..files.formats import FORMATS, NOTHING, write_picture
from ..files.journal import sha256_of
from ..files.pictures import Picture, as_image, decode, deep_levels, read_picture, rounded_levels
from ..files.plan import Job
from ..files.video import CONTAINERS
from ..files.video_parts import Parts
from ..files.video_read import Clip, read_clip
from ..files.video_write import Encoding, checked_encoding
from ..log import logger
from ..progress import BatchLine
from ..stream import Stream, made_ahead
from ..workflow.execute import call_node
from .batch import Output, Work

UPSCALER = "SengaUpscale"
SIZES = ("scale", "width", "height", "fit")  # the node's inputs that say how large a result is
DEPTHS = (8, 16)
FRAMES_WAITING = 2  # of an animation, between reading and the network, and between the network and writing
REMEMBERED = 256 * 2**20  # bytes of results, for frames that are repeated
REMEMBERED_FRAMES = 96  # the same: four seconds; with bytes alone, thousands of small frames would fill them

Source = Picture | Clip


@dataclass(frozen=True)
class Upscaled:
    """(H, W, C) levels of each frame, those of an animation on their way; and the picture that they come from."""

    frames: Sequence[AnyLevels] | Stream[AnyLevels]
    picture: Picture


@dataclass(frozen=True)
class Filmed:
    """The frames of a video that are missing, with their times, on their way; and those that are there."""

    frames: Stream[tuple[int, AnyLevels]]
    parts: Parts


@dataclass(frozen=True)
class Shown:
    """One frame for the network."""

    digest: bytes  # equal for equal frames of a file
    image: Tensor  # (H, W, C)
    time: int = 0  # when it is shown, in a video


@dataclass(frozen=True)
class Network:
    """What is done to each frame: the mean of one or several ways, each with its weight."""

    options: dict[str, Any]  # inputs of the node
    ways: Sequence[tuple[float, Sequence[object]]]  # models one after the other, of which the last enlarges

    def __call__(self, image: Tensor) -> Tensor:
        """(H, W, C) -> (H', W', C) in [0, 1]; a way without models takes the size of the others. Raises SengaError."""
        found: Tensor | None = None
        for weight, models in sorted(self.ways, key=lambda way: not way[1]):
            result = self._through(models, image)
            if found is None and weight == 1:
                return result
            if found is not None and result.shape != found.shape:
                result = to_bhwc(resize(to_bchw(result[None]), found.shape[0], found.shape[1]))[0]
            found = result * weight if found is None else found.add_(result, alpha=weight)
        assert found is not None
        return found.clamp_(0, 1)

    def _through(self, models: Sequence[object], image: Tensor) -> Tensor:
        own_size = {name: value for name, value in self.options.items() if name not in SIZES}
        for number, model in enumerate(models, 1):
            options = self.options if number == len(models) else own_size
            large, *_ = call_node(NODE_CLASS_MAPPINGS[UPSCALER], upscale_model=model, image=image[None], **options)
            image = large[0]
        return image


def work(network: Network, largest: int) -> Work[Source, Upscaled | Filmed]:
    """`largest` is the most pixels that a frame may have; a job's settings say how its result is written."""

    def read(job: Job) -> Source:
        if job.format in CONTAINERS:
            return read_clip(job.source, largest)
        return read_picture(job.source, take="animation", max_pixels=largest)

    def make(ready: Sequence[tuple[Job, Source]], batch: BatchLine) -> list[Upscaled | Filmed]:
        return [
            filmed(job, source, network, batch) if isinstance(source, Clip) else upscaled(job, source, network, batch)
            for job, source in ready
        ]

    return Work(
        read=read,
        make=make,
        encode=lambda job, made: _video(job, made) if isinstance(made, Filmed) else _picture(job, made),
        frames=lambda source: source.count if isinstance(source, Clip) else len(source.durations) or 1,
        stream=lambda made: made.frames if isinstance(made.frames, Stream) else None,
    )


def _picture(job: Job, made: Upscaled) -> Output:
    picture = made.picture

    def write(path: Path) -> None:
        with path.open("wb") as file:
            write_picture(
                file,
                made.frames,
                job.format,
                job.target,
                durations=picture.durations,
                plays=picture.plays,
                meta=NOTHING if job.settings["strip"] else picture.meta,
                quality=job.settings["quality"],
            )

    return Output(str(job.target), {job.target: write})


def _video(job: Job, made: Filmed) -> Output:
    def write(path: Path) -> None:
        whole = False
        try:
            made.parts.write(made.frames, path, strip=job.settings["strip"])
            whole = True
        finally:
            made.parts.close(done=whole)

    return Output(str(job.target), {job.target: write})


def upscaled(job: Job, picture: Picture, network: Network, batch: BatchLine) -> Upscaled:
    """The result of a still; of an animation, the stream that makes it. Raises SengaError."""
    source, depth = job.source, job.settings["depth"]
    if picture.count > 1 and not picture.durations:
        logger.warning("%s: it has %d pages; only the first is upscaled (a workflow takes all)", source, picture.count)
    if picture.durations and depth == DEPTHS[-1]:
        logger.warning("%s: frames of animations have 8 bits a sample, not 16", job.target)
    deep = (depth or picture.depth) == DEPTHS[-1] and FORMATS[job.format].deep and not picture.durations
    if depth is None and picture.depth == DEPTHS[-1] and not deep:
        logger.warning("%s: %s has 8 bits a sample; the picture's 16 are rounded", job.target, job.format)
    images = _pages(picture)
    if not picture.durations:
        return Upscaled([large for _, large in upscaled_frames(images, network, batch, deep=deep)], picture)

    def frames() -> Generator[AnyLevels, None, None]:
        with closing(made_ahead(images, FRAMES_WAITING, batch.waits)) as ahead:
            yield from (large for _, large in upscaled_frames(ahead, network, batch))

    return Upscaled(Stream(frames(), FRAMES_WAITING), picture)


def filmed(job: Job, clip: Clip, network: Network, batch: BatchLine) -> Filmed:
    """The stream that makes the frames of a video that no earlier run has made. Raises SengaError, OSError."""
    own = job.settings
    meant = Encoding(
        codec=own["codec"],
        crf=own["crf"],
        time_base=clip.time_base,
        rate=clip.rate,
        colour=clip.colour,
        bits=clip.bits,
        dense=clip.dense,
        aspect=clip.aspect,
        clear=clip.clear,
    )
    made_from = {**own, "source": sha256_of(clip.path)}
    encoding = checked_encoding(meant, job.target)
    clip = replace(clip, clear=encoding.clear)
    parts = Parts(job.target, clip, encoding, made_from)
    done = len(parts.times)
    batch.skip(done)

    def shots() -> Generator[Shown, None, None]:
        if done < clip.count:
            yield from (Shown(shot.digest, shot.rgb, shot.time) for shot in clip.shots(done))

    def frames() -> Generator[tuple[int, AnyLevels], None, None]:
        with closing(made_ahead(shots(), FRAMES_WAITING, batch.waits)) as ahead:
            yield from upscaled_frames(ahead, network, batch, deep=True)

    return Filmed(Stream(frames(), FRAMES_WAITING), parts)


def _pages(picture: Picture) -> Generator[Shown, None, None]:
    for page in picture.frames():
        # Channels are those of the animation as a whole: a GIF's first frame may be opaque and the others not.
        image = as_image(decode(page, picture.low), alpha=picture.clear, grey=not picture.durations)
        yield Shown(_digest(page) if picture.durations else b"", image)


def _digest(page: Image.Image) -> bytes:
    digest = hashlib.blake2b(
        f"{page.mode} {page.getpalette()} {page.info.get('transparency')}".encode(), digest_size=16
    )
    digest.update(page.tobytes())
    return digest.digest()


def upscaled_frames(
    images: Iterator[Shown], network: Network, batch: BatchLine, *, deep: bool = False
) -> Generator[tuple[int, AnyLevels], None, None]:
    """Times, and (H, W, C) levels of each frame, of 16 bits if `deep`. Raises SengaError.

    Equal frames are computed once: drawn animations show most drawings for two or three frames.
    """
    seen = _Seen()
    for shown in images:
        levels = seen.find(shown.digest)
        if levels is None:
            with torch.inference_mode():
                large = network(shown.image)
            levels = deep_levels(large) if deep else rounded_levels(large)
            seen.keep(shown.digest, levels)
        yield shown.time, levels
        batch.next_frame()
    seen.log()


class _Seen:
    """The last results of a file, by the digests of their frames."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, AnyLevels] = OrderedDict()
        self._bytes = self._found = self._asked = 0

    def find(self, digest: bytes) -> AnyLevels | None:
        self._asked += 1
        levels = self._kept.get(digest)
        if levels is not None:
            self._kept.move_to_end(digest)
            self._found += 1
        return levels

    def keep(self, digest: bytes, levels: AnyLevels) -> None:
        self._kept[digest] = levels
        self._bytes += levels.nbytes
        while (self._bytes > REMEMBERED and len(self._kept) > 1) or len(self._kept) > REMEMBERED_FRAMES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

    def log(self) -> None:
        if self._found:
            logger.debug("%d of %d frames were repeated, and computed once", self._found, self._asked)
