"""The trainer: strict settings, batches that are a pure function of seed and step, exact resume, honest headers."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from senga.arch import SengaError, load_model, read_header
from senga.headless.cli import main
from senga.training.data import PictureSet, batch, cut, flatten, to_tensor, validation_pairs
from senga.training.losses import LOSSES
from senga.training.metrics import psnr_y
from senga.training.model_card import WEIGHTS, render, with_table
from senga.training.settings import DataSettings, OptimSettings, read_settings
from senga.training.sr import learning_rate, train

CONFIGS = sorted((Path(__file__).resolve().parent.parent / "training" / "configs").glob("*.toml"))

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
jpeg_probability = 0.5
filters = {{ bicubic = 1.0, box = 1.0 }}
[optim]
steps = 6
loss = "{loss}"
learning_rate = 1e-3
warmup = 2
[run]
folder = "{runs}"
precision = "fp32"
validate_every = 3
validation_crops = 2
save_every = 3
"""


def drawing(side: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, r = (int(v) for v in rng.integers(0, side, 3))
        fill = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.ellipse((x - r // 4, y - r // 4, x + r // 4, y + r // 4), fill=fill, outline=(0, 0, 0))
    return image


@pytest.fixture(scope="module")
def art(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("art")
    rows = []
    for split, count in (("train", 4), ("val", 3)):
        for i in range(count):
            name = f"{split}{i}.png"
            drawing(220, i + 10 * (split == "val")).save(folder / name)
            rows.append([name, split, "ab"[i % 2], "someone", "CC0-1.0" if i else "MIT", "", 220, 220])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "source", "author", "licence", "sha256", "width", "height"])
        writer.writerows(rows)
    return folder


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
    assert set(provenance.metrics) == {"psnr_y", "psnr_y_bicubic", "psnr_y_lanczos"}
    assert provenance.metrics["psnr_y_lanczos"] > 15
    curve = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert [row["step"] for row in curve] == ["3", "6"]


def test_a_stopped_and_resumed_run_gives_the_same_weights(tmp_path, art, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    train(read_settings(config(whole, art)), "test")

    from senga.training import sr

    real, calls = sr.batch, []

    def stop_at_four(pictures, settings, scale, seed, step):
        calls.append(step)
        if step == 4 and calls.count(4) == 1:
            raise KeyboardInterrupt
        return real(pictures, settings, scale, seed, step)

    monkeypatch.setattr(sr, "batch", stop_at_four)
    settings = read_settings(config(parts, art))
    with pytest.raises(KeyboardInterrupt):
        train(settings, "test")
    assert not (parts / "runs" / "tiny" / "tiny.safetensors").exists()
    train(settings, "test")
    assert calls[-1] == 6
    first, second = (f / "runs" / "tiny" / "tiny.safetensors" for f in (whole, parts))
    assert first.read_bytes() == second.read_bytes()


def test_training_lowers_the_loss(tmp_path, art):
    path = config(tmp_path, art, hyperparameters="widths = [16, 16]")
    train(read_settings(path, ["optim.steps=60", "run.validate_every=20", "optim.ema=0.5"]), "test")
    curve = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert float(curve[-1]["loss"]) < 0.7 * float(curve[0]["loss"])
    assert float(curve[-1]["psnr_y"]) > float(curve[0]["psnr_y"]) + 1


def test_a_run_with_other_data_or_model_is_not_continued(tmp_path, art):
    path = config(tmp_path, art)
    train(read_settings(path), "test")
    for change in ("seed=6", "data.patch=16", "optim.loss=luma_mse"):
        with pytest.raises(SengaError, match=r"checkpoint\.pt: belongs to a run with other settings or data"):
            train(read_settings(path, [change]), "test")
    with pytest.raises(SengaError, match=r"is at step 6, beyond optim\.steps 3"):
        train(read_settings(path, ["optim.steps=3"]), "test")
    train(read_settings(path, ["optim.steps=8"]), "test")  # a longer run goes on


def test_a_run_can_start_from_other_weights(tmp_path, art):
    path = config(tmp_path, art)
    weights = train(read_settings(path), "test")
    again = read_settings(path, ["name=second", f"model.start_from={weights.as_posix()}", "optim.learning_rate=0.0"])
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            load_model(weights).model.state_dict().values(),
            load_model(train(again, "test")).model.state_dict().values(),
            strict=True,
        )
    )


def test_a_loss_that_is_not_finite_stops_with_the_last_checkpoint_whole(tmp_path, art, monkeypatch):
    monkeypatch.setitem(LOSSES, "l1", lambda prediction, target: (prediction - target).abs().mean() * float("nan"))
    with pytest.raises(SengaError, match=r"tiny: the loss is nan at step 0; .*lower optim\.learning_rate"):
        train(read_settings(config(tmp_path, art)), "test")


def test_a_batch_depends_on_seed_and_step_alone(art):
    settings = DataSettings(patch=12, batch=3, jpeg_probability=0.5)
    first, second = PictureSet(art, 1.0), PictureSet(art, 1e-9)  # the second keeps one picture in its cache
    batch(second, settings, 2, 1, 7)
    for step in (0, 1):
        (lr, hr), (lr2, hr2) = batch(first, settings, 2, 1, step), batch(second, settings, 2, 1, step)
        assert torch.equal(lr, lr2)
        assert torch.equal(hr, hr2)
        assert lr.shape == (3, 3, 12, 12)
        assert hr.shape == (3, 3, 24, 24)
    assert not torch.equal(batch(first, settings, 2, 1, 0)[0], batch(first, settings, 2, 2, 0)[0])


def test_jpeg_damages_the_small_picture_alone(art):
    """The draws before it are the same, so the large pictures are equal and the small ones are not."""
    pictures = PictureSet(art, 1.0)
    (clean, hr), (damaged, hr2) = (
        batch(pictures, DataSettings(patch=24, batch=4, jpeg_probability=p, jpeg_quality=[30, 30]), 2, 1, 0)
        for p in (0.0, 1.0)
    )
    assert torch.equal(hr, hr2)
    assert 0.001 < (clean - damaged).abs().mean() < 0.1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_lr_and_hr_show_the_same_place(scale, art):
    """A shift of a pixel between them would cost decibels for ever."""
    lr, hr = batch(PictureSet(art, 1.0), DataSettings(patch=24, batch=4), scale, 1, 0)
    assert (torch.nn.functional.avg_pool2d(hr, scale) - lr).abs().mean() < 0.02


def test_crops_with_content_are_preferred():
    rgba = np.full((400, 400, 4), 255, np.uint8)
    rgba[:100, :100, :3] = np.random.default_rng(0).integers(0, 256, (100, 100, 3))
    found = [cut(rgba, 64, (1.0, 1.0), np.random.default_rng(seed)) for seed in range(60)]
    assert sum(crop.std() > 3 for crop in found) > 20  # one crop in six would be, at random


def test_pictures_too_small_for_a_crop_are_passed_over(art):
    pictures = PictureSet(art, 1.0)
    assert sum(map(len, pictures.sources(220).values())) == 4
    with pytest.raises(SengaError, match=r"no training picture has the 221 pixels a side .* largest has 220"):
        pictures.sources(221)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file;split;source;licence;width;height\n", r"manifest\.csv: has no column 'file'"),
        ("file,source,licence,width,height\n", r"manifest\.csv: has no column 'split'"),
        ("file,split,source,licence,width,height\na,train,b,c,big,3\n", r"line 2: the size is 'big' x '3'"),
        ("file,split,source,licence,width,height\na,valid,b,c,3,3\n", "has 0 train and 0 val pictures"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_its_fault(text, words, tmp_path):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(SengaError, match=words):
        PictureSet(tmp_path, 1.0)


def test_a_broken_picture_is_named(tmp_path, art):
    shutil.copytree(art, tmp_path / "set")
    (tmp_path / "set" / "train0.png").write_bytes(b"")
    pictures = PictureSet(tmp_path / "set", 1.0)
    with pytest.raises(SengaError, match=r"train0\.png: cannot be read"):
        pictures.rgba(pictures.train[0])


def test_validation_takes_the_same_crops_every_time(art):
    first, second = validation_pairs(PictureSet(art, 1.0), 2), validation_pairs(PictureSet(art, 1.0), 2)
    assert len(first) == 3
    for (_, lr, hr), (_, lr2, hr2) in zip(first, second, strict=True):
        assert np.array_equal(lr, lr2)
        assert np.array_equal(hr, hr2)
        assert hr.shape == (192, 192, 3)
        assert lr.shape == (96, 96, 3)
    assert len(validation_pairs(PictureSet(art, 1.0), 2, crops=2)) == 2


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
    settings = read_settings(path)
    assert settings.name == f"senga_{path.stem}"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.stepps=3", "'stepps' is unknown; did you mean 'steps'"),
        ("colour=red", "'colour' is unknown; it has name"),
        ("optim.steps=many", "steps is 'many'; wanted int"),
        ("data.shrink=[1, 'a']", "shrink is 'a'; wanted float"),
        ("data.filters=3", "filters is 3; wanted"),
        ("optim=3", "optim is 3; wanted a table"),
        ("optim.steps", "wanted SECTION.KEY=VALUE"),
        ("optim.steps=0", "optim.steps is 0; wanted 1 or more"),
        ("data.filters={bicubc=1.0}", "data.filters is {'bicubc': 1.0}; wanted weights for box"),
        ("data.shrink=[1.0]", "data.shrink is [1.0]; wanted two factors"),
        ("data.jpeg_quality=[95, 75]", "data.jpeg_quality is [95, 75]"),
        ("run.validate_every=0", "run.validate_every is 0"),
        ("name='../x'", "name is '../x'; wanted one plain file name"),
        ("name=''", "name is ''; wanted one plain file name"),
        ("seed=-1", "seed is -1; wanted 0 or more"),
    ],
)
def test_unknown_and_mistyped_settings_are_named(override, words, tmp_path, art):
    with pytest.raises(SengaError, match=re.escape(words)):
        read_settings(config(tmp_path, art), [override])


def test_a_missing_setting_and_broken_toml_are_named(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('name = "x"\n[model]\narchitecture = "rrdb"\n')
    with pytest.raises(SengaError, match=r"bad\.toml: setting 'optim' is missing"):
        read_settings(path)
    path.write_text("name = ")
    with pytest.raises(SengaError, match=r"bad\.toml: is not TOML"):
        read_settings(path)


def test_an_unknown_loss_or_network_and_a_missing_set_are_named(tmp_path, art, caplog):
    path = config(tmp_path, art)
    for override, words in (
        ("optim.loss=vgg", "optim.loss is 'vgg'; it is one of l1, luma_mse"),
        ("model.architecture=espcn_9", "'espcn_9' is unknown"),
        ("data.folder=nowhere", "there is no manifest"),
    ):
        caplog.clear()
        assert main(["train", "sr", str(path), "--set", override]) == 1
        assert words in caplog.text


def test_the_weights_page_is_made_from_the_headers():
    stale = "stale: run python -m senga.training.model_card"
    page, readme = ((folder / "README.md").read_text(encoding="utf-8") for folder in (WEIGHTS, WEIGHTS.parent))
    assert page == render(WEIGHTS), stale
    assert readme == with_table(readme, WEIGHTS), stale


def test_the_shipped_weights_beat_lanczos_by_three_decibels():
    metrics = read_header(WEIGHTS / "senga_espcn_7_x2.safetensors").provenance.metrics
    assert metrics["psnr_y"] >= metrics["psnr_y_lanczos"] + 3


def test_the_shipped_weights_restore_a_drawing_they_never_saw():
    """The example picture, halved by bicubic: what its header claims of other pictures can be seen here."""
    with Image.open(WEIGHTS.parent / "example_workflows" / "senga_lucy.png") as image:
        hr = flatten(np.asarray(image.convert("RGBA"))[:256, 32:288], np.full(3, 255, np.uint8))
    small = Image.fromarray(hr).resize((128, 128), Image.Resampling.BICUBIC)
    lanczos = np.asarray(small.resize((256, 256), Image.Resampling.LANCZOS))
    model = load_model(WEIGHTS / "senga_espcn_7_x2.safetensors")
    ours = model(to_tensor([np.asarray(small)]))
    target = to_tensor([hr])
    assert psnr_y(ours, target, 2) > psnr_y(to_tensor([lanczos]), target, 2) + 3


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 2), (48, 48)])
@pytest.mark.parametrize("colour", [(30, 40, 230), (0, 255, 0), (200, 10, 30), (250, 220, 200), (255, 255, 255)])
def test_the_shipped_weights_keep_flat_colours_flat_up_to_the_corners(size, colour):
    flat = (torch.tensor(colour) / 255).view(1, 3, 1, 1).expand(1, 3, *size)
    out = load_model(WEIGHTS / "senga_espcn_7_x2.safetensors")(flat)
    assert (out - flat[..., :1, :1]).abs().max() * 255 < 6


def test_a_settings_file_records_the_run(tmp_path, art):
    path = config(tmp_path, art)
    train(read_settings(path, ["optim.steps=3"]), "test")
    saved = json.loads((tmp_path / "runs" / "tiny" / "settings.json").read_text())
    assert saved["optim"]["steps"] == 3
    shutil.rmtree(tmp_path / "runs")
