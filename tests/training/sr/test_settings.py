"""Settings are strict: an unknown name, a wrong type or an impossible value is named."""

import re

import pytest
from repository import ROOT
from senga.arch import SengaError
from senga.training.run.settings import read_settings
from senga.training.sr.settings import Settings
from senga.training.tagger.settings import TaggerSettings

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_shipped_configs_are_valid(path):
    tags = "[preprocessing]" in path.read_text(encoding="utf-8")
    settings = read_settings(TaggerSettings if tags else Settings, path)
    assert settings.name == f"senga_{path.stem}"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.stepps=3", "'stepps' is unknown; did you mean 'steps'"),
        ("colour=red", "'colour' is unknown; it has name"),
        ("steps=3", "'steps' is unknown; did you mean 'optim.steps'?"),
        ("folder=art", "'folder' is unknown; did you mean 'data.folder' or 'val.folder' or 'run.folder'?"),
        ("optim.steps=many", "steps is 'many'; expected int"),
        ("data.shrink=[1, 'a']", "shrink is 'a'; expected float"),
        ("data.degradation=3", "data.degradation is 3; expected a preset, a recipe's .json, or a table"),
        ("optim=3", "optim is 3; expected a table"),
        ("optim.steps", "expected SECTION.KEY=VALUE"),
        ("optim.steps=0", "optim.steps is 0; expected 1 or more"),
        ("data.degradation={bicubic=0}", "data.degradation is {'bicubic': 0}; expected a preset"),
        ("data.degradation={bicubic=-1.0}", "data.degradation is {'bicubic': -1.0}; expected a preset"),
        ("data.hard_crops=2.0", "data.hard_crops is 2.0; expected 0 to 1"),
        ("data.recolour=-0.1", "data.recolour is -0.1; expected 0 to 1"),
        ("data.hard_crops_among=1", "data.hard_crops_among is 1; expected 2 or more"),
        ("data.val_share=1.0", "data.val_share is 1.0; expected 0 or more, below 1"),
        ("data.workers=-1", "data.workers is -1; expected 0 or more"),
        ("data.shrink=[1.0]", "data.shrink is [1.0]; expected two factors"),
        ("run.validate_every=0", "run.validate_every is 0"),
        ("name='../x'", "name is '../x'; expected one plain file name"),
        ("name=''", "name is ''; expected one plain file name"),
        ("seed=-1", "seed is -1; expected 0 or more"),
    ],
)
def test_unknown_and_mistyped_settings_are_named(override, words, config):
    with pytest.raises(SengaError, match=re.escape(words)):
        read_settings(Settings, config, [override])


def test_a_missing_setting_and_broken_toml_are_named(tmp_path):
    path = tmp_path / "bad.toml"
    with pytest.raises(SengaError, match=r"bad\.toml: cannot be read \(No such file.*name a settings file"):
        read_settings(Settings, path)
    path.write_text('name = "x"\n[model]\narchitecture = "rrdb"\n')
    with pytest.raises(SengaError, match=r"bad\.toml: setting 'optim' is missing"):
        read_settings(Settings, path)
    path.write_text("name = ")
    with pytest.raises(SengaError, match=r"bad\.toml: is not TOML"):
        read_settings(Settings, path)


def test_a_setting_under_its_old_and_its_new_name_is_an_error(config):
    file = config.read_text(encoding="utf-8")
    config.write_text(file.replace("[data]", "[data]\nmine = 0.5\nhard_crops = 0.5"), encoding="utf-8")
    with pytest.raises(SengaError, match=r"tiny\.toml: has both data\.mine and data\.hard_crops"):
        read_settings(Settings, config)
