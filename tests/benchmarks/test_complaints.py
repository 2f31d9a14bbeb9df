"""The measures of what users complain of give 1 (or 0) to a perfect result, and see each fault."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from senga.benchmarks import complaints  # pyright: ignore[reportMissingImports]
from senga.benchmarks.quality_contenders import Contender  # pyright: ignore[reportMissingImports]


def lanczos(picture):
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((2 * width, 2 * height), Image.Resampling.LANCZOS))


def then(change):
    return lambda picture: change(lanczos(picture))


def unharmed(picture):
    """At scale 1 the truth itself comes in, and this hands it back."""
    return picture


def blurred(picture):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3)))


def test_the_truth_itself_is_without_fault():
    assert complaints.measure(unharmed, 1) == ["0", "100.0", "1.000", "1.000", "1.000", "1.000"]


def test_white_that_becomes_fefefe_is_an_error_of_one_level():
    assert complaints.flat_error(lanczos, 2) == 0
    assert complaints.flat_error(then(lambda p: np.minimum(p, 254)), 2) == 1


def test_thicker_lines_have_more_ink_and_paler_ones_are_less_dark():
    thick = then(lambda p: np.minimum(p, np.roll(p, 1, 1)))
    ink, _ = complaints.ink_and_darkness(thick, 2)
    assert ink > complaints.ink_and_darkness(lanczos, 2)[0] + 0.2
    _, dark = complaints.ink_and_darkness(then(blurred), 2)
    assert dark < complaints.ink_and_darkness(lanczos, 2)[1] - 0.2


def test_a_blur_makes_soft_edges_wider_and_a_threshold_makes_them_narrower():
    assert complaints.blur_kept(lanczos, 2) == pytest.approx(1, abs=0.02)
    assert complaints.blur_kept(then(blurred), 2) > 1.3
    assert complaints.blur_kept(then(lambda p: np.where(p > 140, 255, 30).astype(np.uint8)), 2) < 0.5


def test_a_blur_takes_the_grain_and_returns_another_picture():
    assert complaints.grain_kept(then(blurred), 2) < 0.3 < complaints.grain_kept(lanczos, 2)
    assert complaints.returned(then(blurred), 2) < complaints.returned(lanczos, 2) - 3


def test_a_table_has_a_row_for_each_contender():
    made = complaints.table([Contender("bicubic", "filter", 2, "", "bicubic")], 2)
    assert [len(row) for row in [made.header, *made.rows]] == [7, 7]
    assert made.rows[0][0] == "bicubic"
