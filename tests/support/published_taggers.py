"""What the published scripts of taggers do to a picture, step by step with Pillow; and pictures to do it to."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sample_taggers import scenes

WHITE = (255, 255, 255)
# As selected_tags.csv has them: ratings first, then general tags, then characters; commas, quotes and faces among them.
TAGS = (
    ("general", 9),
    ("sensitive", 9),
    ("questionable", 9),
    ("explicit", 9),
    ("1girl", 0),
    ("solo", 0),
    ("^_^", 0),
    (">_<", 0),
    (";)", 0),
    ('"hello,_world"', 0),
    ("a,b", 0),
    ("\\m/", 0),
    ("hatsune_miku", 4),
    ("saber_(fate)", 4),
)
NAMES = tuple(name for name, _ in TAGS)
SIZES = [(64, 64), (150, 97), (97, 150), (31, 40), (500, 64)]  # width, height


def picture(width: int, height: int, seed: int = 1) -> Image.Image:
    torch.manual_seed(seed)
    levels = (scenes(1, height, width)[0] * 255).byte().numpy()
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(levels, 0, -1)))


def tensor(image: Image.Image) -> torch.Tensor:
    """(1, C, H, W) in [0, 1], as nodes and commands give pictures to a tagger."""
    return torch.from_numpy(np.moveaxis(np.asarray(image, dtype=np.float32) / 255, -1, 0)[None].copy())


def square(
    image: Image.Image,
    size: int,
    colour: tuple[int, ...] = WHITE,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> NDArray[np.float32]:
    """Padded to a square, then resized: (size, size, 3) of 0 to 255, RGB. WD's own script and JoyTag's."""
    longer = max(image.size)
    canvas = Image.new("RGB", (longer, longer), colour)
    canvas.paste(image, ((longer - image.width) // 2, (longer - image.height) // 2))
    return np.asarray(canvas.resize((size, size), resample), dtype=np.float32)


def write_tags(path: Path, tags: tuple[tuple[str, int], ...] = TAGS, **columns: list[Any]) -> Path:
    """selected_tags.csv, with more columns if they are given."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tag_id", "name", "category", "count", *columns])
        for i, (name, category) in enumerate(tags):
            rows.writerow([1000 + i, name, category, 50 - i, *(values[i] for values in columns.values())])
    return path


def write_camie(path: Path, version: int, tags: tuple[tuple[str, int], ...] = TAGS) -> Path:
    """camie-tagger's metadata: the tables of both versions, at another depth."""
    kinds = {0: "general", 4: "character", 9: "rating"}
    mapping = {
        "idx_to_tag": {str(i): name for i, (name, _) in enumerate(tags)},
        "tag_to_category": {name: kinds[number] for name, number in tags},
    }
    raw = {**mapping} if version == 1 else {"dataset_info": {"tag_mapping": mapping}, "model_info": {"img_size": 512}}
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def logits(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.double().logit()
