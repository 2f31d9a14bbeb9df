"""A page of sample pictures with their tags, to check labels by eye."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ....arch.files.reading import READABLE

CELL = 200  # px, of a picture on the sheet
TEXT = 92  # px, below it
COLUMNS = 7


def write_sheet(samples: Sequence[tuple[Path, str, str]], target: Path) -> None:
    """Samples are (picture, tags, characters)."""
    font = ImageFont.load_default(10)
    rows = -(-len(samples) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + TEXT)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (path, tags, characters) in enumerate(samples):
        left, top = number % COLUMNS * CELL, number // COLUMNS * (CELL + TEXT)
        with Image.open(path, formats=READABLE) as image:
            small = image.convert("RGB")
        small.thumbnail((CELL - 4, CELL - 4))
        sheet.paste(small, (left + 2, top + 2))
        words = textwrap.wrap(f"{tags} [{characters}]" if characters else tags, 38)
        pen.multiline_text((left + 3, top + CELL), "\n".join(words[:7]), "black", font, spacing=1)
    sheet.save(target)
