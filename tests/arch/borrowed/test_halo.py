"""What is measured of networks whose reach is known."""

from types import SimpleNamespace

import pytest
import torch
from senga.arch.borrowed import halo
from senga.arch.tiling import Tile, TileGrid
from torch import Tensor, nn
from torch.nn import functional as F


class Blurs(nn.Module):
    """`count` 3 x 3 means: a reach of exactly `count` pixels, all of which counts."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.weight = nn.Parameter(torch.full((1, 1, 3, 3), 1 / 9))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.count):
            x = F.conv2d(x, self.weight, padding=1)
        return x


class Blocks(nn.Module):
    """The mean of each square of `window_size` pixels, counted from the corner of what it is given."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.window_size = side
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(F.avg_pool2d(x, self.window_size), scale_factor=float(self.window_size), mode="nearest")


class WholeMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x + 0.5 * x.mean((2, 3), keepdim=True)


class Fake:
    """As much of a BorrowedUpscaler as `measure` uses."""

    def __init__(self, net: nn.Module) -> None:
        self.model, self.scale, self.input_channels, self.device = net, 1, 1, torch.device("cpu")
        self.size_requirements = SimpleNamespace(minimum=0, multiple_of=1)

    def __call__(self, x: Tensor) -> Tensor:
        return self.model(x).clamp(0, 1)


def test_a_reach_of_ten_pixels_needs_the_next_halo_and_no_alignment():
    context = halo.measure(Fake(Blurs(10)))
    assert context.halo in (8, 12)  # the outermost of ten means weighs little
    assert context.alignment == 1
    assert context.seam_free


@pytest.mark.parametrize("side", [8, 12])
def test_windows_that_a_network_names_become_the_alignment(side):
    context = halo.measure(Fake(Blocks(side)))
    assert (context.alignment, context.seam_free) == (side, True)


def test_windows_without_a_name_are_found_by_trying():
    net = Blocks(16)
    del net.window_size
    net.forward = lambda x: F.interpolate(F.avg_pool2d(x, 16), scale_factor=16.0, mode="nearest")
    context = halo.measure(Fake(net))
    assert (context.alignment, context.seam_free) == (64, True)


def test_a_network_that_looks_at_the_whole_picture_is_not_called_seam_free():
    context = halo.measure(Fake(WholeMean()))
    assert not context.seam_free
    assert context.levels > 5
    assert f"up to {context.levels:.1f}/255" in context.sentence
    assert context.alignment == 1


def test_what_was_measured_is_kept_and_damaged_files_are_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("SENGA_CACHE", str(tmp_path))
    context = halo.Context(12, 8, 0.125)
    assert halo.cached_context("abc") is None
    halo.store_context("abc", context)
    assert halo.cached_context("abc") == context
    for text in ("{", "[]", '{"method": 0}', '{"method": 1, "halo": 1}'):
        (tmp_path / "halo" / "abc.json").write_text(text)
        assert halo.cached_context("abc") is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENGA_CACHE", str(tmp_path / "file"))
    halo.store_context("abc", halo.Context(12, 8, 0.125))
    assert halo.cached_context("abc") is None


def test_windows_are_never_smaller_than_the_network_takes():
    grid = TileGrid(47, 65, tile=16, halo=4, alignment=8, least=32)
    for core in grid:
        window = grid.window(core)
        assert window.bottom - window.top >= 32
        assert window.right - window.left >= 32
        assert window.top % 8 == window.left % 8 == 0
        assert window.top <= core.top < core.bottom <= window.bottom <= 47
    assert TileGrid(20, 20, tile=16, halo=0, least=32).window(Tile(0, 0, 16, 16)) == Tile(0, 0, 20, 20)
