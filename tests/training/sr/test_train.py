"""The trainer: strict settings, batches that are a pure function of seed and step, exact resume, honest headers."""

import csv
import hashlib
import json
import re
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from repository import ROOT
from senga.arch import SengaError, load_model, load_upscaler, read_header
from senga.arch.metrics import psnr_y
from senga.headless.cli import main
from senga.training.model_card import WEIGHTS, render, with_table
from senga.training.run.schedule import learning_rate
from senga.training.run.settings import OptimSettings, read_settings
from senga.training.sr.losses.table import LOSSES
from senga.training.sr.patches import batches, to_tensor
from senga.training.sr.pictures.picture_files import flatten
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import Settings
from senga.training.sr.train import train
from senga.training.tagger.settings import TaggerSettings

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.toml"))

UPSCALERS = [path for path in sorted(WEIGHTS.glob("*.safetensors")) if read_header(path).scale not in (None, 1)]

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


def test_a_setting_under_its_old_and_its_new_name_is_an_error(tmp_path, art):
    path = config(tmp_path, art)
    file = path.read_text(encoding="utf-8")
    path.write_text(file.replace("[data]", "[data]\nmine = 0.5\nhard_crops = 0.5"), encoding="utf-8")
    with pytest.raises(SengaError, match=r"tiny\.toml: has both data\.mine and data\.hard_crops"):
        read_settings(Settings, path)


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


def test_luma_mse_weighs_the_difference_before_squaring():
    prediction, target = torch.zeros(1, 3, 1, 1), torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    expected = ((0.1 * 0.89673) ** 2 + (0.2 * 1.75983) ** 2 + (0.3 * 0.34344) ** 2) / 3
    assert LOSSES["luma_mse"](prediction, target).item() == pytest.approx(expected, rel=1e-5)


def test_psnr_is_the_papers_luma_psnr():
    """A grey difference of 10 levels is 10 * 219/255 in studio-range luma."""
    a, b = torch.full((1, 3, 16, 16), 100 / 255), torch.full((1, 3, 16, 16), 110 / 255)
    assert psnr_y(a, b, 2).item() == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)), abs=0.01)
    assert psnr_y(a, a, 2).item() == 100
    b[..., :2, :] = 1  # in the shaved border
    b[..., 2:-2, 2:-2] = a[..., 2:-2, 2:-2]
    assert psnr_y(a, b, 2).item() == 100


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    optim = OptimSettings(steps=100, learning_rate=1.0, warmup=10, decay=0.5)
    rates = [learning_rate(step, optim) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [pytest.approx(1.0)] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0)


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
def test_unknown_and_mistyped_settings_are_named(override, words, tmp_path, art):
    with pytest.raises(SengaError, match=re.escape(words)):
        read_settings(Settings, config(tmp_path, art), [override])


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


def test_the_weights_page_is_made_from_the_headers():
    stale = "stale: run python -m senga.training.model_card"
    page, readme = ((folder / "README.md").read_text(encoding="utf-8") for folder in (WEIGHTS, WEIGHTS.parent))
    assert page == render(WEIGHTS), stale
    assert readme == with_table(readme, WEIGHTS), stale


@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_beat_lanczos_by_three_decibels(path):
    metrics = read_header(path).provenance.metrics
    assert metrics["psnr_y"] >= metrics["psnr_y_lanczos"] + 3
    assert path.stat().st_size < 12e6


def unseen_drawing():
    """(1, 3, 256, 256): the face of the example picture, which nothing was trained on."""
    with Image.open(WEIGHTS.parent / "example_workflows" / "senga_lucy.png") as image:
        return to_tensor([flatten(np.asarray(image.convert("RGBA"))[:256, 32:288], np.full(3, 255, np.uint8))])


def resized(picture, side, kernel):
    return to_tensor([np.asarray(Image.fromarray(to_pixels(picture)).resize((side, side), kernel))])


def to_pixels(picture):
    return (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def edge_energy(picture):
    return sum(picture.clamp(0, 1).diff(dim=axis).square().mean().item() for axis in (-1, -2))


@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_restore_a_drawing_they_never_saw(path):
    """Reduced by bicubic: what the header claims of other pictures can be seen here. A GAN gives up some of it."""
    model, hr = load_upscaler(path), unseen_drawing()
    lr = resized(hr, 256 // model.scale, Image.Resampling.BICUBIC)
    ours, plain = (psnr_y(made, hr, 2) for made in (model(lr), resized(lr, 256, Image.Resampling.LANCZOS)))
    assert ours > plain + (1 if path.stem.endswith("_gan") else 2)


def test_the_gan_s_lines_are_nearly_as_sharp_as_the_drawing_s():
    hr = unseen_drawing()
    lr = resized(hr, 64, Image.Resampling.BICUBIC)
    gan, plain = (
        edge_energy(load_upscaler(WEIGHTS / f"{name}.safetensors")(lr)) / edge_energy(hr)
        for name in ("senga_rrdb_6b_x4_gan", "senga_rrdb_6b_x4")
    )
    assert plain < 0.8 < gan < 1.1


@pytest.mark.parametrize("quality", [75, 50])
def test_the_x1_net_cleans_a_jpeg_it_never_saw(quality):
    hr, file = unseen_drawing(), BytesIO()
    Image.fromarray(to_pixels(hr)).save(file, "JPEG", quality=quality)
    damaged = to_tensor([np.asarray(Image.open(file))])
    cleaned = load_upscaler(WEIGHTS / "senga_compact_x1.safetensors")(damaged)
    assert psnr_y(cleaned, hr, 2) > psnr_y(damaged, hr, 2) + 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 2), (48, 48)])
@pytest.mark.parametrize("colour", [(30, 40, 230), (0, 255, 0), (200, 10, 30), (250, 220, 200), (255, 255, 255)])
@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_keep_flat_colours_flat_up_to_the_corners(path, size, colour):
    flat = (torch.tensor(colour) / 255).view(1, 3, 1, 1).expand(1, 3, *size)
    out = load_upscaler(path)(flat)
    assert (out - flat[..., :1, :1]).abs().max() * 255 < 6


def test_a_settings_file_records_the_run(tmp_path, art):
    path = config(tmp_path, art)
    train(read_settings(Settings, path, ["optim.steps=3"]), "test")
    saved = json.loads((tmp_path / "runs" / "tiny" / "settings.json").read_text())
    assert saved["optim"]["steps"] == 3
    shutil.rmtree(tmp_path / "runs")
