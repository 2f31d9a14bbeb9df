"""Text: fonts by their names with their licences, what happens where there is none, words of each script."""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from senga.arch import SengaError
from senga.training.datasets.procedural import draw, list_fonts, validation_patterns
from senga.training.datasets.procedural.canvas import Canvas
from senga.training.datasets.procedural.fonts import PACKAGES, find_font, load_font
from senga.training.datasets.procedural.lettering import FORMS, WEIGHTS
from senga.training.datasets.procedural.words import SCRIPTS, line_of

DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(DEJAVU / "DejaVuSans.ttf", tmp_path / "deep" / "er")
    shutil.copy(DEJAVU / "DejaVuSans.ttf", tmp_path / "Somebody's.ttf")
    return tmp_path


def test_fonts_of_the_table_alone_are_listed_with_their_licence(folder):
    (font,) = list_fonts(folder)
    assert font.path == folder / "deep" / "er" / "DejaVuSans.ttf"
    assert (font.package, font.licence) == ("fonts-dejavu-core", "Bitstream-Vera")


def test_without_fonts_the_way_out_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SengaError, match=r"apt-get install fonts-dejavu-core") as caught:
            draw("text", 1, 1, 64, 2, folder)
        assert str(folder) in str(caught.value)
        with pytest.raises(SengaError, match="apt-get install"):
            validation_patterns(2, folder)


def test_other_kinds_need_no_fonts(tmp_path):
    assert draw("hair", 1, 1, 64, 2, tmp_path).shape == (64, 64, 3)


def test_a_font_that_is_missing_is_named_with_its_package(folder):
    with pytest.raises(SengaError, match=r"ipag\.ttf.*apt-get install fonts-ipafont-gothic"):
        find_font("ipag.ttf", folder)


def test_the_same_files_elsewhere_give_the_same_text(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copy(DEJAVU / "DejaVuSans.ttf", other)
    for index in range(6):
        np.testing.assert_array_equal(draw("text", 2, index, 96, 2, folder), draw("text", 2, index, 96, 2, other))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_draws_letters(form):
    for index in range(3):
        picture = FORMS[form](Canvas(np.random.default_rng(index), 96, 2, DEJAVU))
        assert picture.shape == (96, 96, 3)
        assert picture.std(axis=(0, 1)).max() > 10


def test_the_table_of_packages_is_whole():
    names = [name for package in PACKAGES for name in package.files]
    assert len(names) == len(set(names))
    for package in PACKAGES:
        assert package.name.startswith("fonts-")
        assert package.licence
        assert set(package.scripts) <= set(SCRIPTS)
    assert set(WEIGHTS) == set(SCRIPTS)


@pytest.mark.parametrize(
    ("script", "ranges"),
    [
        ("latin", [(0x21, 0x7E)]),
        ("greek", [(0x21, 0x7E), (0x370, 0x3FF)]),
        ("cyrillic", [(0x21, 0x7E), (0x400, 0x4FF)]),
        ("japanese", [(0x21, 0x7E), (0x3000, 0x30FF), (0x4E00, 0x9FFF)]),
        ("korean", [(0x21, 0x7E), (0xAC00, 0xD7A3)]),
        ("chinese", [(0x21, 0x7E), (0x3000, 0x303F), (0x4E00, 0x9FFF)]),
    ],
)
def test_words_are_of_their_script(script, ranges):
    rng = np.random.default_rng(1)
    lines = [line_of(rng, script, 30) for _ in range(40)]
    for character in set("".join(lines)) - {" "}:
        assert any(low <= ord(character) <= high for low, high in ranges), character
    assert len(set(lines)) == 40
    assert all(20 <= len(line) <= 30 for line in lines)


def test_dejavu_has_every_letter_of_its_scripts():
    font = load_font(DEJAVU / "DejaVuSans.ttf", 24)
    missing = bytes(font.getmask("\U0010fffe"))
    (package,) = (package for package in PACKAGES if package.name == "fonts-dejavu-core")
    rng = np.random.default_rng(2)
    for script in package.scripts:
        for character in set(line_of(rng, script, 400)) - {" "}:
            assert bytes(font.getmask(character)) != missing, (script, character)
