"""Procedural pictures: the same ones for the same numbers, each kind as its row says, patterns that reach the LR."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import PIL
import pytest
from PIL import Image
from repository import ROOT
from senga.arch import SengaError
from senga.training.datasets.procedural import KINDS, draw, kind_names, kind_of, validation_patterns
from senga.training.datasets.procedural.__main__ import main
from senga.training.datasets.procedural.canvas import to_levels
from senga.training.datasets.procedural.kinds import random_numbers
from senga.training.degradation.resize import FILTERS

TESTS = ROOT / "tests"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # has DejaVu, whatever the system has
NAMES = kind_names()
SIZE = 64
PINNED = ("2.4.6", "13.0.0")  # numpy and Pillow that GOLDEN was made with

# Grey means of the 4 x 4 parts of draw(kind, 5, 2, 64), two hexadecimal digits each.
GOLDEN = {
    "screentone": "a8bebdaba3b4b2a48e98978f75787b78",
    "halftone": "a1873f469e7536379d6b3c409b5d5d67",
    "dither": "8b788f8f60608f8f54648f8f83878f8f",
    "patterns": "a8a8a4a8a7a7a3a6a7a3a3a3a8a6a5a3",
    "pixel_art": "5e6666663966765e355e6866765e6666",
    "hair": "5f84ab9a8484908f6281877f60617f9d",
    "hatching": "6657125c181a302e6f212910a6a13102",
    "shading": "9882945a929897739898989596939798",
    "focus": "352d29452d355a393c7c997b387cab79",
    "leaves": "a3afa4caa2a49bc08bad95ac9eaba89e",
    "brush": "35606037476b6d4e51727e604f6c7e46",
}


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float64).mean(axis=2)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    part = len(picture) // 4
    return np.rint(grey(picture).reshape(4, part, 4, part).mean(axis=(1, 3))).astype(int).ravel()


def hashes(names: list[str], fonts: Path = FONTS) -> dict[str, str]:
    return {name: hashlib.sha256(draw(name, 3, 1, SIZE, 2, fonts).tobytes()).hexdigest() for name in names}


def reduced(picture: np.ndarray, scale: int, how: Image.Resampling) -> np.ndarray:
    height, width = (side // scale for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


# --- a pure function ---


def test_another_process_in_another_order_draws_the_same_bytes():
    script = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); import conftest; import hashlib; from pathlib import Path\n"
        "from senga.training.datasets.procedural import draw\n"
        f"for name in {list(reversed(NAMES))!r}:\n"
        f"    draw(name, 8, 8, {SIZE}, 2, Path({str(FONTS)!r}))\n"
        f"    print(name, hashlib.sha256(draw(name, 3, 1, {SIZE}, 2, Path({str(FONTS)!r}))).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == hashes(list(NAMES))


def test_threads_draw_the_same_as_one():
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda k: draw(NAMES[k % len(NAMES)], 4, k, SIZE, 2, FONTS), range(24)))
    for k, picture in enumerate(drawn):
        np.testing.assert_array_equal(picture, draw(NAMES[k % len(NAMES)], 4, k, SIZE, 2, FONTS))


def test_the_global_random_numbers_are_neither_used_nor_moved():
    np.random.seed(1)
    before = hashes(["leaves", "text"])
    state = np.random.get_state(legacy=False)["state"]["key"]
    np.random.seed(2)
    assert hashes(["leaves", "text"]) == before
    np.random.seed(1)
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], state)


@pytest.mark.skipif((np.__version__, PIL.__version__) != PINNED, reason="other versions round otherwise")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "text"])
def test_the_pictures_of_a_seed_do_not_change(name):
    # Means, not bytes: processors differ in the last bit of a sine.
    found = thumbnail(draw(name, 5, 2, SIZE))
    assert np.abs(found - np.frombuffer(bytes.fromhex(GOLDEN[name]), np.uint8)).max() <= 2, bytes(found.tolist()).hex()


@pytest.mark.parametrize("name", NAMES)
def test_seed_index_and_kind_each_give_another_picture(name):
    pictures = [draw(name, seed, index, SIZE, 2, FONTS) for seed, index in ((1, 0), (1, 1), (2, 0), (0, 1))]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_no_training_seed_reaches_the_numbers_of_validation():
    kind = KINDS[0]
    other = random_numbers(0, 0, kind, stream=1).integers(2**63)
    assert other != random_numbers(0, 0, kind).integers(2**63)
    # A stream is a word after the padded entropy: seeds and indices of two words cannot imitate it.
    for seed in (0, 1, 2**32, 2**32 + 1, 2**33):
        for index in (0, 1, 2**32, kind.number + 2**32):
            assert random_numbers(seed, index, kind).integers(2**63) != other


# --- every kind ---


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_contiguous_writable_uint8_and_not_flat(name):
    for index in range(12):
        picture = draw(name, 6, index, 96, 2, FONTS)
        assert picture.shape == (96, 96, 3)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous
        assert picture.flags.writeable
        assert picture.std(axis=(0, 1)).max() > 3, index


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "scale"), [(32, 8), (33, 2), (75, 4), (65, 3), (48, 1)])
def test_any_size_and_scale(name, size, scale):
    assert draw(name, 1, 4, size, scale, FONTS).shape == (size, size, 3)


def test_the_table_adds_up_and_names_filters_that_recipes_know():
    assert sum(kind.share for kind in KINDS) == pytest.approx(1)
    assert len({kind.number for kind in KINDS}) == len(set(NAMES)) == len(KINDS)
    for kind in KINDS:
        assert kind.filters
        assert set(kind.filters) <= set(FILTERS)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("etching", 1, 1, 64), "etching"),
        (("hair", 1, 1, 31), "31"),
        (("hair", -1, 1, 64), "-1"),
        (("hair", 1, -2, 64), "-2"),
        (("hair", 1, 1, 64, 9), "9"),
    ],
)
def test_bad_arguments_are_named(arguments, word):
    with pytest.raises(SengaError, match=word):
        draw(*arguments)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["patterns", "dither", "pixel_art"])
def test_pixel_kinds_consist_of_whole_lr_pixels(name, scale):
    whole = 0
    for index in range(12):
        picture = draw(name, 2, index, 96, scale, FONTS)
        cells = reduced(picture, scale, Image.Resampling.NEAREST)
        same = (cells.repeat(scale, axis=0).repeat(scale, axis=1) == picture).all(axis=2)
        whole += same.mean() > (0.9 if name == "patterns" else 0.999)
    # Patterns have borders and, some of them, lines at any angle that are not.
    assert whole >= (8 if name == "patterns" else 12)


def test_slow_gradients_have_no_steps():
    """Of a slow gradient each row has two levels mixed by chance where plain rounding has runs of one."""
    slow = np.broadcast_to(np.linspace(0.5, 0.52, 256, dtype=np.float32), (256, 256))
    levels = to_levels(slow.copy(), np.random.default_rng(1))[..., 0]
    assert np.abs(levels.mean(axis=0) - slow[0] * 255).max() < 0.15
    flat = to_levels(np.full((8, 8), 51 / 255, np.float32), np.random.default_rng(1))
    assert (flat == 51).all()


# --- validation ---


@pytest.fixture(scope="module")
def fixed() -> dict[str, np.ndarray]:
    return dict(validation_patterns(2, FONTS))


def test_the_fixed_list_is_always_the_same(fixed):
    again = validation_patterns(2, FONTS)
    assert [name for name, _ in again] == list(fixed)
    assert {name.split("/")[0] for name in fixed} == {"patterns", "lines"}
    for name, picture in again:
        assert picture.shape == (192, 192, 3)
        np.testing.assert_array_equal(picture, fixed[name])


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("way", ["level", "upright"])
def test_stripes_have_the_period_that_their_name_says(width, way, scale):
    picture = grey(dict(validation_patterns(scale, FONTS))[f"patterns/stripes_{width}_{way}"])
    line = picture.mean(axis=1 if way == "level" else 0)
    assert line.std() == pytest.approx(127.5)
    assert picture.mean(axis=0 if way == "level" else 1).std() == pytest.approx(0)
    spectrum = np.abs(np.fft.rfft(line - line.mean()))
    assert 192 / spectrum.argmax() == 2 * width * scale


@pytest.mark.parametrize("name", ["stripes_1_level", "stripes_1_upright_navy_yellow", "checkerboard_1", "dither_2"])
def test_patterns_reach_the_lr_picture(fixed, name):
    picture = fixed[f"patterns/{name}"]
    exact = picture[::2, ::2]
    for how in (Image.Resampling.BOX, Image.Resampling.NEAREST):
        np.testing.assert_array_equal(reduced(picture, 2, how), exact)
    by_bicubic = reduced(picture, 2, Image.Resampling.BICUBIC)
    kept = grey(by_bicubic).std() / grey(exact).std()
    assert 0.4 < kept < 0.75  # 0.69 along one axis, its square along both


def test_lines_are_black_on_white_with_grey_edges_alone(fixed):
    for name, picture in fixed.items():
        if name.startswith("lines/"):
            assert (picture == picture[..., :1]).all()
            assert ((picture < 8) | (picture > 247)).mean() > 0.6, name
            assert 40 < picture.mean() < 245, name


# --- the sheet ---


def test_the_command_writes_a_sheet(tmp_path):
    out = tmp_path / "sheet.png"
    assert main(["--out", str(out), "--seed", "1", "--each", "2", "--size", "64", "--fonts", str(FONTS)]) == 0
    with Image.open(out) as sheet:
        assert sheet.size == (2 * 68, len(NAMES) * 68)


def test_the_command_names_what_is_wrong(tmp_path, caplog):
    assert main(["--out", str(tmp_path / "sheet.png"), "--kinds", "etching"]) == 2
    assert "etching" in caplog.text
    assert kind_of("hair").name not in str(list(tmp_path.iterdir()))
