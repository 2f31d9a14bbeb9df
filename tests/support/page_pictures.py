"""Pictures for the tests marked `page`, and what Senga makes of them without a browser."""

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from repository import ROOT
from senga.arch import UpscaleModel, load_model, upscale

WEIGHTS = ROOT / "weights"
SAMPLE = ROOT / "example_workflows" / "senga_lucy.png"


def drawing(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Shapes with hard edges on a soft ramp; a fourth channel is alpha with soft and hard parts."""
    y, x = np.mgrid[:height, :width]
    colours = [(x * 3 + y * 2) % 256, (x // 5 + y // 4) % 2 * 200 + 20, np.where((x - y) % 17 < 3, 10, 240)]
    alpha = np.clip((width / 2 - np.hypot(x - width / 2, y - height / 2)) * 40, 0, 255)
    return np.stack([*colours, alpha][:channels], axis=2).astype(np.uint8)


def sprite() -> np.ndarray:
    """Part of the sample: a face, with transparency around it."""
    return np.asarray(Image.open(SAMPLE).convert("RGBA"))[:48, 100:172]


def expected(levels: np.ndarray, model: str | UpscaleModel = "senga_compact_x2", **options: Any) -> np.ndarray:
    """What `senga upscale --precision fp32` makes of (H, W, C) levels."""
    image = torch.from_numpy(levels.astype(np.float32) / 255)[None]
    network = load_model(WEIGHTS / f"{model}.safetensors") if isinstance(model, str) else model
    assert isinstance(network, UpscaleModel)
    return (upscale(network, image, precision="fp32", **options)[0] * 255).round().byte().numpy()


def opened(data: bytes) -> np.ndarray:
    """A picture file as (H, W, C) levels."""
    return np.asarray(Image.open(io.BytesIO(data)))


def difference(found: np.ndarray, wanted: np.ndarray) -> int:
    """The largest one, in levels of 255."""
    assert found.shape == wanted.shape
    return int(np.abs(found.astype(int) - wanted.astype(int)).max())
