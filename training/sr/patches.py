"""Training patches, cut in memory. A batch is a pure function of (seed, step)."""

import logging
import signal
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...arch import SengaError
from ...arch.image import to_bchw
from ..datasets.procedural import KINDS, draw
from ..degradation.blur import convolve, gaussian_kernel
from ..degradation.params import pick
from .pairs.pair_set import sample_pair
from .pictures.crops import MARGIN, cut, readable
from .pictures.picture_files import Picture, Row
from .pictures.picture_set import PictureSet
from .recipes import damaged
from .settings import DataSettings

logger = logging.getLogger("senga")

AHEAD = 2  # batches cut before they are asked for, per worker

GRAIN_LEVELS = (1.0, 14.0)  # standard deviation of film grain in HR patches, levels of 255
GRAIN_SOFTEST = 1.5  # its largest Gaussian blur, pixels

Batch = tuple[Tensor, Tensor]


def recoloured(crop: Picture, rng: np.random.Generator) -> Picture:
    """(H, W, 3) uint8 with its channels in a random order, each between two random levels instead of 0 and 255.

    Black lines on white become lines of any colour on any other. Shuffled channels are the augmentation that Yoo et al.
    2020 (arXiv 2004.00448) call RGB permutation.
    """
    order = rng.permutation(3)
    # Half the levels are clipped to the ends: pure colours, which uniform draws would never meet. Of three draws the
    # one of most contrast is taken, since lines that nearly vanish are of little use.
    low, high = max(rng.uniform(-0.5, 1.5, (3, 2, 3)).clip(0, 1), key=lambda ends: np.abs(ends[1] - ends[0]).sum())
    table = np.rint(255 * low + np.arange(256)[:, None] * (high - low)).astype(np.uint8)
    return table[crop[..., order], np.arange(3)]


def grained(crop: Picture, rng: np.random.Generator) -> Picture:
    """(H, W, 3) uint8 with film grain: Gaussian noise, grey in two of three patches, as fine as a pixel or softer.

    LR is made from the result, so that grain that is in a picture belongs there, unlike the noise that the recipe's
    damage adds. Grain of one pixel loses half its strength by the reduction, hence the strong draws.
    """
    height, width = crop.shape[:2]
    grey = rng.random() < 2 / 3
    grain = rng.standard_normal((height, width, 1 if grey else 3), dtype=np.float32)
    softness = rng.uniform(0, GRAIN_SOFTEST)
    if softness > 0.3:  # below it a kernel has one pixel
        grain = convolve(grain, gaussian_kernel(9, softness, 0, 0, "normal", 1))
        grain /= grain.std()
    return np.rint(crop + grain * rng.uniform(*GRAIN_LEVELS)).clip(0, 255).astype(np.uint8)


def chances(rows: Sequence[Row], hardest: float) -> NDArray[np.float64]:
    """Sums of the rows' chances, the last of them 1: the hardest is drawn `hardest` times as often as the easiest.

    By rank, since differences of difficulty are extreme; nunif draws up to 4 times as often by a picture's loss.
    """
    ranks = np.argsort(np.argsort([row.difficulty for row in rows], kind="stable"), kind="stable")
    sums = np.cumsum(1 + (hardest - 1) * ranks / max(1, len(rows) - 1))
    return sums / sums[-1]


def check_shares(pictures: PictureSet, settings: DataSettings, scale: int) -> None:
    """Warns of sources in `data.shares` that the set does not have.

    Raises:
        SengaError: no source that has pictures large enough has a share above 0.
    """
    missing = sorted(settings.shares.keys() - {row.source for row in pictures.train})
    if missing:
        logger.warning("data.shares names %s, which the set does not have", ", ".join(missing))
    found = sorted(pictures.sources((settings.patch + 2 * MARGIN) * scale))
    if not any(settings.shares.get(name, 1.0) for name in found):
        raise SengaError(
            f"data.shares is {settings.shares}: every source of {pictures.folder} has 0; give one of"
            f" {', '.join(found)} a share above 0"
        )


def draw_picture(pictures: PictureSet, settings: DataSettings, side: int, rng: np.random.Generator) -> Picture:
    """A source by its share, then any of its pictures; one that has gone bad since the set was looked at is passed."""
    by_source = pictures.sources(side)
    names = sorted(by_source)

    def drawn() -> Picture:
        rows = by_source[pick(names, [settings.shares.get(name, 1.0) for name in names], rng.random())]
        if settings.hard_pictures > 1:
            return pictures.pixels(rows[np.searchsorted(chances(rows, settings.hard_pictures), rng.random())])
        return pictures.pixels(rows[rng.integers(len(rows))])

    return readable(drawn)


def draw_procedural(
    settings: DataSettings, side: int, scale: int, seed: int, index: int, rng: np.random.Generator
) -> tuple[Picture, tuple[str, ...]]:
    """A procedural HR picture of `side` pixels, and the filters that its LR picture may be made with.

    Patterns of single pixels are reduced by filters of their own; () leaves the choice to the recipe.
    """
    kind = pick(list(KINDS), [settings.kinds.get(kind.name, kind.share) for kind in KINDS], rng.random())
    return draw(kind.name, seed, index, side, scale), kind.filters if kind.exact else ()


def sample(
    pictures: PictureSet, settings: DataSettings, scale: int, seed: int, step: int, i: int
) -> tuple[Picture, Picture]:
    """The i-th (LR, HR) pair of a step: depends on nothing but its arguments."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, i)))
    # No draw where there is nothing to choose: the patches of older configs stay as they were.
    if pictures.pairs and rng.random() < settings.pairs_share:
        return sample_pair(pictures.pairs, settings.patch, rng)
    side = (settings.patch + 2 * MARGIN) * scale
    procedural = settings.procedural > 0 and rng.random() < settings.procedural
    picture = None if procedural else draw_picture(pictures, settings, side, rng)
    hard = rng.random() < settings.hard_crops
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    filters: tuple[str, ...] = ()
    if picture is None:
        crop, filters = draw_procedural(settings, side, scale, seed, step * settings.batch + i, rng)
    else:
        among = settings.hard_crops_among if hard else 1
        crop = cut(picture, side, (settings.shrink[0], settings.shrink[1]), rng, scale, among)
    hr = np.ascontiguousarray(np.rot90(crop[:, ::-1] if mirrored else crop, turns))
    if settings.recolour and rng.random() < settings.recolour:
        hr = recoloured(hr, rng)
    if settings.grain and rng.random() < settings.grain:
        hr = grained(hr, rng)
    lr, hr = damaged(hr, settings.degradation, scale, rng, filters)
    m = MARGIN
    return lr[m:-m, m:-m], hr[m * scale : -m * scale, m * scale : -m * scale]


def to_tensor(pictures: list[Picture]) -> Tensor:
    """Equal (H, W, 3) uint8 pictures -> (B, 3, H, W) float32 in [0, 1], channels_last."""
    return to_bchw(torch.from_numpy(np.stack(pictures)).float().div_(255))


def batch(
    pictures: PictureSet, settings: DataSettings, scale: int, seed: int, step: int, rank: int = 0, world: int = 1
) -> Batch:
    """(LR (B, 3, p, p), HR (B, 3, scale * p, scale * p)) of one step, float32 in [0, 1].

    Of `world` processes the one of `rank` gets its slice: all slices, one after the other, are one process's batch.

    Raises:
        SengaError: data.batch cannot be divided evenly, or the pictures of the set cannot be read any more.
    """
    if settings.batch % world:
        raise SengaError(f"data.batch is {settings.batch}; expected a multiple of the {world} processes")
    own = settings.batch // world
    pairs = [sample(pictures, settings, scale, seed, step, i) for i in range(rank * own, (rank + 1) * own)]
    return to_tensor([lr for lr, _ in pairs]), to_tensor([hr for _, hr in pairs])


class Steps(Dataset[Batch]):
    """Batches by the number of the step."""

    def __init__(self, pictures: PictureSet, settings: DataSettings, scale: int, seed: int, *part: int) -> None:
        self.arguments, self.part = (pictures, settings, scale, seed), part

    def __getitem__(self, step: int) -> Batch:
        return batch(*self.arguments, step, *self.part)


def batches(
    pictures: PictureSet,
    settings: DataSettings,
    scale: int,
    seed: int,
    steps: range,
    rank: int = 0,
    world: int = 1,
) -> Generator[Batch, None, None]:
    """The batches of `steps` in order, cut ahead of time by a thread, or by data.workers processes.

    What is in them is `batch`'s, whoever cuts it. Close the iterator (or use it up) to end the workers.
    """
    if settings.workers:
        own = Steps(pictures.parted(settings.workers), settings, scale, seed, rank, world)
        # Spawned, since a fork would copy the locks of threads that it does not copy.
        yield from DataLoader(
            own,
            batch_size=None,
            sampler=steps,
            num_workers=settings.workers,
            prefetch_factor=AHEAD,
            collate_fn=_as_it_is,
            multiprocessing_context="spawn",
            worker_init_fn=_ignore_interrupts,
        )
        return
    own = Steps(pictures, settings, scale, seed, rank, world)
    with ThreadPoolExecutor(1) as pool:
        try:
            pending = deque(pool.submit(own.__getitem__, step) for step in steps[:AHEAD])
            for step in [*steps[AHEAD:], *[None] * len(pending)]:
                ready = pending.popleft().result()
                if step is not None:
                    pending.append(pool.submit(own.__getitem__, step))
                yield ready
        finally:
            pool.shutdown(cancel_futures=True)


def _ignore_interrupts(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the training ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(value: Any) -> Any:
    return value
