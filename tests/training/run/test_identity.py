"""Which runs go on: settings that came after a run was begun do not make it another one."""

import json

import pytest
import torch
from sample_runs import checkpoint
from senga.arch import SengaError
from senga.training.run.identity import FREE, FREE_SECTIONS, differences, run_identity
from senga.training.run.settings import RENAMED, defaults_of, read_settings, to_dict
from senga.training.sr import train as sr
from senga.training.sr.settings import DataSettings, GanSettings, LossSettings, Settings, SROptimSettings
from senga.training.tagger.settings import AugmentSettings, PreprocessingSettings, TaggerOptimSettings, TaggerSettings

OLD_NAMES = {new: old for old, new in RENAMED.items()}


def names(kind: type) -> list[str]:
    """Every setting with a default that a run may not change: "optim.ema", "seed"."""
    table = {name: value if isinstance(value, dict) else None for name, value in defaults_of(kind).items()}
    found = [f"{name}.{inner}" if inner else name for name, section in table.items() for inner in section or [""]]
    return [name for name in found if name not in FREE and not name.startswith(FREE_SECTIONS)]


def recorded(kind: type, without: str = "") -> dict:
    """The identity of a run with the defaults, as one was that was begun before the setting `without` was there."""
    old = OLD_NAMES.get(without, without)
    kept = json.loads(run_identity(defaults_of(kind), pictures="hash"))
    return {name: value for name, value in kept.items() if not without or not f"{name}.".startswith(f"{old}.")}


def test_the_defaults_are_those_of_the_sections_themselves():
    found = defaults_of(Settings)
    for name, section in {"data": DataSettings(), "loss": LossSettings(), "gan": GanSettings()}.items():
        assert found[name] == to_dict(section)
    assert found["optim"] | {"steps": 7} == to_dict(SROptimSettings(steps=7))
    assert found["seed"] == 1
    assert "name" not in found
    found = defaults_of(TaggerSettings)
    for name, section in {"preprocessing": PreprocessingSettings(), "augment": AugmentSettings()}.items():
        assert found[name] == to_dict(section)
    assert found["optim"] | {"steps": 7} == to_dict(TaggerOptimSettings(steps=7))


@pytest.mark.parametrize("kind", [Settings, TaggerSettings])
def test_a_setting_that_an_older_run_does_not_know_counts_as_its_default(kind):
    whole, walked = recorded(kind), names(kind)
    assert {"data.grain", "optim.accumulate", "loss.weights"} <= set(walked) or kind is TaggerSettings
    assert len(walked) > 25
    for name in walked:
        older = recorded(kind, name)
        assert len(older) < len(whole), name
        for a, b in ((older, whole), (whole, older)):  # a version with fewer settings may have written either
            assert differences(json.dumps(a), json.dumps(b), defaults_of(kind)) == "", name
        changed = older | {OLD_NAMES.get(name, name): "changed"}
        assert name in differences(json.dumps(older), json.dumps(changed), defaults_of(kind)), name


def test_a_table_has_one_default_and_its_keys_have_none():
    """A run with other losses alone did not have L1, though that is the default."""
    old, new = ({"loss": {"weights": weights}} for weights in ({"fft": 1.0}, {"fft": 1.0, "l1": 1.0}))
    found = differences(run_identity(old), run_identity(new), defaults_of(Settings))
    assert found == "loss.weights.l1 was null, is 1.0"


@pytest.mark.usefixtures("quick_scores")
def test_a_run_begun_before_a_setting_was_there_goes_on_unless_it_is_set(config, tmp_path, caplog):
    changes = ["optim.steps=3"]
    sr.train(read_settings(Settings, config, changes), "test")
    folder = tmp_path / "runs" / "tiny"
    for path in (folder / "checkpoint-0000003.pt", folder / "best.pt"):
        state = torch.load(path, weights_only=True)
        state["identity"] = json.dumps({k: v for k, v in json.loads(state["identity"]).items() if k != "data.grain"})
        torch.save(state, path)
    with pytest.raises(SengaError, match=r"belongs to another run \(data\.grain was 0\.0, is 0\.5\)"):
        sr.train(read_settings(Settings, config, ["data.grain=0.5"]), "test")
    caplog.set_level("INFO")
    sr.train(read_settings(Settings, config, []), "test")
    assert "going on from step 3" in caplog.text
    assert checkpoint(folder, 6)["step"] == 6
