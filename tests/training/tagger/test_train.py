"""The tagger's trainer: whole runs, exact resume, a file that says who it is, settings that are wrong."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from repository import ROOT
from sample_tag_sets import danbooru, table
from senga.arch import SengaError, load_tagger, read_header
from senga.arch.preprocessing import Preprocessing, preprocess
from senga.headless.cli import main
from senga.training.run.settings import read_settings
from senga.training.tagger import train as tagger
from senga.training.tagger.batches import TagPictures
from senga.training.tagger.index import build_index
from senga.training.tagger.losses import LOSSES
from senga.training.tagger.metrics import average_precisions
from senga.training.tagger.model import predict, with_outputs_of
from senga.training.tagger.settings import TaggerSettings

CONFIGS = ROOT / "training" / "configs"

TINY = """
name = "tiny"
seed = 5
[model]
architecture = "mobilenetv3_small"
hyperparameters = {{ width = 0.35 }}
[data]
source = "table"
folder = "{folder}"
batch = 4
store = 40
cache_gib = 0.1
[preprocessing]
size = 32
[augment]
rotate = 5.0
cutout = 0.5
mixup = 0.2
[optim]
steps = 6
warmup = 2
[run]
folder = "{runs}"
precision = "fp32"
validate_every = 3
save_every = 3
min_positives = 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return table(tmp_path_factory.mktemp("tagged") / "set", 60)


def config(tmp_path: Path, made: Path, *overrides: str) -> TaggerSettings:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.format(folder=made.as_posix(), runs=(tmp_path / "runs").as_posix()), encoding="utf-8")
    return read_settings(TaggerSettings, path, list(overrides))


def test_a_run_gives_weights_that_say_who_they_are_and_a_report(tmp_path, made, caplog):
    config(tmp_path, made)
    path = tmp_path / "tiny.toml"
    assert main(["train", "tagger", str(path), "--set", "optim.loss=asl"]) == 0
    folder = tmp_path / "runs" / "tiny"
    header = read_header(folder / "tiny.safetensors")
    assert header.architecture == "mobilenetv3_small"
    assert header.provenance.command == f"senga train tagger {path.as_posix()} --set optim.loss=asl"
    assert header.provenance.licences == ("CC0-1.0",)
    assert (header.provenance.seed, header.provenance.steps) == (5, 6)
    assert {"map_val", "map_test", "map_unseen", "macro_f1_test", "micro_f1_one_threshold_unseen"} <= set(
        header.provenance.metrics
    )
    vocabulary = header.vocabulary
    assert vocabulary is not None
    assert vocabulary.untrained == ("rating",)
    assert len(vocabulary.thresholds) == len(vocabulary.counts) == len(vocabulary.names)
    assert header.preprocessing == Preprocessing(32)
    rating = [i for i, kind in enumerate(vocabulary.categories) if kind == "rating"]
    with Image.open(made / "0.png") as image:
        x = torch.from_numpy(np.array(image)).float().div(255)[None].movedim(-1, 1)
    assert load_tagger(folder / "tiny.safetensors")(x)[0, rating].tolist() == [0.5] * 3  # not one step away

    curve = list(csv.DictReader((folder / "curve.csv").open()))
    assert [row["step"] for row in curve] == ["3", "6"]
    tags = list(csv.DictReader((folder / "tags.csv").open()))
    assert [row["tag"] for row in tags] == list(vocabulary.names)
    report = (folder / "report.md").read_text()
    for words in (
        "styles that were never trained on",
        "style far",
        "not trained",
        "| character |",
        "worst.png",
    ):
        assert words in report
    for name in ("curves.png", "worst.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 200
    assert json.loads((folder / "metrics.json").read_text()) == header.provenance.metrics
    behind = {split: int(header.provenance.metrics[f"pictures_{split}"]) for split in ("val", "test", "unseen")}
    notes = "; ".join(f"{count:,} pictures in {split}" for split, count in behind.items())
    assert header.provenance.notes == notes
    assert 0 < header.provenance.metrics["tags_test"] <= len(vocabulary.names)
    assert re.search(rf"step 6: loss \S+, map_val \S+ \({behind['val']} pictures\)", caplog.text)
    assert list((folder / "tensorboard").iterdir())


def test_the_file_scores_what_its_header_says(tmp_path, made):
    path = tagger.train(config(tmp_path, made), "test")
    model = load_tagger(path)
    settings = config(tmp_path, made)
    index = build_index(settings.data, tmp_path / "scratch")
    ours = TagPictures(index, settings.data, settings.augment, model.preprocessing)
    scored = predict(model, ours, index.where("test"), "fp32")
    for row, number in enumerate(scored.numbers):
        with Image.open(made / str(index.files[number])) as image:
            x = torch.from_numpy(np.array(image)).float().div(255)[None].movedim(-1, 1)
        assert model(x)[0].numpy() == pytest.approx(scored.scores[row], abs=1e-5)
        assert preprocess(x, model.preprocessing)[0].numpy() == pytest.approx(ours.whole(int(number)).numpy(), abs=1e-5)
    told = index.counts()[1] > 0
    found = average_precisions(scored)[told]
    assert model.header.provenance.metrics["map_test"] == pytest.approx(np.nanmean(found), abs=1e-3)


def test_a_killed_and_resumed_run_gives_the_same_weights(tmp_path, made, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    tagger.train(config(whole, made), "test")

    real, seen = tagger.learning_rate, []

    def killed_at_four(step, optim):
        seen.append(step)
        if step == 4 and seen.count(4) == 1:
            raise KeyboardInterrupt
        return real(step, optim)

    monkeypatch.setattr(tagger, "learning_rate", killed_at_four)
    with pytest.raises(KeyboardInterrupt):
        tagger.train(config(parts, made), "test")
    assert not (parts / "runs" / "tiny" / "tiny.safetensors").exists()
    tagger.train(config(parts, made), "test")
    assert seen == [0, 1, 2, 3, 4, 3, 4, 5]
    first, second = (f / "runs" / "tiny" / "tiny.safetensors" for f in (whole, parts))
    assert first.read_bytes() == second.read_bytes()
    a, b = (list(csv.reader((f / "runs" / "tiny" / "curve.csv").open())) for f in (whole, parts))
    assert [row[:5] for row in a] == [row[:5] for row in b]


def test_a_run_with_other_settings_is_not_continued(tmp_path, made):
    tagger.train(config(tmp_path, made), "test")
    for change in ("seed=6", "optim.loss=asl", "augment.flip=0.1", "data.general=2"):
        with pytest.raises(SengaError, match=rf"belongs to another run \(.*{change.partition('=')[0]}"):
            tagger.train(config(tmp_path, made, change), "test")


def test_a_loss_that_is_no_number_sends_the_run_back(tmp_path, made, monkeypatch, caplog):
    real, calls = LOSSES["bce"], []

    def broken_once(logits, labels, known):
        calls.append(1)
        return real(logits, labels, known) * (float("nan") if len(calls) == 5 else 1.0)

    monkeypatch.setitem(LOSSES, "bce", broken_once)
    path = tagger.train(config(tmp_path, made), "test")
    assert "not finite at step 5; back to step 3, with half the learning rate" in caplog.text
    assert all(bool(v.isfinite().all()) for v in load_tagger(path).model.state_dict().values())
    monkeypatch.setitem(LOSSES, "bce", lambda *a: real(*a) * float("nan"))
    with pytest.raises(SengaError, match=r"after 3 rollbacks; lower optim\.learning_rate"):
        tagger.train(config(tmp_path, made, "name=second"), "test")


def test_a_finished_run_goes_on_when_it_is_given_more_steps(tmp_path, made, caplog):
    caplog.set_level("INFO", "senga")
    tagger.train(config(tmp_path, made), "test")
    steps = config(tmp_path, made).optim.steps
    path = tagger.train(config(tmp_path, made, f"optim.steps={steps + 2}"), "test")
    assert f"going on from step {steps}" in caplog.text
    assert load_tagger(path).header.provenance.steps == steps + 2


def test_a_run_that_could_score_no_tag_names_what_to_change(tmp_path, made, caplog):
    tagger.train(config(tmp_path, made, "run.min_positives=1000"), "test")
    assert "no tag is on run.min_positives = 1000 held-out pictures; raise data.val" in caplog.text


def test_training_learns_what_it_is_shown(tmp_path, made):
    """Shapes in three colours, from nothing: the colours are told apart on pictures that were held out."""
    overrides = [
        "optim.steps=60",
        "optim.learning_rate=5e-3",
        "optim.ema=0.9",
        "data.batch=16",
        "run.validate_every=30",
    ]
    path = tagger.train(config(tmp_path, made, *overrides, "augment.mixup=0.0", "augment.cutout=0.0"), "test")
    tags = {row["tag"]: row for row in csv.DictReader((path.parent / "tags.csv").open())}
    found = [float(tags[f"{colour}_(colour)"]["unseen_ap"]) for colour in ("red", "green", "blue")]
    assert np.mean(found) > 0.75
    curve = list(csv.DictReader((path.parent / "curve.csv").open()))
    assert float(curve[-1]["loss"]) < float(curve[0]["loss"])
    size = 2 * sum(value.numel() for value in load_tagger(path).model.state_dict().values())
    assert path.stat().st_size < 1.2 * size  # float16, but for biases and statistics


def test_a_run_can_start_from_another_taggers_features(tmp_path, made, caplog):
    caplog.set_level("INFO", "senga")
    weights = tagger.train(config(tmp_path, made), "test")
    again = config(tmp_path, made, "name=second", f"model.start_from={weights.as_posix()}", "data.general=3")
    tagger.train(again, "test")
    tensors = len(load_tagger(weights).model.state_dict())
    assert f"took over {tensors} of {tensors} tensors" in caplog.text  # of the last layer, the outputs of known tags


def test_the_danbooru_configuration_runs_from_metadata_to_weights(tmp_path):
    """WaifuXL's own settings, on a made dump in the dataset's layout; only sizes are made small."""
    folder = danbooru(tmp_path / "danbooru2021", 60)
    sets = [
        f"data.folder={folder.as_posix()}", "data.fraction=1.0", "data.val=0.2", "data.test=0.2", "data.batch=4",
        "data.workers=2", "model.architecture=mobilenetv3_small", "model.hyperparameters={width=0.35}",
        "preprocessing.size=32", "optim.steps=3", "run.validate_every=3", "run.save_every=3", "run.precision=fp32",
        f"run.folder={(tmp_path / 'runs').as_posix()}",
    ]  # fmt: skip
    arguments = [word for item in sets for word in ("--set", item)]
    assert main(["train", "tagger", str(CONFIGS / "danbooru2021.toml"), *arguments]) == 0
    header = read_header(tmp_path / "runs" / "senga_danbooru2021" / "senga_danbooru2021.safetensors")
    assert header.vocabulary is not None
    assert header.vocabulary.untrained == ()
    assert header.vocabulary.names[-3:] == ("safe", "questionable", "explicit")
    assert set(header.vocabulary.categories) == {"general", "character", "rating"}
    assert sum(header.vocabulary.counts[-3:]) > 30


@pytest.mark.parametrize("name", ["tagger_large", "danbooru2021"])
def test_the_shipped_configs_are_valid(name):
    settings = read_settings(TaggerSettings, CONFIGS / f"{name}.toml")
    assert settings.name == f"senga_{name}"


def test_the_danbooru_configuration_is_waifuxls():
    data = read_settings(TaggerSettings, CONFIGS / "danbooru2021.toml").data
    assert data.general + data.characters + data.ratings == 4003
    assert data.fraction * 4.9e6 == pytest.approx(1.2e6, rel=0.01)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.source=folder", "data.source is 'folder'; expected danbooru, captions, table"),
        ("data.layout=256px", "data.layout is '256px'"),
        ("data.ratings=5", "data.ratings is 5; expected 0, 3 or 4"),
        ("data.fraction=0.0", "data.fraction is 0.0"),
        ("data.val=0.0", "data.val and data.test"),
        ("augment.crop=[1.0, 0.5]", "augment.crop is"),
        ("augment.filters={nearest=1.0}", "augment.filters is"),
        ("augment.cutout=2.0", "augment.cutout is 2.0"),
        ("optim.loss=focal", "optim.loss is 'focal'"),
        ("optim.exact_bf16=0.1", "optim.exact_bf16 is 0.1"),
        ("preprocessing.size=8", "preprocessing.size is 8"),
        ("preprocessing.mean=[0.5]", "preprocessing.mean is"),
        ("run.validate_every=0", "run.validate_every is 0"),
        ("name=a/b", "name is 'a/b'"),
        ("data.fractoin=0.5", "did you mean 'fraction'"),
    ],
)
def test_unknown_and_impossible_settings_are_named(override, words, tmp_path, made):
    with pytest.raises(SengaError) as error:
        config(tmp_path, made, override)
    assert words in str(error.value)


def test_outputs_go_on_by_the_names_of_their_tags(tmp_path, made):
    weights = tagger.train(config(tmp_path, made), "test")
    theirs = load_tagger(weights)
    ours = ("brand_new", *theirs.vocabulary.names[::-1][:4])
    (_, weight), (_, bias) = [*theirs.model.state_dict().items()][-2:]
    last = torch.nn.Linear(weight.shape[1], len(ours))
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), last)
    before = last.weight.detach().clone()
    state = {"1.weight": weight, "1.bias": bias}
    found = with_outputs_of(state, theirs.vocabulary.names, net, ours)
    assert torch.equal(found["1.weight"][0], before[0])
    assert torch.equal(found["1.weight"][1:], state["1.weight"].flip(0)[:4])
    assert torch.equal(found["1.bias"][1:], state["1.bias"].flip(0)[:4])
    assert with_outputs_of(state, theirs.vocabulary.names[:-1], net, ours) == state


def test_groups_of_the_settings_are_in_the_weights(tmp_path, made):
    groups = ["circle square bar", "red_(colour) nobody_knows_it"]
    path = tagger.train(config(tmp_path, made, f"data.exclusive={json.dumps(groups)}"), "test")
    vocabulary = read_header(path).vocabulary
    assert vocabulary is not None
    assert vocabulary.exclusive == (("circle", "square", "bar"),)
