"""The tagger's training pictures. A batch is a pure function of (seed, step), a picture in it of (seed, step, i)."""

import io
import logging
import re
from collections import OrderedDict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...arch import SengaError
from ...arch.image import to_bchw
from ...arch.preprocessing import Preprocessing, preprocess
from ..degradation.params import pick
from ..run.pictures import BROKEN, eight_bits, open_picture
from .index import Array, TagIndex
from .settings import KERNELS, AugmentSettings, DataSettings

logger = logging.getLogger("senga")

TRIES = 8  # pictures looked at in the place of one that cannot be read
MIXING, DROPOUT = 1, 2  # further random streams of a step, apart from those of its pictures
SIDES = re.compile(r"(?<![a-z])(left|right)(?![a-z])")
LUMA = np.array([0.299, 0.587, 0.114])


class TagPictures:
    """An index's pictures, decoded on demand and kept within a byte budget.

    Args:
        index: files and tags.
        data, augment: the settings of these names.
        preprocessing: of the model that is trained.
    """

    def __init__(
        self, index: TagIndex, data: DataSettings, augment: AugmentSettings, preprocessing: Preprocessing
    ) -> None:
        self.index, self.data, self.augment, self.preprocessing = index, data, augment, preprocessing
        self.folder = Path(data.folder)
        self.size = augment.size or preprocessing.size
        self.train = index.where("train")
        self.pad = tuple(round(255 * value) for value in preprocessing.pad_colour)
        self.mirror, self.one_sided = mirrored(index.names)
        self.order = lru_cache(4)(self._order)  # pictures of an epoch's end and of the next one's beginning
        self._cache: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self._broken: set[int] = set()

    def some(self, split: str, amount: int) -> Array:
        """At most `amount` pictures of a split, spread evenly over it."""
        numbers = self.index.where(split)
        return numbers if len(numbers) <= amount else numbers[np.arange(amount) * len(numbers) // amount]

    @staticmethod
    def dropout_seed(seed: int, step: int, rank: int) -> int:
        """What the net's own random numbers of a step begin with."""
        return int(np.random.SeedSequence(seed, spawn_key=(step, rank, DROPOUT)).generate_state(1)[0])

    @cached_property
    def repeats(self) -> Array:
        """How often each training picture is drawn in an epoch: sqrt(rare / share) for its rarest tag, 1 at least.

        Repeat-factor sampling of Gupta, Dollar and Girshick, "LVIS" (2019).
        """
        bearing, known = self.index.counts()
        share = np.maximum(bearing, 1) / np.maximum(known, 1)
        factor = np.maximum(1.0, np.sqrt(self.data.rare / share))
        owners = np.repeat(np.arange(len(self.index)), np.diff(self.index.starts))
        repeats = np.ones(len(self.index))
        np.maximum.at(repeats, owners, factor[self.index.tags])
        return repeats[self.train]

    def _order(self, seed: int, epoch: int) -> Array:
        """Numbers of the pictures of an epoch, in order; each comes its repeat factor's times, rounded at random."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
        upto = np.cumsum(self.repeats)
        length = round(upto[-1])
        marks = (np.arange(length) + rng.random()) / length * upto[-1]
        return rng.permutation(self.train[np.minimum(np.searchsorted(upto, marks, side="right"), len(upto) - 1)])

    def drawn(self, seed: int, place: int) -> int:
        """Number of the picture at a place in the endless stream of epochs."""
        length = len(self.order(seed, 0))
        return int(self.order(seed, place // length)[place % length])

    def open(self, number: int) -> Image.Image:
        """The whole picture, RGB over the pad colour. Raises one of BROKEN for a file that cannot be read."""
        with open_picture(self.folder / str(self.index.files[number])) as image:
            image.draft("RGB", (self.data.store, self.data.store))  # JPEG alone: decode no more than is needed
            picture = eight_bits(image)
        if picture.mode == "RGB":
            return picture
        return Image.alpha_composite(Image.new("RGBA", picture.size, (*self.pad, 255)), picture).convert("RGB")

    def stored(self, number: int) -> Image.Image:
        """The picture with its longer side reduced to data.store. Raises one of BROKEN."""
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return Image.fromarray(self._cache[number])
        image = self.open(number)
        image.thumbnail((self.data.store, self.data.store), Image.Resampling.BOX, reducing_gap=None)
        pixels = np.asarray(image)
        with self._lock:
            if number not in self._cache:
                self._cache[number] = pixels
                self._bytes += pixels.nbytes
            while self._bytes > self.data.cache_gib * 2**30:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def readable(self, seed: int, place: int) -> tuple[int, Image.Image]:
        """The picture at a place in the stream or, where that cannot be read, one that comes later."""
        places = range(place, place + TRIES * self.data.batch, self.data.batch)
        for number in (self.drawn(seed, later) for later in places):
            try:
                return number, self.stored(number)
            except BROKEN as error:
                self.leave_out(number, error)
        raise SengaError(
            f"{self.folder}: {TRIES} pictures in a row cannot be read, the first"
            f" {self.index.files[self.drawn(seed, place)]}; look at data.folder and data.layout"
        )

    def leave_out(self, number: int, error: Exception) -> None:
        """Warn, once, of a picture that cannot be read."""
        if number not in self._broken:
            logger.warning("%s: left out, cannot be read (%s)", self.index.files[number], error)
        self._broken.add(number)

    def whole(self, number: int) -> Tensor:
        """(3, size, size) normalised, as the model's users will give it, for validation. Raises one of BROKEN."""
        pixels = np.array(self.open(number))
        return preprocess(to_bchw(torch.from_numpy(pixels)[None].float().div_(255)), self.preprocessing)[0]


def mirrored(names: tuple[str, ...]) -> tuple[Array, Array]:
    """(each tag's number in a mirrored picture, whether it has left or right in it and no counterpart), both (T,)."""
    numbers = {name: i for i, name in enumerate(names)}
    swapped = [SIDES.sub(lambda side: "right" if side[0] == "left" else "left", name) for name in names]
    mirror = np.array([numbers.get(other, i) for i, other in enumerate(swapped)])
    one_sided = np.array([other != name and other not in numbers for name, other in zip(names, swapped, strict=True)])
    return mirror, one_sided


def window(
    image: Image.Image, augment: AugmentSettings, size: int, pad: tuple[int, ...], rng: np.random.Generator
) -> Image.Image:
    """A window of the picture, by a random kernel, as (size, size). Where it is larger, the pad colour surrounds it."""
    if augment.rotate:
        image = image.rotate(rng.uniform(-augment.rotate, augment.rotate), Image.Resampling.BILINEAR, fillcolor=pad)
    side = rng.uniform(augment.crop[0], augment.crop[1]) * max(image.size)
    shorter = side * (1 - rng.uniform(0, augment.stretch))
    width, height = (side, shorter) if rng.random() < 0.5 else (shorter, side)
    more_x, more_y = (max(0, int(np.ceil(a - b))) for a, b in ((width, image.width), (height, image.height)))
    left = more_x + rng.random() * (image.width - width)
    top = more_y + rng.random() * (image.height - height)
    if more_x or more_y:
        canvas = Image.new("RGB", (image.width + 2 * more_x, image.height + 2 * more_y), pad)
        canvas.paste(image, (more_x, more_y))
        image = canvas
    names = sorted(augment.filters)
    kernel = KERNELS[pick(names, [augment.filters[name] for name in names], rng.random())]
    box = (max(0.0, left), max(0.0, top), min(image.width, left + width), min(image.height, top + height))
    return image.resize((size, size), kernel, box)


def recolour(image: Image.Image, most: float, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation each changed by up to `most`, in one step."""
    brightness, contrast, saturation = 1 + rng.uniform(-most, most, 3)
    colours = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * LUMA)
    matrix = np.column_stack([colours, np.full(3, 127.5 * (1 - contrast))])
    return image.convert("RGB", tuple(matrix.ravel().tolist()))


def jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer, formats=("JPEG",)))


def cut_out(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Paint a rectangle of a tenth to half of each side in one colour."""
    size = len(pixels)
    height, width = rng.integers(max(1, size // 10), size // 2 + 1, 2)
    top, left = rng.integers(size - height + 1), rng.integers(size - width + 1)
    pixels[top : top + height, left : left + width] = rng.integers(0, 256, 3)


def sample(pictures: TagPictures, seed: int, step: int, i: int) -> tuple[NDArray[np.uint8], Array, Array]:
    """The i-th picture of a step: depends on nothing but its arguments.

    Returns:
        The picture, (size, size, 3) uint8; its labels and which of them are known, (T,) bool.
    """
    augment = pictures.augment
    number, image = pictures.readable(seed, step * pictures.data.batch + i)
    labels, known = pictures.index.truth(number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, i)))
    if rng.random() < augment.flip and not (labels & pictures.one_sided).any():
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        labels, known = labels[pictures.mirror], known[pictures.mirror]
    image = window(image, augment, pictures.size, pictures.pad, rng)
    if augment.colour:
        image = recolour(image, augment.colour, rng)
    pixels = np.array(image)
    if rng.random() < augment.jpeg:
        pixels = jpeg(pixels, int(rng.integers(40, 96)))
    if rng.random() < augment.cutout:
        cut_out(pixels, rng)
    return pixels, labels, known


def batch(
    pictures: TagPictures, pool: ThreadPoolExecutor, seed: int, step: int, rank: int = 0, world: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """(normalised (B, 3, size, size), labels (B, T) in [0, 1], known (B, T) 0 or 1) of one step, all float32.

    Of several processes (`world`) the one of `rank` gets its slice; mixup stays within the slice.

    Raises:
        SengaError: data.batch cannot be dealt out evenly.
    """
    if pictures.data.batch % world:
        raise SengaError(f"data.batch is {pictures.data.batch}; expected a multiple of the {world} processes")
    own = pictures.data.batch // world
    samples = list(pool.map(lambda i: sample(pictures, seed, step, i), range(rank * own, (rank + 1) * own)))
    pixels, labels, known = (torch.from_numpy(np.stack(column)).float() for column in zip(*samples, strict=True))
    x = normalise(to_bchw(pixels.div_(255)), pictures.preprocessing)
    if pictures.augment.mixup:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, rank, MIXING)))
        share = torch.from_numpy(rng.beta(pictures.augment.mixup, pictures.augment.mixup, len(x))).float()
        x = share.view(-1, 1, 1, 1) * x + (1 - share).view(-1, 1, 1, 1) * x.roll(1, 0)
        labels = share.view(-1, 1) * labels + (1 - share).view(-1, 1) * labels.roll(1, 0)
        known = known * known.roll(1, 0)
    return x.contiguous(memory_format=torch.channels_last), labels, known


def batches(
    pictures: TagPictures, seed: int, steps: range, rank: int, world: int
) -> Generator[tuple[Tensor, Tensor, Tensor], None, None]:
    """The batches of `steps`, each made while the one before is learnt."""
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(pictures.data.workers) as pool:
        pending = None
        for step in steps:
            ready = (pending or ahead.submit(batch, pictures, pool, seed, step, rank, world)).result()
            if step + 1 in steps:
                pending = ahead.submit(batch, pictures, pool, seed, step + 1, rank, world)
            yield ready


def normalise(x: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(B, 3, H, W) RGB in [0, 1] -> what the net is given; the last part of `preprocess`."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preprocessing.mean, preprocessing.std))
    return (x - mean) / std
