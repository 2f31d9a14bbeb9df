"""docs/training.md and training_own_data.md: their settings exist, their examples are valid configs, and their commands
are commands."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT
from senga.headless.commands.data import TOOLS
from senga.training.degradation import Recipe, degrade, preset_names
from senga.training.run.settings import read_settings
from senga.training.sr.losses.table import NAMES
from senga.training.sr.settings import Settings

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
OWN_DATA = (ROOT / "docs" / "training_own_data.md").read_text(encoding="utf-8")
PAGES = pytest.mark.parametrize("page", [PAGE, OWN_DATA], ids=["training", "own_data"])
SECTIONS = {field.name: field.default for field in dataclasses.fields(Settings)}


@PAGES
def test_the_example_config_is_valid_and_so_is_each_section_that_may_take_the_place_of_one(page, tmp_path):
    whole, *sections = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(whole, encoding="utf-8")
    assert read_settings(Settings, path).name in ("mine", "my_dvd_x2")
    assert sections
    for section in sections:
        name = re.match(r"\[(\w+)\]", section)
        assert name, section
        others = re.sub(rf"(?ms)^\[{name[1]}\]\n.*?(?=^\[|\Z)", "", whole)
        path.write_text(others + section, encoding="utf-8")
        assert read_settings(Settings, path) != read_settings(Settings, _written(tmp_path / "whole.toml", whole))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_its_recipes_run_and_its_presets_are_there():
    recipes = [Recipe.from_json(text) for text in re.findall(r"```json\n(.*?)```", OWN_DATA, re.DOTALL)]
    assert [(recipe.name, recipe.shared) for recipe in recipes] == [("manga_page", 1)]
    for recipe in recipes:
        small, _ = degrade(np.full((64, 48, 3), 200, np.uint8), recipe.with_scale(2), seed=1)
        assert small.shape == (32, 24, 3)
    named = set(re.findall(r"(\w+) = 0\.\d", next(re.finditer(r"^degradation = .*", OWN_DATA, re.MULTILINE))[0]))
    named |= set(re.findall(r"--preset (\w+)", OWN_DATA))
    assert named == {"dvd_anime", "senga_clean"}
    assert named <= set(preset_names())


def test_every_setting_that_it_names_exists():
    named = re.findall(r"`(model|data|optim|loss|gan|run|val)\.(\w+)(?: =[^`]*)?`", PAGE + OWN_DATA)
    assert len(named) > 12
    hints = {field.name: field.type for field in dataclasses.fields(Settings)}
    for section, name in named:
        kind = hints[section]
        assert isinstance(kind, type)
        assert name in {field.name for field in dataclasses.fields(kind)}, f"{section}.{name}"


def test_every_loss_is_in_its_table():
    table = PAGE.partition("| loss | |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(NAMES)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^senga data ([\w-]+)", PAGE + OWN_DATA, re.MULTILINE))))
def test_every_data_command_that_it_runs_is_there(command):
    assert command in TOOLS


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", PAGE))))
def test_every_module_that_it_runs_is_there(module):
    assert importlib.util.find_spec(module) is not None
