"""Small sets of drawings to train on."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from senga.training.sr.settings import DataSettings

SMALL = DataSettings(patch=12, batch=4, degradation="senga_blind")


def drawing(side: int, seed: int) -> Image.Image:
    """Outlined discs, RGBA, clear between them."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = (int(v) for v in rng.integers(0, side, 3))
        fill = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.ellipse((x - r // 4, y - r // 4, x + r // 4, y + r // 4), fill=fill, outline=(0, 0, 0))
    return image


def make_set(folder: Path) -> Path:
    """Four pictures to train on and three to validate on, with a manifest."""
    rows = []
    for split, count in (("train", 4), ("val", 3)):
        for i in range(count):
            name = f"{split}{i}.png"
            drawing(220, i + 10 * (split == "val")).save(folder / name)
            rows.append([name, split, "ab"[i % 2], "someone", "CC0-1.0" if i else "MIT", "", 220, 220])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "source", "author", "licence", "sha256", "width", "height"])
        writer.writerows(rows)
    return folder


def same(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
