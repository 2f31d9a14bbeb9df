"""The tables of `benchmarks.denoise`: a row for each level, the best of each column in bold."""

import numpy as np
import pytest
from PIL import Image
from senga.benchmarks import denoise  # pyright: ignore[reportMissingImports]
from senga.headless.commands.upscale_denoise import STEPS, row


def test_each_level_is_a_row_and_the_best_of_a_column_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Level 2 gives the picture before it was reduced, the others are brighter by five levels."""
    truth = np.full((8, 8, 3), 100, np.uint8)

    def enlarged(picture: Image.Image, mix: denoise.Mix, scale: int) -> denoise.Picture:
        assert picture.size == (4, 4)
        return truth + np.uint8(0 if mix == row(2, 2) else 5)

    monkeypatch.setattr(denoise, "enlarged", enlarged)
    text = denoise.table([2], [("anime", truth), ("lines", truth), ("patterns", truth)])
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| x2")]
    assert [cells[1] for cells in rows] == ["none", *map(str, STEPS)] * len(denoise.GROUPS)
    for cells in rows:
        values = [cell.strip(" |") for cell in cells[3:]]
        assert len(values) == len(denoise.QUALITIES)
        assert all((value == "**100.00**") == (cells[1] == "2") for value in values)
