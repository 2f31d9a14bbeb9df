"""One picture under every preset, each with its name."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...training.degradation import degrade, preset, preset_names
from ...training.run.sheet import draw_grid

BACKGROUND = np.array([0.93, 0.9, 0.85], dtype=np.float32)  # behind transparent pictures
LARGEST = 512  # pixels a side; a larger picture is cropped to its middle, since shrinking would hide the damage
COLUMNS = 5
NEAREST = Image.Resampling.NEAREST


def draw_sheet(picture: NDArray[np.float32], *, seed: int, scale: float, strength: float) -> NDArray[np.uint8]:
    """(H, W, 3 or 4) float32 in [0, 1] -> the sheet, (h, w, 3) levels. Results are shown at the picture's own size."""
    original = _middle(_opaque(picture))
    height, width = original.shape[:2]
    tiles = [("original", original)]
    for name in preset_names():
        result, _ = degrade(original, preset(name).with_scale(scale).weakened(strength), seed=seed)
        tiles.append((name, result))
    shown = [
        (name, np.asarray(Image.fromarray(np.rint(tile * 255).astype(np.uint8)).resize((width, height), NEAREST)))
        for name, tile in tiles
    ]
    return draw_grid(shown, COLUMNS)


def _opaque(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:]
    return (picture[..., :3] * alpha + BACKGROUND * (1 - alpha)).astype(np.float32, copy=False)


def _middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    top, left = max(0, (height - LARGEST) // 2), max(0, (width - LARGEST) // 2)
    return np.ascontiguousarray(picture[top : top + LARGEST, left : left + LARGEST])
