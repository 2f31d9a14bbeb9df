"""What goes strip by strip equals what is made of the whole picture, and no whole frame is held in between."""

import pytest
import torch
from sample_upscalers import picture, small_model
from senga.arch import passes, upscale
from senga.arch.image import bleed, resize, to_bchw
from senga.arch.pictures.bleeding import Bled
from senga.arch.pictures.resizing import resized
from senga.arch.pictures.strips import ROWS, Canvas, Made, Whole, spans
from senga.arch.tiling import Tile
from torch.nn import functional as F

SIZES = [((50, 60), (33, 100)), ((300, 7), (133, 20)), ((1, 1), (5, 7)), ((5, 7), (1, 1)), ((17, 400), (300, 17))]


def made(image: torch.Tensor, rows: int) -> Made:
    return Made(
        image.shape[2], image.shape[3], (image[:, :, top:bottom] for top, bottom in spans(image.shape[2], rows))
    )


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_resizing_is_torchs_but_for_rounding(size, target):
    image = to_bchw(picture(size[0], size[1], frames=2))
    expected = F.interpolate(image, target, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    assert (resize(image, *target) - expected).abs().max() <= 2e-5


@pytest.mark.parametrize("rows", [1, 13, 64])
@pytest.mark.parametrize(("size", "target"), SIZES)
def test_strips_of_a_resized_picture_equal_the_whole_to_the_bit(monkeypatch, size, target, rows):
    image = to_bchw(picture(size[0], size[1]))
    whole = resize(image, *target)
    monkeypatch.setattr("senga.arch.pictures.resizing.ROWS", rows)
    strips = list(resized(made(image, 5), *target))
    assert [top for top, _ in strips] == list(range(0, target[0], rows))
    assert torch.equal(torch.cat([strip for _, strip in strips], 2), whole)


def old_bleed(colour: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Over whole frames."""
    levels = [(colour * alpha, alpha)]
    while max(levels[-1][0].shape[-2:]) > 1:
        height, width = levels[-1][0].shape[-2:]
        total, weight = (F.avg_pool2d(F.pad(part, (0, width % 2, 0, height % 2)), 2) for part in levels[-1])
        levels.append((total, weight))
    total, weight = levels.pop()
    filled = total / weight
    for total, weight in reversed(levels):
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        coarse = coarse[..., : total.shape[-2], : total.shape[-1]]
        filled = torch.where(weight > 1e-6, total / weight.clamp_min(1e-6), coarse)
    return torch.where(alpha <= 0, filled.clamp(0, 1), colour)


@pytest.mark.parametrize("share", [0.05, 0.9])
@pytest.mark.parametrize("size", [(1, 9), (13, 29), (77, 131), (300, 40)])
def test_windows_of_a_bled_picture_equal_the_whole_to_the_bit(size, share):
    image = to_bchw(picture(size[0], size[1], 4))
    blocks = torch.rand(1, 1, size[0] // 7 + 1, size[1] // 7 + 1, generator=torch.Generator().manual_seed(1)) < share
    blocks[0, 0, 0, 0] = True
    alpha = image[:, 3:] * blocks.repeat_interleave(7, 2).repeat_interleave(7, 3)[..., : size[0], : size[1]]
    whole = bleed(image[:, :3], alpha)
    assert torch.equal(whole, old_bleed(image[:, :3], alpha))
    source = Bled(Whole(image[:, :3]), Whole(alpha))
    for top in range(0, size[0], 23):
        for left in range(0, size[1], 31):
            part = Tile(top, left, min(size[0], top + 40), min(size[1], left + 50))
            assert torch.equal(source.of(part), part.of(whole))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("options", [{"scale": 3}, {"scale": 1.5}, {"size": (50, 200)}, {"scale": 8}])
def test_passes_in_strips_equal_whole_frames_to_the_bit(monkeypatch, channels, options):
    """Each pass as a whole frame, then one resize."""
    model, image = small_model("compact"), picture(37, 70, channels)
    image[..., 3:] = (image[..., 3:] > 0.5).float()
    tiles = {"tile": 16, "halo": 4, "precision": "fp32"}
    found = upscale(model, image, **options, **tiles)
    one_pass = passes.Run.one_pass

    def whole(*arguments, **options):
        yield torch.cat([strip.clone() for strip in one_pass(*arguments, **options)], 2)

    monkeypatch.setattr(passes.Run, "one_pass", whole)
    monkeypatch.setattr("senga.arch.pictures.resizing.ROWS", 10**6)
    assert torch.equal(found, upscale(model, image, **options, **tiles))


def test_rows_that_were_dropped_are_held_no_longer():
    source = made(picture(1000, 3).permute(0, 3, 1, 2), 10)
    for top in range(0, 1000, 50):
        source.drop(top)
        source.of(Tile(top, 0, min(1000, top + 70), 3))
        assert sum(strip.shape[2] for _, strip in source._held) <= 70


@pytest.mark.parametrize("options", [{}, {"scale": 3}, {"size": (40, 6000)}, {"scale": 8}])
def test_no_whole_frame_is_held_between_input_and_result(monkeypatch, options):
    """On the way from 32 x 3000 pixels at most a few rows of tiles are there at a time."""
    held, alive = [], []
    of = Made.of

    def watched(self, part):
        result = of(self, part)
        alive.append(sum(strip.shape[2] for _, strip in self._held) / self.height)
        return result

    monkeypatch.setattr(Made, "of", watched)
    canvas_rows = Canvas.rows
    monkeypatch.setattr(Canvas, "rows", lambda *a: (held.append(canvas_rows(*a) is not None), canvas_rows(*a))[1])
    out = upscale(small_model("compact"), picture(3000, 32, 4), tile=64, halo=4, **options)
    assert out.shape[0] == 1
    assert all(held)
    assert max(alive, default=0) < 0.1
    assert bool(alive) == bool(options)


@pytest.mark.parametrize(("scale", "sides"), [(2, (40, 50)), (3, (80, 100))])
def test_each_finished_tile_of_the_last_pass_is_shown(scale, sides):
    seen = []
    image = picture(40, 50, 4)
    upscale(small_model("compact"), image, tile=16, scale=scale, watch=lambda *tile: seen.append(tile))
    assert {tile[2:4] for tile in seen} == {sides}
    assert sum(core.pixels for core, *_ in seen) == sides[0] * sides[1]
    for core, result, _, _, alpha in seen:
        assert 0 < alpha.shape[2] <= core.bottom - core.top  # of the picture before the first pass
        assert result.shape[2:] == (2 * (core.bottom - core.top), 2 * (core.right - core.left))


def test_a_canvas_takes_what_is_in_it():
    strip = torch.arange(1.0, 13).view(1, 1, 3, 4)
    for top, left, height, width in [(0, 0, 3, 4), (1, 1, 2, 2), (-2, -1, 6, 7), (1, -1, 1, 6), (5, 5, 2, 2)]:
        result = torch.zeros(1, 1, height, width)
        canvas = Canvas(result, 3, 4, top, left)
        for row in range(3):
            canvas.place(strip[:, :, row : row + 1], row)
        padded = F.pad(strip, (9, 9, 9, 9))[..., 9 + top : 9 + top + height, 9 + left : 9 + left + width]
        assert torch.equal(result, padded)
        view = canvas.rows(0, 3)
        assert (view is None) == ((top, left) in ((1, 1), (1, -1), (5, 5)))
        assert view is None or torch.equal(view, strip)


def test_a_strip_has_whole_cells():
    assert ROWS % 16 == 0
