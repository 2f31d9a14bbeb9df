"""docs/before_after.png: details of the example picture, by bicubic on the left and by the default model on the right.

python -m benchmarks.before_after
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from senga.arch import load_model, upscale

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "example_workflows" / "senga_lucy.png"
WEIGHTS = ROOT / "weights" / "senga_compact_x2.safetensors"
DETAILS = [(92, 78, 222, 178), (150, 190, 280, 290)]  # left, top, right, bottom in the small picture
ENLARGED = 3  # screen pixels for one pixel of the small picture
GAP = 6


def main() -> None:
    small = Image.open(SOURCE).convert("RGBA")
    pixels = torch.from_numpy(np.array(small)).float()[None] / 255
    ours = upscale(load_model(WEIGHTS), pixels, precision="fp32")[0].mul(255).round().byte().numpy()
    size = (small.width * 2, small.height * 2)
    pair = [small.resize(size, Image.Resampling.BICUBIC), Image.fromarray(ours)]
    width, height = ((DETAILS[0][i + 2] - DETAILS[0][i]) * ENLARGED for i in (0, 1))
    sheet = Image.new("RGB", (2 * width + GAP, len(DETAILS) * (height + GAP) - GAP), "white")
    for row, (left, top, right, bottom) in enumerate(DETAILS):
        for column, picture in enumerate(pair):
            part = picture.crop((2 * left, 2 * top, 2 * right, 2 * bottom)).resize(
                (width, height), Image.Resampling.NEAREST
            )
            sheet.paste(part, (column * (width + GAP), row * (height + GAP)), part)
    sheet.save(ROOT / "docs" / "before_after.png", optimize=True)


if __name__ == "__main__":
    main()
