"""Trunks on large tiles, tails in strips: the same picture, and less memory. Tiles are chosen by what they cost."""

import math

import pytest
import torch
from sample_upscalers import VARIANT_IDS, VARIANTS, Recorder, picture, small_model
from senga.arch import passes, upscale
from senga.arch.borrowed import is_there
from senga.arch.engines import engine, tail
from senga.arch.engines.folding import folded
from senga.arch.engines.recording import record
from senga.arch.tiling import EACH, MIN_TILE, Tile, TileGrid, cheapest


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("name", "extra"), VARIANTS, ids=VARIANT_IDS)
def test_a_tail_in_strips_equals_the_network(monkeypatch, name, extra, precision):
    """Networks without such a tail run as a whole."""
    model, sample = small_model(name, **extra), picture(40, 24).permute(0, 3, 1, 2)
    recording, expected = record(model.model, sample)
    built, strips = [], []

    def build(part, channels):
        built.append(channels)
        return lambda x: (strips.append(x.shape[2]), part.run(x))[1]

    monkeypatch.setattr(tail, "LARGEST", 1)  # the fewest rows
    run = tail.in_parts(folded(recording, precision), 3, 4, build)
    with torch.no_grad():
        assert (run(sample) - expected).abs().max() <= 1e-5
    doubles = name == "rrdb" and model.model.config.doublings > 0
    assert len(built) == (2 if doubles else 1)
    assert len(strips) > (2 if doubles else 0)


def test_one_row_less_around_a_strip_shows(monkeypatch):
    model, sample = small_model("rrdb", scale=4), picture(40, 24).permute(0, 3, 1, 2)
    recording, expected = record(model.model, sample)
    parts = tail.parted(folded(recording, "bf16"))
    assert parts is not None
    trunk, part = parts
    assert (part.channels, part.scale, part.reach, part.floats) == (8, 4, 2, 8 * 16)
    monkeypatch.setattr(tail, "LARGEST", 1)
    monkeypatch.setattr(tail, "parted", lambda _: (trunk, part._replace(reach=1)))
    run = tail.in_parts(recording, 3, 4, lambda part, _: part.run)
    with torch.no_grad():
        assert (run(sample) - expected).abs().max() > 1e-5


@pytest.mark.parametrize("runs_by", ["torch", "openvino"])
def test_engines_run_tails_in_strips(monkeypatch, runs_by):
    if runs_by == "openvino" and not is_there("openvino"):
        pytest.skip("OpenVINO is not installed")
    monkeypatch.setenv(engine.VARIABLE, runs_by)
    model, image = small_model("rrdb", scale=2), picture(60, 44)
    whole = upscale(model, image, precision="fp32")
    monkeypatch.setattr(tail, "LARGEST", 1)
    assert (upscale(model, image, precision="fp32") - whole).abs().max() <= 1e-5


SIZES = [(1024, 1024), (300, 5000), (5000, 300), (16, 40), (40, 3), (4096, 4096)]


@pytest.mark.parametrize("most", [20_000, 300_000])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_cheapest_grid_fits_and_is_no_dearer_than_squares(height, width, most):
    context, border = 18, 18
    tall, wide, _ = cheapest(height, width, context, border, most, height)

    def computed(grid: TileGrid) -> list[int]:
        sides = [(core, grid.window(core)) for core in grid]
        borders = [window.borders(height, width, border, 0) for _, window in sides]
        return [
            (w.bottom - w.top + b[2] + b[3]) * (w.right - w.left + b[0] + b[1])
            for (_, w), b in zip(sides, borders, strict=True)
        ]

    grid = computed(TileGrid(height, width, tall, context, wide=wide))
    assert max(grid) <= most
    square = max(MIN_TILE, int(most**0.5) - 2 * context)
    assert sum(grid) <= 1.02 * sum(computed(TileGrid(height, width, square, context))) + 2000


@pytest.mark.parametrize(("height", "width"), [(40, 70), (90, 33), (20, 200), (300, 22)])
@pytest.mark.parametrize(("context", "border"), [(5, 3), (2, 6)])
@pytest.mark.parametrize("most", [1000, 2000, 10**6])
def test_no_grid_of_fewer_pixels_fits(height, width, context, border, most):
    """All grids are tried. Windows have the context around them, and at the picture's edges the border."""

    def window(length: int, parts: int) -> int:
        """The longest side of a window; a core is not planned below MIN_TILE, where the side is cut at all."""
        return length + 2 * border if parts == 1 else max(MIN_TILE, -(-length // parts)) + 2 * max(context, border)

    def cost(rows: int, columns: int) -> float:
        if columns > max(1, width // MIN_TILE) or window(height, rows) * window(width, columns) > most:
            return math.inf
        down, across = (n + 2 * border + 2 * context * (p - 1) for n, p in ((height, rows), (width, columns)))
        return down * across + EACH * rows * columns

    tall, wide, pixels = cheapest(height, width, context, border, most, height)
    assert pixels == cost(-(-height // tall), -(-width // wide))
    assert pixels == min(cost(rows, columns) for rows in range(1, height + 1) for columns in range(1, width + 1))


def test_a_grid_that_nothing_fits_has_the_smallest_tiles():
    assert cheapest(400, 500, 18, 18, 100, 400) == (MIN_TILE, MIN_TILE, 200_000)
    assert cheapest(500, 500, 18, 18, 10**9, 64)[0] <= 64


def test_a_grid_of_wide_tiles_is_halved_on_both_sides():
    grid = TileGrid(100, 1000, 20, 0, wide=500)
    assert list(grid)[:2] == [Tile(0, 0, 20, 500), Tile(0, 500, 20, 1000)]
    less = grid.halved()
    assert (less.tile, less.wide, less.smallest) == (16, 250, False)


def grid_of(name: str, engine_name: str, precision: str, side: int, row: int = 0) -> TileGrid:
    model = small_model(name, **{"rrdb": {"features": 64, "growth": 32, "blocks": 6, "scale": 4}}.get(name, {}))
    spec = passes.ModelSpec.of(model)
    runs = engine.Engine(engine_name, precision, model.bare)
    run = passes.Run(model, spec, precision, runs, 1, spec.halo, 0, False, 1, None, None)
    return run.grid(side, side, row)


def test_tiles_of_prepared_networks_follow_the_budget_at_any_size(monkeypatch):
    monkeypatch.setattr(passes, "free_memory", lambda _: 2**40)
    for precision, item in (("fp32", 4), ("bf16", 2)):
        for side in (1024, 8192):
            grid = grid_of("rrdb", "openvino", precision, side)
            windows = [grid.window(core) for core in grid]
            area = max((w.bottom - w.top) * (w.right - w.left) for w in windows)
            assert 0.5 * passes.BUDGET < area * 384 * item <= passes.BUDGET
    assert grid_of("rrdb", "openvino", "fp32", 8192, row=4 * 3 * 4 * 8192).tile <= 4 * 56


def test_a_model_that_is_not_prepared_has_square_tiles():
    image = picture(900, 20)
    model = Recorder()
    upscale(model, image, halo=4)
    assert max(x.shape[2] for x in model.calls) <= 384 + 8
