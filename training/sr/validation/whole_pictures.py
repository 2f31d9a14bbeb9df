"""A user's own validation pictures, upscaled whole: what they look like, and how near they come to their originals.

`val.folder` has HR pictures, whose LR is made under the main condition; `val.pairs` has both. The results are in
RUN/validation/, in TensorBoard and in the report.
"""

import csv
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image

from ....arch import UpscaleModel, upscale
from ....arch.files.atomic import replacing
from ....arch.files.reading import below, open_text
from ....arch.pictures.metrics import psnr_y, ssim_y
from ...degradation import Recipe
from ..patches import to_tensor
from ..pictures.picture_files import WHITE, Picture, UnreadableError, distinct, flatten
from ..recipes import read_recipe
from .validation_crops import OWN, PAIRS, Own, made_pair

logger = logging.getLogger("senga")

FOLDER, TABLE = "validation", "scores.csv"  # in the run's folder
COLUMNS = ("file", "psnr_y", "psnr_y_lanczos", "ssim_y", "step")
WHOLE_SCORES = ("psnr_y_whole", "psnr_y_whole_lanczos", "ssim_y_whole")  # of a curve: their means
SHOWN = 8  # pictures in TensorBoard, the first ones
LONGEST = 1024  # pixels of the longer side there; the files are whole


@dataclass(frozen=True)
class Whole:
    """A picture; `file` is where its result goes, below RUN/validation."""

    file: str
    read: Callable[[], tuple[Picture, Picture]]  # LR and HR, (H, W, 3) uint8


def list_wholes(own: Own, scale: int, condition: str) -> list[Whole]:
    """A user's own pictures and pairs, with LR made under `condition` where there is none."""
    recipe = read_recipe(condition, "run.conditions").with_scale(scale)
    twins = [(pair, twin) for pair in own.pairs for twin in (*pair.train, *pair.val)]
    reads = [partial(_made, read, recipe, scale) for _, read in own.pictures]
    reads += [partial(pair.pixels, twin) for pair, twin in twins]
    names = results(OWN, [name for name, _ in own.pictures]) + results(PAIRS, [twin.hr.file for _, twin in twins])
    return [Whole(name, read) for name, read in zip(names, reads, strict=True)]


def results(domain: str, names: Sequence[str]) -> list[str]:
    """Where the results of pictures go, below RUN/validation: `a.jpg` to DOMAIN/a.png, and beside an `a.webp` to
    DOMAIN/a.jpg.png. Names of a tar's members or a manifest's lines do not lead out of it."""
    paths = [PurePosixPath(domain) / below(name) for name in names]
    alike = Counter(path.with_suffix("") for path in paths)
    stems = [path if alike[path.with_suffix("")] > 1 else path.with_suffix("") for path in paths]
    return [f"{stem}.png" for stem in distinct(stem.as_posix() for stem in stems)]


def _made(read: Callable[[], Picture], recipe: Recipe, scale: int) -> tuple[Picture, Picture]:
    hr = flatten(read(), WHITE)
    hr = np.ascontiguousarray(hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale])
    return made_pair(hr, recipe)


def validate_wholes(
    model: UpscaleModel, wholes: Sequence[Whole], run: Path, precision: str, step: int, board: Any = None
) -> dict[str, float]:
    """Upscale each picture, tile by tile, and save what comes out; returns the means of the scores.

    Args:
        run: the run's folder; RUN/validation gets the pictures and scores.csv.
        board: a SummaryWriter that shows the first ones.

    Returns:
        psnr_y_whole and psnr_y_whole_lanczos (dB), ssim_y_whole; nothing without pictures.
    """
    rows = []
    for i, whole in enumerate(wholes):
        try:
            lr, hr = whole.read()
        except UnreadableError as error:
            logger.warning("%s", error)
            continue
        picture = torch.from_numpy(np.array(lr)).float().div(255)[None]  # BHWC
        made = (upscale(model, picture, precision=precision)[0] * 255).round().clamp(0, 255).byte().cpu().numpy()
        path = run / FOLDER / whole.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            Image.fromarray(made).save(temporary, format="PNG")
        if board and i < SHOWN:
            board.add_image(f"{FOLDER}/{whole.file}", _small(made), step, dataformats="HWC")
        lanczos = np.asarray(Image.fromarray(lr).resize(hr.shape[1::-1], Image.Resampling.LANCZOS))
        ours, plain, target = (to_tensor([one]) for one in (made, lanczos, hr))
        scores = (
            psnr_y(ours, target, model.scale),
            psnr_y(plain, target, model.scale),
            ssim_y(ours, target, model.scale),
        )
        rows.append((whole.file, *(float(value[0]) for value in scores), step))
    if not rows:
        return {}
    with replacing(run / FOLDER / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return {name: fmean(row[column] for row in rows) for column, name in enumerate(WHOLE_SCORES, 1)}


def _small(picture: Picture) -> Picture:
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    return np.asarray(image)


def read_scores(run: Path) -> list[dict[str, str]]:
    """The lines of RUN/validation/scores.csv; none before the first validation of whole pictures."""
    path = run / FOLDER / TABLE
    if not path.is_file():
        return []
    with open_text(path) as file:
        return list(csv.DictReader(file))
