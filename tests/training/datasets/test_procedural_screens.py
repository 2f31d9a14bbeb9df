"""Screens print the darkness that was asked for, at the pitch and angle that was asked for; motifs repeat."""

import numpy as np
import pytest
from senga.training.datasets.procedural.canvas import Canvas
from senga.training.datasets.procedural.dithering import bayer, diffused, levels, tiled
from senga.training.datasets.procedural.patterns import MOTIFS, motif
from senga.training.datasets.procedural.screens import SPOTS, Screen, sand, screen
from senga.training.datasets.procedural.tones import page

SIZE = 256


def peak(field: np.ndarray) -> tuple[float, float]:
    """The strongest frequency of a field: cycles a pixel along x and y, x not negative."""
    window = np.hanning(len(field))
    spectrum = np.abs(np.fft.rfft2((field - field.mean()) * np.outer(window, window)))
    y, x = np.unravel_index(spectrum.argmax(), spectrum.shape)
    return float(x / len(field)), float(np.fft.fftfreq(len(field))[y])


@pytest.mark.parametrize("spot", SPOTS)
@pytest.mark.parametrize("darkness", [0.08, 0.3, 0.6, 0.9])
def test_the_mean_grey_is_the_darkness(spot, darkness):
    ink = screen(SIZE, Screen(spot, 9.3, 0.4, (0.2, 0.7)), darkness)
    assert ink.min() >= 0
    assert ink.max() <= 1
    assert ink.mean() == pytest.approx(darkness, abs=0.02)


@pytest.mark.parametrize("spot", ["round", "line", "cosine"])
def test_a_gradient_of_dots_is_as_dark_as_the_gradient(spot):
    ramp = np.broadcast_to(np.linspace(0, 1, SIZE, dtype=np.float32), (SIZE, SIZE))
    ink = screen(SIZE, Screen(spot, 6, 0.3), ramp)
    for column in range(0, SIZE, 32):
        part = slice(column, column + 32)
        assert ink[:, part].mean() == pytest.approx(ramp[:, part].mean(), abs=0.03)


@pytest.mark.parametrize("spot", SPOTS)
def test_no_darkness_is_bare_paper_and_full_darkness_solid_ink(spot):
    assert screen(64, Screen(spot, 8), 0.0).max() == 0
    assert screen(64, Screen(spot, 8), 1.0).min() == 1


@pytest.mark.parametrize("pitch", [4.6, 7.0, 12.0])
@pytest.mark.parametrize("degrees", [0, 15, 45, 70])
def test_lines_have_their_pitch_and_angle(pitch, degrees):
    x, y = peak(screen(SIZE, Screen("line", pitch, np.deg2rad(degrees)), 0.4))
    assert np.hypot(x, y) == pytest.approx(1 / pitch, abs=0.004)
    # Lines run along the angle, so they repeat across it.
    assert abs(x * np.cos(np.deg2rad(degrees)) + y * np.sin(np.deg2rad(degrees))) < 0.005


@pytest.mark.parametrize("pitch", [5.0, 9.0])
def test_dots_repeat_at_their_pitch(pitch):
    x, y = peak(screen(SIZE, Screen("round", pitch, np.pi / 4), 0.25))
    assert np.hypot(x, y) == pytest.approx(1 / pitch, abs=0.004)


@pytest.mark.parametrize("darkness", [0.15, 0.5])
def test_sand_covers_its_share(darkness):
    ink = sand(np.random.default_rng(3), SIZE, 4, darkness)
    assert ink.mean() == pytest.approx(darkness, abs=0.04)


def test_pages_are_drawings_with_tones():
    """Ink on paper; and in most pages something that repeats: one fine frequency far stronger than the others."""
    toned = 0
    for index in range(8):
        ink = page(Canvas(np.random.default_rng(index), SIZE, 2))
        assert 0.02 < ink.mean() < 0.9
        window = np.hanning(SIZE)
        spectrum = np.abs(np.fft.rfft2((ink - ink.mean()) * np.outer(window, window)))
        fine = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None, :]) > 0.07
        toned += spectrum[fine].max() > 20 * spectrum[fine].mean()
    assert toned >= 5


@pytest.mark.parametrize("name", MOTIFS)
def test_a_motif_repeats_with_its_own_period(name):
    rows, columns = MOTIFS[name][0].shape
    field = motif(name, 48, (1, 2))
    np.testing.assert_array_equal(field[rows:], field[:-rows])
    np.testing.assert_array_equal(field[:, columns:], field[:, :-columns])
    assert field.mean() == pytest.approx(MOTIFS[name][0].mean(), abs=0.06)
    np.testing.assert_array_equal(motif(name, 48, (1, 2), turned=False, bigger=2)[::2, ::2].shape, (24, 24))


def test_a_turned_motif_is_the_other_way_round():
    np.testing.assert_array_equal(motif("stripes 2", 16, turned=True), motif("stripes 2", 16).T)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bayer_has_every_threshold_once(order):
    side = 2**order
    np.testing.assert_allclose(np.sort(bayer(order).ravel()), (np.arange(side * side) + 0.5) / side**2)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_dither_keeps_the_mean_grey(count):
    at = np.linspace(0, 1, 128, dtype=np.float32)
    grey = np.broadcast_to(at, (128, 128))
    for found in (levels(grey, tiled(bayer(3), 128), count), diffused(grey, count)):
        assert set(np.unique(found)) == set(range(count))
        means = (found / (count - 1)).reshape(128, 4, 32).mean(axis=(0, 2))
        np.testing.assert_allclose(means, at.reshape(4, 32).mean(axis=1), atol=0.03)
