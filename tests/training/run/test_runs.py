"""Runs that are killed, go back, are shared by processes, or are exported: what a trainer promises beyond learning."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
import torch
from senga.arch import SengaError, load_model, read_header
from senga.training.run.run_folder import RunFolder, alone
from senga.training.run.settings import read_settings
from senga.training.sr import train as sr
from senga.training.sr.losses.table import make_loss
from senga.training.sr.settings import Settings

TINY = """
name = "tiny"
seed = 5
[model]
architecture = "rrdb"
hyperparameters = { scale = 2, blocks = 1, features = 16, growth = 4 }
[data]
patch = 16
batch = 2
degradation = "senga_blind"
[optim]
steps = 8
optimiser = "muon"
learning_rate = 1e-3
warmup = 2
exact_bf16 = 0.25
[run]
precision = "fp32"
conditions = ["clean", "q75"]
validate_every = 4
validation_crops = 1
save_every = 2
keep = 3
sheet_every = 0
"""


@pytest.fixture
def config(tmp_path, art) -> Path:
    path = tmp_path / "tiny.toml"
    text = TINY.replace("[data]", f'[data]\nfolder = "{art.as_posix()}"')
    path.write_text(text.replace("[run]", f'[run]\nfolder = "{(tmp_path / "runs").as_posix()}"'), encoding="utf-8")
    return path


pytestmark = pytest.mark.usefixtures("quick_scores")


def settings(config: Path, *changes: str) -> Settings:
    return read_settings(Settings, config, list(changes))


def state(folder: Path, step: int) -> dict:
    return torch.load(folder / f"checkpoint-{step:07d}.pt", weights_only=True)


def nested_equal(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(nested_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(nested_equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def start(config: Path, *changes: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    """A training in processes of its own."""
    words = [word for change in changes for word in ("--set", change)]
    command = [
        sys.executable,
        "-m",
        *launcher,
        *(("-m",) if launcher else ()),
        "senga.training.sr",
        str(config),
        *words,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=config.parent)


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(config, tmp_path):
    whole = start(config, "name=whole", "optim.steps=30")
    _, error = whole.communicate(timeout=120)
    assert whole.returncode == 0, error

    folder = tmp_path / "runs" / "killed"
    killed = start(config, "name=killed", "optim.steps=30")
    while not (folder / "checkpoint-0000006.pt").exists():
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (folder / "killed.safetensors").exists()  # it was cut off in the middle
    again = start(config, "name=killed", "optim.steps=30")
    _, error = again.communicate(timeout=120)
    assert again.returncode == 0, error
    assert "going on from step" in error

    kept, wanted = (state(tmp_path / "runs" / name, 30) for name in ("killed", "whole"))
    for part in ("net", "average", "optimiser_0", "optimiser_1"):
        assert nested_equal(kept[part], wanted[part]), part
    assert kept["running"] == wanted["running"]
    steps = [
        [row["step"] for row in csv.DictReader((tmp_path / "runs" / n / "curve.csv").open())]
        for n in ("killed", "whole")
    ]
    assert steps[0] == steps[1]


def test_a_run_belongs_to_one_process_and_its_checkpoints_can_be_exported_meanwhile(config, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(sr, "train", lambda settings, command, export: started.append(export))
    with alone(tmp_path / "runs" / "tiny"):
        with pytest.raises(SengaError, match=r"tiny: another process trains this run; .* another name$"):
            sr.main([str(config)])
        assert sr.main([str(config), "--set", "name=other"]) == 0
        assert sr.main([str(config), "--export", "4"]) == 0
        monkeypatch.setenv("RANK", "1")  # of one start of torchrun the first process holds the run
        assert sr.main([str(config)]) == 0
        monkeypatch.delenv("RANK")
    assert sr.main([str(config)]) == 0
    assert started == [None, 4, None, None]


def test_two_processes_learn_what_one_learns_with_the_whole_batch(config, tmp_path):
    for name, launcher in (("one", ()), ("two", ("torch.distributed.run", "--standalone", "--nproc-per-node", "2"))):
        run = start(config, f"name={name}", "optim.steps=1", "optim.exact_bf16=0", "data.batch=4", launcher=launcher)
        _, error = run.communicate(timeout=120)
        assert run.returncode == 0, error
    one, two = (state(tmp_path / "runs" / name, 1) for name in ("one", "two"))
    environment = json.loads((tmp_path / "runs" / "two" / "environment.json").read_text())
    assert environment["processes"] == 2
    compared = 0
    for i in range(2):
        for a, b in zip(*(side[f"optimiser_{i}"]["state"].values() for side in (one, two)), strict=True):
            # What an optimiser has after its first step is the gradient, times a constant.
            buffer = "momentum_buffer" if "momentum_buffer" in a else "exp_avg"
            assert torch.allclose(a[buffer], b[buffer], rtol=0, atol=1e-6)
            compared += int(a[buffer].abs().max() > 1e-5)
    assert compared > 10  # gradients that are all zero would show nothing
    assert all(torch.allclose(one["net"][key], two["net"][key], rtol=0, atol=1e-5) for key in one["net"])


def test_a_batch_that_cannot_be_dealt_out_is_an_error(config, tmp_path):
    run = start(config, "data.batch=3", launcher=("torch.distributed.run", "--standalone", "--nproc-per-node", "2"))
    _, error = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "data.batch is 3; expected a multiple of the 2 processes" in error


def broken_loss(at: set[int]):
    """A loss that is not a number on the calls counted in `at`."""
    sound, calls = make_loss({"l1": 1.0}), [0]

    def loss_of(prediction, target, average=None):
        calls[0] += 1
        total, parts = sound(prediction, target)
        return total * (float("nan") if calls[0] in at else 1.0), parts

    return lambda **_: loss_of


def test_a_loss_that_is_no_number_sends_the_run_back_with_half_the_rate(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sr, "make_loss", broken_loss({6}))  # step 5; the last checkpoint is at 4
    sr.train(settings(config), "test")
    assert "back to step 4, with half the learning rate" in caplog.text
    last = state(tmp_path / "runs" / "tiny", 8)
    assert (last["slower"], last["rollbacks"], last["step"]) == (0.5, 1, 8)
    assert all(value.isfinite().all() for value in last["net"].values())
    rows = list(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    assert [row["step"] for row in rows] == ["4", "8"]


def test_a_loss_that_is_no_number_at_the_last_step_does_not_end_the_run(config, tmp_path, monkeypatch):
    monkeypatch.setattr(sr, "make_loss", broken_loss({8}))
    path = sr.train(settings(config), "test")
    assert all(value.isfinite().all() for value in load_model(path).model.state_dict().values())
    assert state(tmp_path / "runs" / "tiny", 8)["rollbacks"] == 1


def test_a_loss_that_stays_no_number_ends_the_run_and_keeps_what_was_good(config, tmp_path, monkeypatch):
    monkeypatch.setattr(sr, "make_loss", broken_loss(set(range(6, 100))))
    with pytest.raises(SengaError, match=r"after 2 rollbacks; lower optim\.learning_rate"):
        sr.train(settings(config, "run.rollbacks=2"), "test")
    assert state(tmp_path / "runs" / "tiny", 4)["rollbacks"] == 0


def test_the_newest_checkpoint_that_can_be_read_is_taken(config, tmp_path, caplog):
    sr.train(settings(config), "test")
    folder = tmp_path / "runs" / "tiny"
    wanted = state(folder, 8)
    newest = folder / "checkpoint-0000008.pt"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    sr.train(settings(config), "test")
    assert "checkpoint-0000008.pt: is damaged" in caplog.text
    assert nested_equal(state(folder, 8)["net"], wanted["net"])


def test_only_the_newest_checkpoints_are_kept(config, tmp_path):
    sr.train(settings(config), "test")
    kept = sorted(path.name for path in (tmp_path / "runs" / "tiny").glob("checkpoint-*"))
    assert kept == [f"checkpoint-{step:07d}.pt" for step in (4, 6, 8)]


def test_what_a_killed_process_left_half_written_goes_with_the_next_checkpoint(tmp_path):
    folder = RunFolder(tmp_path / "run", ("step",), 3)
    (folder.path / ".senga_0.tmp").write_bytes(b"half of a checkpoint")
    folder.save({"step": 1})
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint-0000001.pt"]


def test_a_checkpoint_is_exported_by_its_step(config, tmp_path):
    sr.train(settings(config), "test")
    path = sr.train(settings(config), "test", export=4)
    assert path.name == "tiny-4.safetensors"
    assert read_header(path).provenance.steps == 4
    average = state(tmp_path / "runs" / "tiny", 4)["average"]
    assert nested_equal(dict(load_model(path).model.state_dict()), average)  # not rounded yet
    with pytest.raises(SengaError, match="has no checkpoint of step 5; it has 4, 6, 8"):
        sr.train(settings(config), "test", export=5)


def test_weights_rounded_in_training_lose_nothing_in_bfloat16(config):
    path = sr.train(settings(config), "test")
    weights = load_model(path).model.state_dict()
    assert all(torch.equal(value, value.bfloat16().float()) for value in weights.values())
    assert path.stat().st_size < 2.6 * sum(value.numel() for value in weights.values()) + 6000
    assert read_header(path).provenance.metrics["psnr_bf16"] > 40


def test_a_run_leaves_what_is_needed_to_understand_it(config, tmp_path):
    path = sr.train(settings(config), "senga train sr tiny.toml")
    folder = path.parent
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["versions"]["torch"] == metadata.version("torch")
    assert environment["command"] == "senga train sr tiny.toml"
    assert json.loads((folder / "settings.json").read_text())["optim"]["warmup"] == 2
    metrics = read_header(path).provenance.metrics
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert {"psnr_y", "psnr_y_q75", "ssim_y", "ssimulacra2", "colour_shift", "psnr_y_lanczos"} <= metrics.keys()
    last = list(csv.DictReader((folder / "curve.csv").open()))[-1]
    assert all(
        last[name] for name in ("psnr_y", "psnr_y_q75", "ssim_y", "learning_rate", "images_per_second", "waiting")
    )
    assert (folder / "sheet-0000008.png").is_file()
    assert any((folder / "tensorboard").iterdir())
    page = (folder / "report.md").read_text()
    assert "curves.png" in page
    assert "sheet-0000008.png" in page
    assert f"senga upscale PICTURE -o LARGE.png --model {path.as_posix()}" in page


def test_a_discriminator_is_trained_resumed_and_left_out_of_the_weights(config, tmp_path):
    changes = ("gan.weight=0.1", "gan.features=8", "gan.sharpen=true", "optim.exact_bf16=0")
    whole = sr.train(settings(config, *changes, "name=whole"), "test")
    parts = settings(config, *changes, "name=parts")
    folder = tmp_path / "runs" / "parts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sr, "make_loss", broken_loss({7}))
        with pytest.raises(SengaError):
            sr.train(settings(config, *changes, "name=parts", "run.rollbacks=0"), "test")
    assert max(RunFolder(folder, ("step",), 3).checkpoints()) == 6
    again = sr.train(parts, "test")
    one, two = (state(path.parent, 8) for path in (whole, again))
    assert nested_equal(one["net"], two["net"])
    assert nested_equal(one["discriminator"], two["discriminator"])
    begun = state(folder, 6)["discriminator"]
    assert not nested_equal(begun, two["discriminator"])  # it learns
    assert load_model(again).model.state_dict().keys() == one["net"].keys()
