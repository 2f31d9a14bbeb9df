"""The trainer: strict settings, batches that are a pure function of seed and step, exact resume, honest headers."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from senga.arch import SengaError, load_model, load_upscaler, read_header
from senga.headless.cli import main
from senga.training.run import pace
from senga.training.run.schedule import learning_rate
from senga.training.run.settings import OptimSettings, read_settings
from senga.training.sr.patches import batches
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import Settings
from senga.training.sr.train import train

TINY = """
name = "tiny"
seed = 5
[model]
architecture = "{architecture}"
hyperparameters = {{ {hyperparameters} }}
[data]
folder = "{folder}"
patch = 12
batch = 2
degradation = {{ senga_blind = 1.0, waifu2x_noise1 = 1 }}
[optim]
steps = 6
learning_rate = 1e-3
warmup = 2
[loss]
weights = {{ {loss} = 1.0 }}
[run]
folder = "{runs}"
precision = "fp32"
validate_every = 3
validation_crops = 2
save_every = 3
"""


pytestmark = pytest.mark.usefixtures("quick_scores")


def config(tmp_path: Path, art: Path, architecture="espcn_7", hyperparameters="widths = [8, 8]", loss="l1") -> Path:
    path = tmp_path / "tiny.toml"
    text = TINY.format(
        architecture=architecture,
        hyperparameters=hyperparameters,
        folder=art.as_posix(),
        runs=(tmp_path / "runs").as_posix(),
        loss=loss,
    )
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("architecture", "hyperparameters", "loss", "scale"),
    [
        ("espcn_7", "widths = [8, 8]", "luma_mse", 2),
        ("dcscn", "layers = 3, first = 8, last = 4, reconstruction = 4, upsampling = 4", "l1", 2),
        ("rrdb", "scale = 2, blocks = 1, features = 8, growth = 4", "l1", 2),
        ("rrdb", "scale = 4, blocks = 1, features = 8, growth = 4", "l1", 4),
        ("rrdb", "scale = 1, blocks = 1, features = 8, growth = 4", "luma_mse", 1),
        ("rrdb", "scale = 2, plain = true, blocks = 1, features = 8, growth = 4", "l1", 2),
        ("compact", "scale = 2, features = 16, layers = 2", "l1", 2),
        ("drrn", "scale = 2, features = 16, units = 2, supervised_units = [1, 2]", "l1", 2),
    ],
)
def test_every_net_trains_to_a_file_that_says_who_it_is(architecture, hyperparameters, loss, scale, tmp_path, art):
    path = config(tmp_path, art, architecture, hyperparameters, loss)
    assert main(["train", "sr", str(path)]) == 0
    header = read_header(tmp_path / "runs" / "tiny" / "tiny.safetensors")
    assert (header.architecture, header.scale) == (architecture, scale)
    provenance = header.provenance
    assert provenance.data_sha256 == hashlib.sha256((art / "manifest.csv").read_bytes()).hexdigest()
    assert provenance.licences == ("CC0-1.0", "MIT")
    assert (provenance.seed, provenance.steps, provenance.source) == (5, 6, "senga")
    assert provenance.command == f"senga train sr {path.as_posix()}"
    assert {"psnr_y", "psnr_y_bicubic", "psnr_y_lanczos", "ssim_y", "colour_shift"} <= set(provenance.metrics)
    assert provenance.metrics["psnr_y_lanczos"] > 15
    curve = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert [row["step"] for row in curve] == ["3", "6"]


def test_a_net_that_can_stop_early_has_a_loss_on_each_of_its_results(tmp_path, art):
    path = config(tmp_path, art, "drrn", "features = 8, units = 3, supervised_units = [1, 3]")
    settings = read_settings(Settings, path, ["optim.steps=1", "optim.learning_rate=0.0"])
    weights = train(settings, "test")
    model = load_upscaler(weights)  # as it began, since nothing was learnt
    lr, hr = next(batches(PictureSet(art, 1.0), settings.data, 2, settings.seed, range(1)))
    by_stop = [float((result - hr).abs().mean()) for result in model.model.forward_all(lr)]
    curve = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert float(curve[0]["loss"]) == pytest.approx(sum(by_stop) / 2, rel=1e-4)
    assert abs(by_stop[0] - by_stop[1]) > 1e-3 * by_stop[0]


def test_training_lowers_the_loss(tmp_path, art):
    path = config(tmp_path, art, hyperparameters="widths = [16, 16]")
    train(read_settings(Settings, path, ["optim.steps=80", "run.validate_every=20", "optim.ema=0.5"]), "test")
    curve = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert float(curve[-1]["loss"]) < 0.7 * float(curve[0]["loss"])
    assert float(curve[-1]["psnr_y"]) > float(curve[0]["psnr_y"]) + 1


def test_a_run_with_other_data_or_model_is_not_continued(tmp_path, art):
    path = config(tmp_path, art)
    train(read_settings(Settings, path), "test")
    found = {
        "seed=6": r"seed was \d+, is 6",
        "data.patch=16": r"data\.patch was \d+, is 16",
        "loss.weights.luma_mse=1": r"loss\.weights\.luma_mse was null, is 1\.0",
    }
    for change, words in found.items():
        with pytest.raises(SengaError, match=rf"checkpoint-0000006\.pt: belongs to another run \({words}\)"):
            train(read_settings(Settings, path, [change]), "test")
    with pytest.raises(SengaError, match=r"is at step 6, beyond optim\.steps 3"):
        train(read_settings(Settings, path, ["optim.steps=3"]), "test")
    train(read_settings(Settings, path, ["optim.steps=8"]), "test")  # a longer run goes on


def test_a_run_begun_with_the_old_name_of_a_setting_goes_on_with_either(tmp_path, art, caplog):
    path = config(tmp_path, art)
    begun = read_settings(Settings, path, ["data.mine=0.5", "data.mine_among=3"])
    assert (begun.data.hard_crops, begun.data.hard_crops_among) == (0.5, 3)
    assert "data.mine is now called data.hard_crops" in caplog.text
    train(begun, "test")
    state = torch.load(tmp_path / "runs" / "tiny" / "checkpoint-0000006.pt", weights_only=True)
    identity = json.loads(state["identity"])
    assert (identity["data.mine"], identity["data.mine_among"]) == (0.5, 3)
    assert not {"data.hard_crops", "data.hard_crops_among"} & identity.keys()
    file = path.read_text(encoding="utf-8")
    path.write_text(file.replace("[data]", "[data]\nmine = 0.5\nmine_among = 3"), encoding="utf-8")
    for number, names in ((7, ("data.hard_crops", "data.hard_crops_among")), (8, ("data.mine", "data.mine_among"))):
        caplog.clear()
        changes = [f"optim.steps={number}", f"{names[0]}=0.5", f"{names[1]}=3"]
        caplog.set_level("INFO", logger="senga")
        train(read_settings(Settings, path, changes), "test")
        assert f"going on from step {number - 1}" in caplog.text
    with pytest.raises(SengaError, match=r"\(data\.hard_crops was 0\.5, is 0\.25\)"):
        train(read_settings(Settings, path, ["data.hard_crops=0.25"]), "test")


def test_a_run_can_start_from_other_weights(tmp_path, art):
    path = config(tmp_path, art)
    weights = train(read_settings(Settings, path), "test")
    again = read_settings(
        Settings, path, ["name=second", f"model.start_from={weights.as_posix()}", "optim.learning_rate=0.0"]
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            load_model(weights).model.state_dict().values(),
            load_model(train(again, "test")).model.state_dict().values(),
            strict=True,
        )
    )


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    optim = OptimSettings(steps=100, learning_rate=1.0, warmup=10, decay=0.5)
    rates = [learning_rate(step, optim) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [pytest.approx(1.0)] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)


def test_an_unknown_loss_or_network_and_a_missing_set_are_named(tmp_path, art, caplog):
    path = config(tmp_path, art)
    for override, words in (
        ("loss.weights={vgg=1}", "loss 'vgg' is unknown; it is one of l1, luma_mse"),
        ("model.architecture=espcn_9", "'espcn_9' is unknown"),
        ("data.folder=nowhere", "nowhere: there is no such folder; name a folder of pictures"),
    ):
        caplog.clear()
        assert main(["train", "sr", str(path), "--set", override]) == 1
        assert words in caplog.text


def test_recipes_that_are_not_there_are_named_before_any_picture_is_looked_at(tmp_path, art, caplog):
    path = config(tmp_path, art)
    for override, words in (
        ('run.conditions=["cleen"]', "run.conditions is 'cleen'; did you mean 'clean'?"),
        ("data.degradation=senga_blnd", "data.degradation is 'senga_blnd'; did you mean 'senga_blind'?"),
        ("data.degradation=gone.json", "data.degradation gone.json: cannot be read"),
    ):
        caplog.clear()
        assert main(["train", "sr", str(path), "--set", "data.folder=nowhere", "--set", override]) == 1
        assert words in caplog.text


def test_a_run_says_how_long_it_will_take(tmp_path, art, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr(pace, "WARM", 1)
    monkeypatch.setattr(pace, "SEEN", 2)
    train(read_settings(Settings, config(tmp_path, art), ["run.validation_crops=1", "run.final_crops=1"]), "test")
    said = [record.getMessage() for record in caplog.records if "steps take about" in record.getMessage()]
    assert len(said) == 1
    assert re.fullmatch(r"\d+\.\d{3} s a step: 6 steps take about \d+ seconds, \d+ seconds from here, .*", said[0])


def test_a_settings_file_records_the_run(tmp_path, art):
    path = config(tmp_path, art)
    train(read_settings(Settings, path, ["optim.steps=3"]), "test")
    saved = json.loads((tmp_path / "runs" / "tiny" / "settings.json").read_text())
    assert saved["optim"]["steps"] == 3
    shutil.rmtree(tmp_path / "runs")
