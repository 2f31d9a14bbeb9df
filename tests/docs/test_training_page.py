"""docs/training.md: its settings exist, its example is a valid config, and its commands are commands."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest
from repository import ROOT
from senga.headless.commands.data import TOOLS
from senga.training.run.settings import read_settings
from senga.training.sr.losses import NAMES
from senga.training.sr.settings import Settings

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SECTIONS = {field.name: field.default for field in dataclasses.fields(Settings)}


def test_the_example_config_is_valid_and_so_is_each_section_that_may_take_the_place_of_one(tmp_path):
    whole, *sections = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(whole, encoding="utf-8")
    assert read_settings(Settings, path).name == "mine"
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


def test_every_setting_that_it_names_exists():
    named = re.findall(r"`(model|data|optim|loss|gan|run|val)\.(\w+)`", PAGE)
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


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^senga data ([\w-]+)", PAGE, re.MULTILINE))))
def test_every_data_command_that_it_runs_is_there(command):
    assert command in TOOLS


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", PAGE))))
def test_every_module_that_it_runs_is_there(module):
    assert importlib.util.find_spec(module) is not None
