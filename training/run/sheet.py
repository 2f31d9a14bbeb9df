"""Pictures side by side, each with a caption: what a training or a degradation does can only be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...arch import SengaError

Picture = NDArray[np.uint8]  # (H, W, 3), levels

PAPER, INK = (255, 255, 255), (30, 30, 30)
GAP, CAPTION, LETTERS = 8, 22, 14  # pixels; LETTERS is the font's size
NARROWEST = 192  # width below which a contact sheet enlarges its pictures, so that captions fit and pixels are seen


def draw_grid(tiles: Sequence[tuple[str, Picture]], columns: int) -> Picture:
    """Captioned pictures, `columns` in a row, in reading order -> the sheet, (h, w, 3) levels.

    A column is as wide as its widest picture, a row as high as its highest; a caption that is too long for its column
    loses its middle.
    """
    columns = max(1, min(columns, len(tiles)))
    rows = -(-len(tiles) // columns)
    widths = [max(picture.shape[1] for _, picture in tiles[i::columns]) for i in range(columns)]
    heights = [max(p.shape[0] for _, p in tiles[i * columns : (i + 1) * columns]) for i in range(rows)]
    lefts = np.cumsum([GAP, *(width + GAP for width in widths)])
    tops = np.cumsum([GAP, *(CAPTION + height + GAP for height in heights)])
    sheet = Image.new("RGB", (int(lefts[-1]), int(tops[-1])), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=LETTERS)
    for i, (caption, picture) in enumerate(tiles):
        left, top = int(lefts[i % columns]), int(tops[i // columns])
        pen.text((left, top), _fitting(caption, widths[i % columns], font), fill=INK, font=font)
        sheet.paste(Image.fromarray(picture), (left, top + CAPTION))
    return np.asarray(sheet)


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of its beginning and end as fits into `width` pixels."""
    kept = text
    for length in range(len(text) - 1, 0, -1):
        if font.getlength(kept) <= width:
            break
        kept = f"{text[: (length + 1) // 2]}...{text[len(text) - length // 2 :]}"
    return kept


@dataclass(frozen=True)
class SheetRow:
    """One picture of a contact sheet. HR, ours and the baseline are of one size."""

    name: str  # the picture's file
    lr: Picture  # what the network was given, shown enlarged without smoothing
    ours: Picture
    hr: Picture
    baseline: Picture | None = None  # what plain resampling makes of it
    before: float | None = None  # PSNR_Y of the baseline, dB
    after: float | None = None  # PSNR_Y of ours, dB


def contact_sheet(rows: Sequence[SheetRow], path: Path, baseline: str = "Lanczos") -> Picture:
    """Write a PNG with a row for each picture: LR with the file's name, the baseline if any row has one, ours, HR;
    returns it.

    Small pictures are enlarged by a whole factor without smoothing, all by the same.

    Args:
        rows: at least one.
        baseline: what the baseline is called.

    Raises:
        SengaError: there is no row.
    """
    if not rows:
        raise SengaError(f"{path}: a contact sheet needs a picture; give it one or more rows")
    several = any(row.baseline is not None for row in rows)
    factor = max(1, -(-NARROWEST // min(row.hr.shape[1] for row in rows)))
    tiles = []
    for row in rows:
        size = (row.hr.shape[1] * factor, row.hr.shape[0] * factor)
        before = "" if row.before is None else f"{row.before:.2f} dB"
        after = "" if row.after is None else f"{row.after:.2f} dB"
        shown = [(f"LR {row.name}", row.lr)]
        if several:
            shown.append((f"{baseline} {before}", row.hr * 0 if row.baseline is None else row.baseline))
        elif before:
            after = f"{before} -> {after}"
        shown += [(f"ours {after}", row.ours), ("original", row.hr)]
        for caption, picture in shown:
            enlarged = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
            tiles.append((caption.strip(), np.asarray(enlarged)))
    drawn = draw_grid(tiles, 4 if several else 3)
    Image.fromarray(drawn).save(path, format="PNG")
    return drawn
