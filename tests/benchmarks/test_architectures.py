"""Networks trained for equal times: one recipe, steps that fit, rows that stay, sizes as documented."""

import json
from pathlib import Path

import pytest
import torch
from sample_picture_sets import make_set
from senga.arch import SengaError, UpscaleModel, registry
from senga.benchmarks import architectures, candidates, docs_tables, step_cost  # pyright: ignore[reportMissingImports]
from senga.benchmarks.architectures import NETWORKS, settings_of, size_of  # pyright: ignore[reportMissingImports]
from senga.training.run.settings import ModelSettings, to_dict
from senga.training.sr.settings import DataSettings, Settings, SROptimSettings


@pytest.fixture(autouse=True)
def registered():
    candidates.register()
    yield
    for name in candidates.BUILT:
        registry.BY_ID.pop(name, None)


RECIPE = """
name = "recipe"
[model]
architecture = "compact"
hyperparameters = {{ scale = 2 }}
start_from = "runs/another.safetensors"
[data]
folder = {folder}
patch = 12
batch = 2
degradation = "senga_clean"
[optim]
steps = 7
decay = 0.5
[run]
conditions = ["clean", "q75"]
validation_crops = 2
"""
NETWORK = """
name = "{name}"
[model]
architecture = "compact"
hyperparameters = {{ scale = 2, features = {features}, layers = 1 }}
[optim]
steps = 5
learning_rate = 0.5
"""


@pytest.fixture
def small(tmp_path, monkeypatch) -> Path:
    """The folder for the runs of two small networks, a step of which costs 1 and 3 seconds."""
    data = tmp_path / "data"
    data.mkdir()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(folder=json.dumps(str(make_set(data)))), encoding="utf-8")
    for name, features in (("thin", 4), ("wide", 8)):
        (tmp_path / f"{name}.toml").write_text(NETWORK.format(name=name, features=features), encoding="utf-8")
    monkeypatch.setattr(architectures, "CONFIGS", tmp_path)
    monkeypatch.setattr(architectures, "RECIPE", recipe)
    monkeypatch.setattr(architectures, "NETWORKS", {"compact": "thin.toml", "wide": "wide.toml"})
    cost = {4: 1.0, 8: 3.0}
    monkeypatch.setattr(
        architectures, "seconds_each", lambda many: [cost[one.model.hyperparameters["features"]] for one in many]
    )
    monkeypatch.setattr("senga.training.sr.validation.scores.ssimulacra2", lambda image, reference: [50.0] * len(image))
    return tmp_path / "runs"


def run(out: Path, *words: str) -> int:
    return architectures.main(["--minutes", "0.1", "--out", str(out), *words])


def row(out: Path, name: str) -> dict:
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


def test_all_networks_have_one_recipe():
    first, *others = [to_dict(settings_of(name, ["data.procedural=0.2"], Path("out"), 200)) for name in NETWORKS]
    for other in others:
        assert {key for key in first if other[key] != first[key]} == {"name", "model"}
    assert first["data"]["procedural"] == 0.2
    assert first["optim"]["warmup"] == 10  # of 200: a share, as the decay is
    assert not first["model"]["start_from"]


def test_steps_are_those_that_fit_into_the_time(small, capsys):
    assert run(small) == 0
    assert [row(small, name)["steps"] for name in ("compact", "wide")] == [6, 2]
    text = capsys.readouterr().out
    assert text.startswith("0.1 minutes of one core each")
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["compact", "wide"]
    assert f"{row(small, 'wide')['scores']['psnr_y']:.2f}" in text
    assert (small / "wide" / "wide.safetensors").is_file()


def test_what_is_finished_is_not_trained_again(small, monkeypatch):
    assert run(small, "--only", "wide") == 0
    assert not (small / "compact.json").exists()
    trained = []

    def watched(settings, command, train=architectures.train):
        trained.append(settings.name)
        return train(settings, command)

    monkeypatch.setattr(architectures, "train", watched)
    kept = row(small, "wide")
    assert run(small) == 0
    assert trained == ["compact"]
    assert row(small, "wide") == kept


def test_a_stopped_training_goes_on_with_its_steps(small, monkeypatch):
    def stopped(*_):
        raise SengaError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(architectures, "train", stopped)
        assert run(small, "--only", "compact") == 2
    assert "scores" not in row(small, "compact")
    monkeypatch.setattr(architectures, "seconds_each", lambda many: [0.1] * len(many))  # the machine is faster now
    assert run(small, "--only", "compact") == 0
    assert row(small, "compact")["steps"] == 6
    assert row(small, "compact")["scores"]["psnr_y"] > 0


def test_runs_of_another_time_are_not_mixed(small, caplog):
    assert run(small, "--only", "compact") == 0
    assert architectures.main(["--minutes", "0.2", "--out", str(small), "--only", "compact"]) == 2
    assert "was begun with --minutes 0.1; use the same, or name another folder" in caplog.text


def test_the_table_takes_its_place_in_the_page(small, tmp_path, monkeypatch):
    begin, end = docs_tables.markers(architectures.PROGRAM)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin}-->\nold\n{end}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(architectures, "TRAINING", page)
    assert run(small, "--set", "data.recolour=0.1", "--write-docs") == 0
    text = page.read_text(encoding="utf-8")
    assert f"{begin}--minutes 0.1 --out {small.as_posix()} --set data.recolour=0.1 -->" in text
    assert "| compact | " in text
    assert "old" not in text


@pytest.mark.parametrize(
    ("name", "parameters", "operations"),
    [("compact", 600652, 0.30), ("drrn", 91404, 0.21), ("rrdb_2b", None, 0.66), ("rrdb_6b", None, 0.71)],
)
def test_sizes_are_those_of_the_docs(name, parameters, operations):
    found = size_of(settings_of(name, [], Path("out"), 1).model)
    assert parameters in (None, found[0])
    assert found[1] / 1e6 == pytest.approx(operations, abs=0.006)


@pytest.mark.parametrize(("name", "parameters", "operations"), [("span", 410_700, 0.205), ("plksr", 1_168_796, 0.584)])
def test_candidates_have_the_layers_of_their_papers(name, parameters, operations):
    """SPAN's published size is 0.41 M; PLKSR's here has five blocks."""
    found = size_of(settings_of(name, [], Path("out"), 1).model)
    assert found[0] == parameters
    assert found[1] / 1e6 == pytest.approx(operations, abs=0.002)


@pytest.mark.parametrize(
    ("name", "small"), [("span", {"features": 2}), ("plksr", {"features": 3, "part": 2, "blocks": 2})]
)
def test_a_candidates_radius_is_how_far_a_nan_spreads(name, small):
    model = UpscaleModel.create(name, scale=2, **small)
    radius = model.receptive_radius
    strip = torch.rand(1, 3, 1, 2 * radius + 21)
    strip[..., radius + 10] = float("nan")
    reached = model.model(strip).isnan().any(dim=2).any(dim=1)[0].nonzero().flatten() // 2
    assert (int(reached.min()), int(reached.max())) == (10, 2 * radius + 10)


@pytest.mark.parametrize("name", ["span", "plksr"])
def test_a_candidate_begins_as_enlargement_and_learns(name):
    torch.manual_seed(1)
    model = UpscaleModel.create(name, scale=2, features=16, blocks=2)
    x = torch.rand(2, 3, 16, 16)
    target = x.repeat_interleave(2, 2).repeat_interleave(2, 3).roll(1, 3)
    net = model.model.requires_grad_(True).train()
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    losses = []
    for _ in range(30):
        loss = (net(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    start = (x.repeat_interleave(2, 2).repeat_interleave(2, 3) - target).square().mean()
    assert losses[0] == pytest.approx(float(start), rel=0.05)
    assert losses[-1] < 0.8 * losses[0]


def test_a_larger_network_costs_more_a_step(tmp_path):
    folder = make_set(tmp_path)

    def settings(**hyperparameters: int) -> Settings:
        return Settings(
            name="cost",
            model=ModelSettings("compact", {"scale": 2, **hyperparameters}),
            optim=SROptimSettings(steps=100),
            data=DataSettings(folder=str(folder), patch=16, batch=2),
        )

    small, large = step_cost.seconds_each([settings(features=4, layers=1), settings(features=64, layers=12)])
    assert 0 < small < large
