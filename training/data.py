"""Training patches and validation crops, cut in memory. A batch is a pure function of (seed, step)."""

import csv
import hashlib
import io
import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..arch import SengaError
from ..arch.image import to_bchw
from .settings import FILTER_NAMES, DataSettings

log = logging.getLogger("senga")

FILTERS = {name: Image.Resampling[name.upper()] for name in FILTER_NAMES}
MARGIN = 4  # LR pixels cut away around a patch: a filter that ran over the crop's edge has spoilt them
FLAT = 3.0  # a patch whose luma deviates less than this (of 255) teaches nothing
TRIES = 6  # crops looked at before a flat one is taken after all
VALIDATION_CROP = 192  # HR pixels; a multiple of every scale

COLUMNS = ("file", "split", "source", "licence", "width", "height")  # of a manifest; others are only recorded

Picture = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class Row:
    file: str
    split: str
    source: str
    licence: str
    side: int  # pixels, the shorter one


def read_manifest(path: Path) -> list[Row]:
    """The lines of a manifest.csv. Raises SengaError with the column or the line that is wrong."""
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or [])]
        if missing:
            raise SengaError(f"{path}: has no column {missing[0]!r}; wanted {','.join(COLUMNS)}, with commas between")
        rows = []
        for line in table:
            try:
                side = min(int(line["width"]), int(line["height"]))
            except (TypeError, ValueError) as error:
                found = f"{line['width']!r} x {line['height']!r}"
                raise SengaError(f"{path}, line {table.line_num}: the size is {found}; wanted whole pixels") from error
            rows.append(Row(line["file"], line["split"], line["source"], line["licence"], side))
    return rows


class PictureSet:
    """A folder with a manifest.csv; pictures are decoded on demand and kept within a byte budget."""

    def __init__(self, folder: Path, cache_gib: float) -> None:
        manifest = folder / "manifest.csv"
        if not manifest.is_file():
            raise SengaError(
                f"{manifest}: there is no manifest; build the set with"
                f" python -m senga.training.build_dataset --out {folder}"
            )
        self.folder = folder
        self.sha256 = hashlib.sha256(manifest.read_bytes()).hexdigest()
        rows = read_manifest(manifest)
        self.train = [row for row in rows if row.split == "train"]
        self.val = [row for row in rows if row.split == "val"]
        if not self.train or not self.val:
            raise SengaError(
                f"{manifest}: has {len(self.train)} train and {len(self.val)} val pictures; both are needed"
            )
        self.licences = tuple(sorted({row.licence for row in self.train}))
        self._budget = int(cache_gib * 2**30)
        self._cache: OrderedDict[str, Picture] = OrderedDict()
        self._bytes = 0

    @cache  # noqa: B019 (there is one set in a run)
    def sources(self, side: int) -> dict[str, list[Row]]:
        """Training pictures by source, those with both sides of at least `side` pixels. SengaError if there is none."""
        by_source: dict[str, list[Row]] = {}
        for row in self.train:
            if row.side >= side:
                by_source.setdefault(row.source, []).append(row)
        if not by_source:
            largest = max(row.side for row in self.train)
            raise SengaError(
                f"{self.folder}: no training picture has the {side} pixels a side that a patch needs (the largest has"
                f" {largest}); lower data.patch or add larger pictures"
            )
        return by_source

    def rgba(self, row: Row) -> Picture:
        """(H, W, 4) uint8. Raises SengaError for a file that cannot be read."""
        if row.file in self._cache:
            self._cache.move_to_end(row.file)
            return self._cache[row.file]
        try:
            with Image.open(self.folder / row.file) as image:
                picture = np.asarray(image.convert("RGBA"))
        except OSError as error:  # Pillow's own errors are among them
            raise SengaError(
                f"{self.folder / row.file}: cannot be read ({error}); build the set again or take its line out of"
                " manifest.csv"
            ) from error
        self._cache[row.file] = picture
        self._bytes += picture.nbytes
        while self._bytes > self._budget and len(self._cache) > 1:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return picture


def flatten(rgba: Picture, background: NDArray[np.uint8]) -> Picture:
    """Composite (H, W, 4) over one colour (3,)."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mixed = rgba[..., :3] * alpha + background.astype(np.float32) * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)


def content(picture: Picture) -> float:
    """Standard deviation of the luma, 0 to about 127."""
    return float(np.std(picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)))


def jpeg(picture: Picture, quality: int, subsampling: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(buffer))


def cut(rgba: Picture, side: int, shrink: tuple[float, float], rng: np.random.Generator) -> Picture:
    """A random HR crop of `side` pixels with content in it, over a random background. No side of rgba is smaller."""
    best: Picture | None = None
    for _ in range(TRIES):
        factor = rng.uniform(*shrink)
        taken = round(side / factor)
        height, width = rgba.shape[:2]
        taken = taken if min(height, width) >= taken else side
        top, left = rng.integers(height - taken + 1), rng.integers(width - taken + 1)
        background = np.full(3, 255, np.uint8) if rng.random() < 0.5 else rng.integers(0, 256, 3, dtype=np.uint8)
        crop = flatten(rgba[top : top + taken, left : left + taken], background)
        if taken != side:
            crop = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.LANCZOS))
        if best is None or content(crop) > content(best):
            best = crop
        if content(crop) >= FLAT:
            return crop
    assert best is not None
    return best


def weighted(weights: dict[str, float], rng: np.random.Generator) -> str:
    names = sorted(weights)
    p = np.array([weights[name] for name in names], dtype=np.float64)
    return names[int(rng.choice(len(names), p=p / p.sum()))]


def sample(
    pictures: PictureSet, settings: DataSettings, scale: int, seed: int, step: int, i: int
) -> tuple[Picture, Picture]:
    """The i-th (LR, HR) pair of a step: depends on nothing but its arguments."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, i)))
    side = settings.patch + 2 * MARGIN
    by_source = pictures.sources(side * scale)
    rows = by_source[weighted({source: settings.shares.get(source, 1.0) for source in by_source}, rng)]
    shrink = settings.shrink[0], settings.shrink[1]
    crop = cut(pictures.rgba(rows[rng.integers(len(rows))]), side * scale, shrink, rng)
    hr = np.rot90(crop, int(rng.integers(4)))
    if rng.random() < 0.5:
        hr = hr[:, ::-1]
    hr = np.ascontiguousarray(hr)
    lr = np.asarray(Image.fromarray(hr).resize((side, side), FILTERS[weighted(settings.filters, rng)]))
    if rng.random() < settings.jpeg_probability:
        low, high = settings.jpeg_quality
        lr = jpeg(lr, int(rng.integers(low, high + 1)), 0 if rng.random() < 0.5 else 2)
    m = MARGIN
    return lr[m:-m, m:-m], hr[m * scale : -m * scale, m * scale : -m * scale]


def to_tensor(pictures: list[Picture]) -> Tensor:
    """Equal (H, W, 3) uint8 pictures -> (B, 3, H, W) float32 in [0, 1], channels_last."""
    return to_bchw(torch.from_numpy(np.stack(pictures)).float().div_(255))


def batch(pictures: PictureSet, settings: DataSettings, scale: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """(LR (B, 3, p, p), HR (B, 3, scale * p, scale * p)) of one step."""
    pairs = [sample(pictures, settings, scale, seed, step, i) for i in range(settings.batch)]
    return to_tensor([lr for lr, _ in pairs]), to_tensor([hr for _, hr in pairs])


def validation_pairs(pictures: PictureSet, scale: int, crops: int = 0) -> list[tuple[Row, Picture, Picture]]:
    """(row, LR, HR): of each validation picture the crop with most content, over white, reduced by Pillow's bicubic.

    `crops` > 0 takes that many, spread evenly over the manifest's order.
    """
    rows = pictures.val
    if 0 < crops < len(rows):
        rows = [rows[i * len(rows) // crops] for i in range(crops)]
    pairs = []
    for row in rows:
        picture = flatten(pictures.rgba(row), np.full(3, 255, np.uint8))
        height, width = picture.shape[:2]
        side = VALIDATION_CROP
        if min(height, width) < side:
            continue
        tiles = [
            picture[y : y + side, x : x + side]
            for y in range(0, height - side + 1, side // 2)
            for x in range(0, width - side + 1, side // 2)
        ]
        hr = max(tiles, key=content)
        lr = np.asarray(Image.fromarray(hr).resize((side // scale, side // scale), Image.Resampling.BICUBIC))
        pairs.append((row, lr, hr))
    if not pairs:
        raise SengaError(
            f"{pictures.folder}: no validation picture has {VALIDATION_CROP} pixels a side; add larger ones"
        )
    return pairs
