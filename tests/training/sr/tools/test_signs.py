"""What a picture shows of its past: found where it was put, and not where it was not."""

import io

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import drawing
from senga.training.sr.tools.check_pictures import damage_of
from senga.training.sr.tools.signs import blockiness, content_of, enlargement, hash_of, luma_of, pixel_size, quality_of

RESAMPLING = Image.Resampling


def clean(seed: int = 0, side: int = 300) -> Image.Image:
    """A drawing with soft edges, as reducing makes them."""
    whole = Image.new("RGB", (2 * side, 2 * side), (200, 210, 230))
    picture = drawing(2 * side, seed)
    whole.paste(picture, mask=picture)
    return whole.resize((side, side), RESAMPLING.BICUBIC)


def saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def luma(image: Image.Image) -> np.ndarray:
    return luma_of(np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_in_its_table(quality: int) -> None:
    image = saved(clean(), quality)
    assert quality_of(list(image.quantization[0])) == pytest.approx(quality, abs=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blocks_are_seen_in_jpeg_wherever_the_grid_begins(seed: int) -> None:
    picture = clean(seed)
    assert damage_of(blockiness(luma(picture))) == ""
    scores = [blockiness(luma(saved(picture, quality))) for quality in (90, 75, 40)]
    assert scores == sorted(scores)
    assert damage_of(scores[2]) == "strong"
    cropped = blockiness(luma(saved(picture, 40).crop((3, 5, 300, 300))))
    assert damage_of(cropped) == "strong"
    assert damage_of(blockiness(luma(picture.resize((600, 600), RESAMPLING.BICUBIC)))) == ""
    assert blockiness(np.zeros((20, 400), np.float32)) == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("how", [RESAMPLING.BICUBIC, RESAMPLING.LANCZOS, RESAMPLING.BILINEAR])
def test_an_enlarged_picture_is_known_by_what_it_does_not_lose(seed: int, how: Image.Resampling) -> None:
    picture = clean(seed)
    assert enlargement(luma(picture)) == 1
    for factor in (2, 3):
        enlarged = picture.resize((300 * factor, 300 * factor), how)
        assert abs(enlargement(luma(enlarged)) - factor) <= 0.5
    assert enlargement(np.full((50, 50), 9, np.float32)) == 1


def test_repeated_pixels_are_counted() -> None:
    picture = clean(side=60)
    assert pixel_size(luma(picture)) == 1
    assert pixel_size(luma(picture.resize((180, 180), RESAMPLING.NEAREST))) == 3
    assert pixel_size(np.zeros((9, 9), np.float32)) == 1


def test_a_hash_is_of_the_drawing_and_not_of_its_file() -> None:
    def distance(one: Image.Image, other: Image.Image) -> int:
        return (hash_of(np.asarray(one)) ^ hash_of(np.asarray(other))).bit_count()

    picture = clean()
    for same in (picture.resize((130, 130)), saved(picture, 40), picture.point(lambda level: level * 0.8 + 20)):
        assert distance(picture, same) <= 6
    for other in (clean(1), clean(2), picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        assert distance(picture, other) > 12


def test_content_is_the_share_of_squares_that_show_something() -> None:
    half = np.full((64, 64), 200, np.float32)
    assert content_of(half) == 0
    half[:, :32] = np.where(np.arange(32) % 8 < 4, 100, 200)
    assert content_of(half) == 0.5
    assert content_of(np.zeros((5, 7), np.float32)) == 0
