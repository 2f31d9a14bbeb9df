"""example_workflows/*.jpg: thumbnails of the templates, from what their nodes make of the picture that ships.

python -m benchmarks.thumbnails
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from senga.headless.workflow.execute import call_node
from senga.nodes import NODE_CLASS_MAPPINGS, host
from torch import Tensor

from .templates import FOLDER, TEMPLATES

SOURCE = FOLDER / "senga_lucy.png"
SIZE = (480, 360)
DETAIL = (92, 78, 212, 168)  # of the source: left, top, right, bottom; 4:3 as the thumbnail
GROUND, INK = (34, 34, 38), (240, 240, 240)


def source() -> tuple[Tensor, Tensor]:
    """(1, H, W, 3) on white and its mask (1, H, W), of the detail."""
    picture = Image.open(SOURCE).convert("RGBA").crop(DETAIL)
    pixels = torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
    colour, alpha = pixels[..., :3], pixels[..., 3:]
    return colour * alpha + 1 - alpha, 1 - alpha[..., 0]


def picture_of(image: Tensor) -> Image.Image:
    return Image.fromarray((image[0].clamp(0, 1) * 255).round().byte().numpy())


def run(name: str, **inputs: Any) -> tuple[Any, ...]:
    return call_node(NODE_CLASS_MAPPINGS[name], **inputs)


def model() -> Any:
    return run("SengaLoadUpscaleModel", model_name=host.DEFAULT_UPSCALER)[0]


def upscaled(image: Tensor, **inputs: Any) -> Tensor:
    return run("SengaUpscale", upscale_model=model(), image=image, precision="fp32", **inputs)[0]


def halves(left: Image.Image, right: Image.Image) -> Image.Image:
    """The left half of one and the right half of the other, with a line between them."""
    sheet = right.resize(SIZE, Image.Resampling.LANCZOS)
    middle = SIZE[0] // 2
    sheet.paste(left.resize(SIZE, Image.Resampling.NEAREST).crop((0, 0, middle, SIZE[1])), (0, 0))
    ImageDraw.Draw(sheet).line([(middle, 0), (middle, SIZE[1])], fill=INK, width=3)
    return sheet


def upscale_one() -> Image.Image:
    small, _ = source()
    return halves(picture_of(small), picture_of(upscaled(small, scale=4.0)))


def upscale_many() -> Image.Image:
    """Four frames of a pan, as a strip above and below the largest."""
    small, _ = source()
    large = picture_of(upscaled(small, scale=4.0)).resize(SIZE, Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", SIZE, GROUND)
    width, height = SIZE[0] // 2 - 12, SIZE[1] // 2 - 12
    for number in range(4):
        left = 20 * number
        frame = large.crop((left, left // 2, left + SIZE[0] - 80, left // 2 + SIZE[1] - 60))
        at = (8 + (number % 2) * (width + 8), 8 + (number // 2) * (height + 8))
        sheet.paste(frame.resize((width, height), Image.Resampling.LANCZOS), at)
    return sheet


def tags() -> Image.Image:
    whole = Image.open(SOURCE).convert("RGBA")
    pixels = torch.from_numpy(np.asarray(whole).astype(np.float32) / 255)[None]
    tagger = run("SengaLoadTagger", model_name=host.DEFAULT_TAGGER)[0]
    text = run("SengaTagImage", tagger=tagger, image=pixels, max_tags=9)[0][0]
    sheet = Image.new("RGB", SIZE, GROUND)
    flat = Image.new("RGB", whole.size, "white")
    flat.paste(whole, mask=whole.getchannel("A"))
    flat.thumbnail((SIZE[0] // 2 - 16, SIZE[1] - 24), Image.Resampling.LANCZOS)
    sheet.paste(flat, (12, (SIZE[1] - flat.height) // 2))
    draw = ImageDraw.Draw(sheet)
    lines = "\n".join(text.split(", "))
    draw.multiline_text((SIZE[0] // 2 + 12, 30), lines, fill=INK, font=ImageFont.load_default(20), spacing=10)
    return sheet


def compare() -> Image.Image:
    clean = upscaled(source()[0], scale=4.0)
    damaged = run("SengaDegradeImage", image=clean, preset="web_repost", seed=7, scale=2.0, strength=1.0)[0]
    return halves(picture_of(damaged), picture_of(upscaled(damaged)))


def any_model() -> Image.Image:
    """The result of the default model under a line of text: either node gives it."""
    sheet = picture_of(upscaled(source()[0], scale=4.0)).resize(SIZE, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle([(0, SIZE[1] - 40), SIZE], fill=GROUND)
    text = "any model, either upscaler"
    draw.text((SIZE[0] // 2, SIZE[1] - 20), text, fill=INK, font=ImageFont.load_default(20), anchor="mm")
    return sheet


DRAWN: tuple[Callable[[], Image.Image], ...] = (upscale_one, upscale_many, tags, compare, any_model)


def main(folder: Path = FOLDER) -> None:
    for title, draw in zip(TEMPLATES, DRAWN, strict=True):
        draw().convert("RGB").save(folder / f"{title}.jpg", quality=85)


if __name__ == "__main__":
    main()
