"""Side-by-side sheets: what each contender made of the same detail of a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .quality_contenders import Runner
from .quality_pictures import Pair

Picture = NDArray[np.uint8]  # (H, W, 3)

DETAIL = 96  # pixels of the large picture
ENLARGED = 3  # screen pixels for one of them
COLUMNS = 6
LABEL = 20  # screen pixels
GAP = 4


def detail(picture: Picture, multiple: int) -> tuple[int, int]:
    """(top, left) of the DETAIL x DETAIL part where neighbours differ most; both are multiples of `multiple`."""
    height, width = picture.shape[:2]
    step = -(-DETAIL // 8 // multiple) * multiple
    levels = picture.astype(np.float32)
    rough = np.zeros((height, width), np.float32)
    for axis in (0, 1):
        steps = np.abs(np.diff(levels, axis=axis)).sum(2)
        rough[: steps.shape[0], : steps.shape[1]] += steps
    places = [
        (top, left)
        for top in range(0, max(1, height - DETAIL + 1), step)
        for left in range(0, max(1, width - DETAIL + 1), step)
    ]
    return max(places, key=lambda at: float(rough[at[0] : at[0] + DETAIL, at[1] : at[1] + DETAIL].sum()))


def sheet(tiles: Sequence[tuple[str, Picture]]) -> Image.Image:
    """Labelled pictures of equal size, row by row."""
    height, width = (side * ENLARGED for side in tiles[0][1].shape[:2])
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + LABEL + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for i, (label, picture) in enumerate(tiles):
        left, top = GAP + i % columns * (width + GAP), GAP + i // columns * (height + LABEL + GAP)
        draw.text((left + 2, top + 2), label, fill="black", font=font)
        page.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST), (left, top + LABEL))
    return page


def write(folder: Path, pair: Pair, runners: Sequence[Runner]) -> Path:
    """One sheet: the small picture, every contender with its PSNR_Y and SSIM_Y, the original."""
    top, left = detail(pair.large, pair.scale)

    def part(picture: Picture) -> Picture:
        return picture[top : top + DETAIL, left : left + DETAIL]

    tiles = [(f"input, {pair.condition}", part(pair.small.repeat(pair.scale, 0).repeat(pair.scale, 1)))]
    for runner in runners:
        values = runner.score(pair, ["psnr", "ssim"]).values
        label = f"{runner.contender.name}  {values['psnr']:.2f} {values['ssim']:.3f}"
        tiles.append((label, part(runner.output(pair))))
    tiles.append(("original", part(pair.large)))
    name = f"x{pair.scale}_{pair.condition}_{pair.source.name.replace('/', '_').rpartition('.')[0]}.png"
    folder.mkdir(parents=True, exist_ok=True)
    sheet(tiles).save(folder / name)
    return folder / name
