"""docs/training.md: its settings exist, its example is a valid config, and its commands are commands."""

import dataclasses
import importlib.util
import re

import pytest
from repository import ROOT
from senga.training.sr.losses import NAMES
from senga.training.sr.settings import Settings, read_settings

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SECTIONS = {field.name: field.default for field in dataclasses.fields(Settings)}


def test_the_example_config_is_valid(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    assert read_settings(Settings, path).name == "mine"


def test_every_setting_that_it_names_exists():
    named = re.findall(r"`(model|data|optim|loss|gan|run)\.(\w+)`", PAGE)
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


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", PAGE))))
def test_every_module_that_it_runs_is_there(module):
    assert importlib.util.find_spec(module) is not None
