"""docs/tagging.md says what the code does: options and defaults, settings, and its Python example."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from docs_examples import folder_of_the_page
from repository import ROOT
from senga.arch.foreign_taggers import HYPERPARAMETERS, PREPROCESSING, SETTINGS, TAGS, settings_beside
from senga.arch.tags import MODES, SORTS, Options
from senga.nodes.tag_image import SengaTagImage

PAGE = ROOT / "docs" / "tagging.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """The first table below a heading or sentence: first cell without quotes -> second cell."""
    below = TEXT[TEXT.index(heading) :]
    table = re.search(r"\n\|.*\n\|-.*\n((?:\|.*\n)+)", below)
    assert table is not None
    cells = [line.split(" | ", 2) for line in table[1].splitlines()]
    return {first.removeprefix("| "): second for first, second, *_ in cells}


def test_every_option_is_there_with_its_default() -> None:
    found: dict[str, str] = {}
    for names, default in rows("## The options").items():
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), default)
    inputs = {name for group in SengaTagImage.INPUT_TYPES().values() for name in group}
    assert found.keys() == inputs - {"tagger", "image"}
    for field in dataclasses.fields(Options):
        shown = ("on" if field.default else "off") if isinstance(field.default, bool) else str(field.default)
        assert found[field.name].replace("`", "").strip() == shown.strip(), field.name
    for name in (*MODES, *SORTS):
        assert f"`{name}`" in TEXT


def test_every_setting_and_file_name_is_there() -> None:
    settings = rows("The settings are those")
    assert set(re.findall(r"`(\w+)`", " ".join(settings))) == {*HYPERPARAMETERS, *PREPROCESSING}
    for name in (*TAGS, *SETTINGS):
        assert f"`{name.format(stem='NAME')}`" in TEXT


def test_the_example_of_settings_is_understood(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "config.json").write_text(example, encoding="utf-8")
    hyperparameters, preprocessing = settings_beside(tmp_path / "net.pth")
    assert hyperparameters == {"eps": 1e-3, "padding": "same"}
    assert (preprocessing.size, preprocessing.order, preprocessing.mean) == (448, "bgr", (0.5, 0.5, 0.5))
    assert json.loads(example).keys() <= {"architecture", *PREPROCESSING}


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of_the_page(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "hatsune miku, solo, ^_^, cat \\(animal\\)\n"


def test_the_pages_it_points_to_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert links
    assert all((PAGE.parent / link).exists() for link in links)
    assert "## Tag pictures" in (PAGE.parent / "headless.md").read_text(encoding="utf-8")
