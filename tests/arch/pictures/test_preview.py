"""The picture so far is the finished tiles, reduced, each in its place; the text counts them and the time."""

import pytest
import torch
from sample_upscalers import Recorder, picture
from senga.arch import upscale
from senga.arch.pictures.preview import UNFINISHED, Preview, duration, tiles_text
from senga.arch.tiling import Tile


def test_before_the_first_tile_there_is_nothing():
    assert Preview().pixels() is None


def test_a_tile_is_drawn_in_its_place_and_the_rest_is_dark():
    preview = Preview(longest=8)
    preview.add(Tile(0, 16, 16, 32), torch.ones(1, 3, 32, 32), 16, 32)
    pixels = preview.pixels()
    assert pixels is not None
    assert pixels.shape == (4, 8, 3)
    assert pixels.dtype == torch.uint8
    assert (pixels[:, 4:] == 255).all()
    assert (pixels[:, :4] == round(UNFINISHED * 255)).all()


def test_a_pixel_is_the_mean_of_its_area():
    halves = torch.zeros(1, 3, 8, 8)
    halves[..., 4:] = 1
    preview = Preview(longest=1)
    preview.add(Tile(0, 0, 8, 8), halves, 8, 8)
    pixels = preview.pixels()
    assert pixels is not None
    assert pixels.tolist() == [[[128] * 3]]


def test_transparent_pixels_show_the_ground_also_in_a_later_pass():
    preview, alpha = Preview(), torch.zeros(1, 1, 2, 2)
    alpha[..., 1] = 1
    assert Tile(1, 2, 3, 4).shrunk(2) == Tile(0, 1, 2, 2)
    preview.add(Tile(0, 0, 4, 4), torch.ones(1, 3, 8, 8), 4, 4, alpha)
    pixels = preview.pixels()
    assert pixels is not None
    assert (pixels[:, :4] == round(UNFINISHED * 255)).all()
    assert (pixels[:, 4:] == 255).all()


def test_small_results_are_not_enlarged_and_grey_ones_have_three_channels():
    preview = Preview(longest=64)
    preview.add(Tile(0, 0, 3, 5), torch.full((1, 1, 6, 10), 0.2), 3, 5)
    pixels = preview.pixels()
    assert pixels is not None
    assert pixels.shape == (6, 10, 3)
    assert (pixels == 51).all()


def test_tiles_smaller_than_a_pixel_are_left_out():
    preview = Preview(longest=4)
    for left in range(0, 64, 2):
        preview.add(Tile(0, left, 64, left + 2), torch.ones(1, 3, 64, 2), 64, 64)
    preview.add(Tile(0, 0, 64, 64), torch.zeros(1, 3, 64, 64), 64, 64)
    pixels = preview.pixels()
    assert pixels is not None
    assert (pixels == 0).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_all_tiles_of_an_upscale_together_are_the_picture(channels):
    preview, order = Preview(longest=70), []
    image = picture(40, 70, channels)

    def watch(core, result, height, width, alpha):
        assert result.shape == (1, min(channels, 3), (core.bottom - core.top) * 2, (core.right - core.left) * 2)
        order.append("watch")
        assert (alpha is None) == (channels < 4)
        preview.add(core, result, height, width, alpha)

    out = upscale(Recorder(), image, tile=16, halo=0, watch=watch, progress=lambda *_: order.append("progress"))
    pixels = preview.pixels()
    assert pixels is not None
    small = torch.nn.functional.avg_pool2d(out[..., :3].permute(0, 3, 1, 2), 2)[0].permute(1, 2, 0)
    if channels == 4:
        small = UNFINISHED + (small - UNFINISHED) * image[0, ..., 3:]
    assert torch.allclose(pixels / 255, small.expand(-1, -1, 3), atol=1.01 / 255)
    tiles = 3 * 5
    assert order[: 2 * tiles] == ["watch", "progress"] * tiles
    assert order.count("watch") == tiles  # none of the alpha's


@pytest.mark.parametrize(
    ("number", "done", "total", "seconds", "expected"),
    [
        (1, 100, 1200, 2.0, "tile 1 of 12, 22 s left"),
        (7, 700, 1000, 0.1, "tile 7 of 10, 1 s left"),  # never "0 s left"
        (3, 300, 3000, 60.0, "tile 3 of 30, 9:00 min left"),
        (12, 1200, 1200, 61.4, "12 tiles in 1:01 min"),
    ],
)
def test_the_text_counts_tiles_and_time(number, done, total, seconds, expected):
    assert tiles_text(number, done, total, seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (3599, "59:59 min"), (3730, "1:02:10 h")],
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected
