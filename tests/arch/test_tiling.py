"""The grid covers each pixel once without slivers, and tiles with a full halo equal the whole picture."""

import pytest
import torch
from sample_upscalers import VARIANT_IDS, VARIANTS, Recorder, picture, small_model
from senga.arch import SengaError, UpscaleModel, upscale
from senga.arch.memory import tile_that_fits
from senga.arch.tiling import Tile, TileGrid, edges, is_out_of_memory, run_tiles

SIZES = [(1, 1), (1, 300), (300, 1), (17, 16), (513, 31), (100, 257)]


@pytest.mark.parametrize("alignment", [1, 2, 4])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_cores_cover_every_pixel_once(height, width, alignment):
    seen = torch.zeros(height, width, dtype=torch.int)
    for core in TileGrid(height, width, tile=16, halo=3, alignment=alignment):
        seen[core.top : core.bottom, core.left : core.right] += 1
        assert core.top % alignment == core.left % alignment == 0
        assert max(core.bottom - core.top, core.right - core.left) <= 16
    assert (seen == 1).all()


def test_the_grid_is_balanced():
    assert edges(0, 513, 512, 1) == [0, 256, 513]
    assert edges(0, 513, 512, 4) == [0, 256, 513]
    assert edges(0, 512, 512, 1) == [0, 512]
    assert edges(0, 1000, 300, 1) == [0, 250, 500, 750, 1000]
    for length in range(1, 400):
        sizes = [b - a for a, b in zip(edges(0, length, 16, 1), edges(0, length, 16, 1)[1:], strict=False)]
        assert max(sizes) - min(sizes) <= 1


def test_windows_start_on_the_alignment_and_stay_inside():
    grid = TileGrid(101, 67, tile=20, halo=7, alignment=4)
    assert grid.halo == 8
    for core in grid:
        window = grid.window(core)
        assert window.top % 4 == window.left % 4 == 0
        assert window.top == max(0, core.top - 8)
        assert window.bottom == min(101, core.bottom + 8)


@pytest.mark.parametrize("alignment", [1, 4])
def test_a_window_is_widened_to_what_the_network_takes_and_no_further(alignment):
    length = 40
    for least in (0, 1, 7, 16, 40, 99):
        grid = TileGrid(length, length, tile=16, halo=0, alignment=alignment, least=least)
        for start in range(0, length, alignment):
            for stop in range(start + 1, length + 1):
                first, last = grid.widened(start, stop, length)
                # After its end first, as far as the picture goes; the rest before its start.
                assert last == (stop if stop - start >= least else min(length, start + least))
                assert 0 <= first <= start
                assert first % alignment == 0
                assert last - first >= min(least, length)
                assert first == start or last - first < least + alignment


def test_a_tile_is_halved_until_nothing_smaller_is_allowed():
    grid = TileGrid(200, 200, tile=100, halo=0, wide=70)
    assert (grid.halved().tile, grid.halved().wide) == (50, 35)
    assert (grid.halved().halved().halved().tile, grid.halved().halved().halved().wide) == (16, 16)
    assert not grid.smallest
    for tile, wide, alignment, smallest in [
        (16, 0, 1, True), (17, 0, 1, False), (8, 0, 1, True), (16, 17, 1, False), (17, 16, 1, False),
        (16, 16, 1, True), (32, 0, 32, True), (33, 0, 32, False),
    ]:  # fmt: skip
        assert TileGrid(200, 200, tile, 0, alignment, wide=wide).smallest == smallest
    assert TileGrid(200, 200, 40, 0, 32).halved().tile == 32
    assert TileGrid(200, 200, 64, 0).halved().wide == 32  # where only one side was given, both are


def test_impossible_geometry_is_refused():
    with pytest.raises(ValueError, match="positive"):
        TileGrid(0, 10, 16, 0)
    for sides in [(5, 5, 5, 9), (5, 5, 9, 5), (6, 5, 5, 9), (5, 6, 9, 5), (-1, 0, 2, 2), (0, -1, 2, 2)]:
        with pytest.raises(ValueError, match="empty or negative"):
            Tile(*sides)
    assert Tile(0, 0, 1, 1).pixels == 1


# Long thin strips, so that most of the picture is outside every tile's window.
THIN = [(20, 130), (130, 3)]
SHAPES = {"espcn_7": THIN, "dcscn": THIN, "rrdb": [(12, 331), (331, 5)], "compact": THIN, "drrn": THIN}
ODD = [(1, 1), (1, 45), (45, 1), (7, 9), (33, 47)]


@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_tiles_with_the_radius_as_halo_equal_the_whole(name, extra):
    model = small_model(name, **extra)
    for height, width in SHAPES[name] + ODD:
        image = picture(height, width)
        whole = upscale(model, image, tile=1024, precision="fp32")
        tiled = upscale(model, image, tile=16, halo=model.receptive_radius, precision="fp32")
        assert (whole - tiled).abs().max() <= 1e-5
        direct = model(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        assert (whole - direct).abs().max() <= 1e-5


@pytest.mark.parametrize(("name", "extra"), [("espcn_7", {}), ("rrdb", {"scale": 4}), ("rrdb", {"scale": 2})])
def test_a_halo_short_of_the_radius_shows(name, extra):
    """The comparison above can fail: without context the borders differ."""
    model = small_model(name, **extra)
    image = picture(20, 130)
    whole = upscale(model, image, tile=1024, precision="fp32")
    assert (whole - upscale(model, image, tile=16, halo=0, precision="fp32")).abs().max() > 1e-3


def test_the_ensemble_of_a_tiled_odd_picture_equals_the_whole():
    model = small_model("rrdb", scale=2)
    image = picture(7, 131)
    whole = upscale(model, image, tile=1024, self_ensemble=True, precision="fp32")
    tiled = upscale(model, image, tile=16, halo=model.receptive_radius, self_ensemble=True, precision="fp32")
    assert (whole - tiled).abs().max() <= 1e-5
    assert (whole - upscale(model, image, tile=1024, precision="fp32")).abs().max() > 1e-4


class Starved(Recorder):
    """Runs out of memory for windows with more than `limit` pixels."""

    def __init__(self, limit: int, message: str = "CUDA out of memory. Tried to allocate 2.00 GiB") -> None:
        super().__init__()
        self.limit, self.message, self.failed = limit, message, 0
        self.written = 0

    def __call__(self, x):
        if x.shape[-1] * x.shape[-2] > self.limit:
            self.failed += 1
            raise RuntimeError(self.message)
        return super().__call__(x)


def test_running_out_of_memory_halves_the_tile_and_goes_on():
    model = Starved(limit=40 * 40)
    image = picture(100, 100, frames=2)
    done = []
    out = upscale(model, image, tile=64, halo=2, progress=lambda d, total: done.append((d, total)))
    expected = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(out, expected)
    assert model.failed == 1  # the smaller tile is kept for the next frame
    assert done[-1] == (20_000, 20_000)
    assert [d for d, _ in done] == sorted({d for d, _ in done})  # nothing is done twice


def test_memory_that_runs_out_in_the_middle_redoes_nothing():
    class Later(Starved):
        def __call__(self, x):
            self.limit = 10**9 if len(self.calls) < 2 else 30 * 30
            return super().__call__(x)

    model = Later(limit=0)
    image = picture(64, 128)
    done = []
    out = upscale(model, image, tile=32, halo=0, progress=lambda d, _: done.append(d))
    assert torch.equal(out, image.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert done[:2] == [1024, 2048]
    assert sum(x.shape[-1] * x.shape[-2] for x in model.calls) == 64 * 128


def test_tiles_come_row_by_row_and_smaller_ones_too():
    grid, seen = TileGrid(64, 96, 32, 0), []
    cores = list(grid)

    def fill(core: Tile, _: Tile) -> None:
        if core == cores[2]:
            raise MemoryError
        seen.append(core)

    rest = run_tiles(grid, Tile(0, 0, 64, 96), fill, lambda: None, lambda _: None)
    assert rest == grid.halved()
    assert seen == cores[:2] + [part for core in cores[2:] for part in rest.cut(core)]


def test_no_room_for_the_smallest_tile_is_one_sentence_and_frees_the_device():
    model = Starved(limit=0, message="[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(SengaError, match=r"cpu has too little memory for a tile of 16 with a halo of 3 of the 50x40"):
        upscale(model, picture(40, 50), tile=64, halo=3)
    assert model.moved_to == ["cpu"]


def test_other_errors_are_not_taken_for_memory():
    class Broken(Recorder):
        def __call__(self, x):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        upscale(Broken(), picture(40, 50))
    for text in (
        "CUDA out of memory. Tried to allocate 2 GiB",
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "could not create a memory object",
    ):
        assert is_out_of_memory(RuntimeError(text))
    assert is_out_of_memory(torch.OutOfMemoryError("full"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_tile_follows_the_free_memory():
    cpu = torch.device("cpu")
    floats, halo = 1000, 10
    tiles = [tile_that_fits(free * 2**20, floats, halo, cpu) for free in (1, 64, 512, 100_000)]
    assert tiles == sorted(tiles)
    assert tiles[0] == 16
    assert tiles[-1] == 384
    window = tiles[2] + 2 * halo
    assert window**2 * floats * 4 <= 256 * 2**20


@pytest.mark.parametrize("name", ["espcn_7", "dcscn", "rrdb"])
def test_the_estimate_of_activations_covers_the_largest_tensors(name):
    """A tile chosen by an estimate that is too low would run out of memory."""
    model = UpscaleModel.create(name)
    largest = [0]
    for module in model.model.modules():
        module.register_forward_hook(
            lambda _, inputs, out: largest.append(sum(x.numel() for x in inputs) + out.numel() if inputs else 0)
        )
    model(picture(16, 16).permute(0, 3, 1, 2))
    pixels = (16 + 2 * model.border) ** 2
    assert max(largest) / pixels <= model.floats_per_pixel <= 4 * max(largest) / pixels


def test_the_network_never_sees_more_than_a_tiles_window():
    largest = []
    for side in (200, 600):
        model = Recorder()
        upscale(model, picture(side, side), tile=64, halo=4)
        largest.append(max(x.shape[-1] * x.shape[-2] for x in model.calls))
    assert max(largest) <= (64 + 8) ** 2
