"""What the tests feed to ComfyUI: pictures, weights and pieces of workflows, all made from seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from senga.arch import save_model
from senga.arch.upscaler import UpscaleModel

Link = list[str | int]  # node id and number of the output


def drawing(width: int, height: int, *, seed: int = 0, alpha: bool = False) -> Image.Image:
    """A picture with soft colours, hard lines and, on request, an alpha channel with clear, half clear and solid parts.

    Returns:
        RGB or RGBA of that size.
    """
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(40, 216, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        ends = [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(2)]
        pen.line(ends, fill=tuple(int(level) for level in rng.integers(0, 256, 3)), width=int(rng.integers(1, 4)))
    if alpha:
        opacity = Image.new("L", picture.size, 0)
        shape = ImageDraw.Draw(opacity)
        shape.ellipse((width // 8, height // 8, width * 7 // 8, height * 7 // 8), fill=128)
        shape.ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=255)
        picture.putalpha(opacity)
    return picture


def save_rrdb(path: Path, *, seed: int, scale: int = 2, foreign: bool = False) -> None:
    """Write a tiny RRDB whose output is no picture of anything, but uses the whole range and hardly ever clips."""
    torch.manual_seed(seed)
    # spandrel works the number of blocks and features out of the file, but takes the growth to be 32.
    model = UpscaleModel.create("rrdb", scale=scale, blocks=1, features=8, growth=32)
    last = model.model.get_submodule("conv_last")
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    noise = torch.rand(1, 3, 32, 32)
    last.weight.data *= 0.15 / model.model(noise).std()
    last.bias.data += 0.5 - model.model(noise).mean()
    if foreign:  # as other programs write it: the tensors alone
        save_file({key: value.contiguous() for key, value in model.model.state_dict().items()}, path)
    else:
        save_model(path, model)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def upscale(model: Link, image: Link, **inputs: Any) -> dict[str, Any]:
    """A SengaUpscale node with everything fixed that could differ from one machine to the next."""
    fixed = {"scale": 0, "width": 0, "height": 0, "tile": 64, "halo": -1, "precision": "fp32", "self_ensemble": False}
    return node("SengaUpscale", **{"upscale_model": model, "image": image, **fixed, **inputs})


def save(image: Link, prefix: str = "senga") -> dict[str, Any]:
    return node("SaveImage", images=image, filename_prefix=prefix)


def assert_same_picture(found: Image.Image, expected: Image.Image) -> None:
    """Within 1/255 for each pixel, and a picture at all."""
    assert found.size == expected.size
    assert found.mode == expected.mode
    levels, wanted = (np.asarray(picture).astype(np.int16) for picture in (found, expected))
    assert wanted.std() > 8, "a blank picture proves nothing"
    worst = int(np.abs(levels - wanted).max())
    assert worst <= 1, f"the pictures differ by up to {worst}/255"
