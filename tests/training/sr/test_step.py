"""What a step logs, batches that go through the net in parts, and how long a run will take."""

import csv
from pathlib import Path

import pytest
import torch
from sample_runs import checkpoint, equal
from senga.arch import SengaError
from senga.training.run import pace
from senga.training.run.identity import differences, run_identity
from senga.training.run.settings import defaults_of, read_settings, to_dict
from senga.training.sr import train as sr
from senga.training.sr.losses.gan_losses import accuracies
from senga.training.sr.settings import Settings
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

GAN = ("gan.weight=0.1", "gan.features=8", "loss.weights={l1 = 1.0, fft = 0.5}")


pytestmark = pytest.mark.usefixtures("quick_scores")


def settings(config: Path, *changes: str) -> Settings:
    return read_settings(Settings, config, list(changes))


def test_every_term_of_the_loss_and_the_discriminator_are_logged(config, tmp_path):
    sr.train(settings(config, *GAN, "optim.steps=2", "optim.ema=0"), "test")
    folder = tmp_path / "runs" / "tiny"
    row = {name: float(cell) for name, cell in list(csv.DictReader((folder / "curve.csv").open()))[-1].items() if cell}
    for name in ("loss_l1", "loss_fft", "loss_gan", "loss_discriminator", "gradient_norm", "learning_rate"):
        assert row[name] > 0, name
    assert 0 <= row["accuracy_fake"] <= 1
    assert 0 <= row["accuracy_real"] <= 1
    found = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert {"loss_l1", "gradient_norm", "accuracy_real", "psnr_y_a"} <= set(found.Tags()["scalars"])
    assert found.Tags()["images"] == ["sheet"]


def test_the_terms_add_up_to_the_loss(config, tmp_path):
    sr.train(settings(config, *GAN, "optim.steps=1"), "test")
    row = next(csv.DictReader((tmp_path / "runs" / "tiny" / "curve.csv").open()))
    terms = {name: float(row[f"loss_{name}"]) for name in ("l1", "fft", "gan")}
    assert float(row["loss"]) == pytest.approx(terms["l1"] + 0.5 * terms["fft"] + 0.1 * terms["gan"], rel=1e-4)


def test_accuracies_are_shares_of_places_judged_rightly():
    fake, real = torch.tensor([-1.0, 2.0, 3.0, 4.0]), torch.tensor([5.0, 1.0, -1.0, 7.0])
    found = accuracies("vanilla", fake=fake, real=real)
    assert (float(found["accuracy_fake"]), float(found["accuracy_real"])) == (0.25, 0.75)
    found = accuracies("relativistic", fake=fake, real=real)  # means 2 and 3
    assert (float(found["accuracy_fake"]), float(found["accuracy_real"])) == (0.5, 0.5)


@pytest.mark.parametrize("gan", [(), GAN])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(gan, config, tmp_path):
    for name, parts in (("whole", 1), ("parts", 2)):
        changes = (f"name={name}", f"optim.accumulate={parts}", "data.batch=4", "optim.steps=1")
        sr.train(settings(config, *gan, *changes), "test")
    whole, parts = (checkpoint(tmp_path / "runs" / name, 1) for name in ("whole", "parts"))
    moments = [
        [
            one["exp_avg"]
            for part in ("optimiser_0", "discriminator_optimiser")[: 1 + bool(gan)]
            for one in state[part]["state"].values()
        ]
        for state in (whole, parts)
    ]
    # The spectral norms of a discriminator are estimated further with each part: its gradients are near, not equal.
    tolerance = 0.1 if gan else 1e-5
    for a, b in zip(*moments, strict=True):
        assert float((a - b).norm()) <= tolerance * float(a.norm()) + 1e-9
    assert max(float(a.norm()) for a in moments[0]) > 1e-4


def test_a_run_in_parts_that_was_cut_off_ends_with_the_same_bits(config, tmp_path):
    changes = (*GAN, "optim.accumulate=2", "data.batch=4")
    sr.train(settings(config, *changes, "name=whole"), "test")
    sr.train(settings(config, *changes), "test")
    folder = tmp_path / "runs" / "tiny"
    (folder / "checkpoint-0000006.pt").unlink()
    sr.train(settings(config, *changes), "test")  # from step 3
    one, two = (checkpoint(tmp_path / "runs" / name, 6) for name in ("whole", "tiny"))
    for part in ("net", "average", "discriminator", "optimiser_0", "discriminator_optimiser"):
        assert equal(one[part], two[part]), part


def test_parts_that_do_not_divide_the_batch_are_named(config):
    with pytest.raises(SengaError, match=r"optim\.accumulate is 3; expected a divisor of the 2 patches"):
        sr.train(settings(config, "optim.accumulate=3"), "test")
    with pytest.raises(SengaError, match=r"optim\.accumulate is 0; expected 1"):
        settings(config, "optim.accumulate=0")


def test_runs_begun_before_there_were_parts_go_on(config):
    now = to_dict(settings(config))
    before = now | {"optim": {name: value for name, value in now["optim"].items() if name != "accumulate"}}
    parts = to_dict(settings(config, "optim.accumulate=2"))
    defaults = defaults_of(Settings)
    assert differences(run_identity(before), run_identity(now), defaults) == ""
    assert differences(run_identity(before), run_identity(parts), defaults) == "optim.accumulate was 1, is 2"


def test_the_time_of_a_whole_run_is_said_once_after_fifty_steps(monkeypatch, caplog):
    caplog.set_level("INFO")
    clock = iter([100.0, 250.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(clock))
    said = pace.Pace(200, 1000)
    for done in range(201, 400):
        said.note(done)
        if done == 230:
            said.pause(50.0)
    assert [record.getMessage() for record in caplog.records] == [
        "2.500 s a step: 1000 steps take about 42 minutes, 31 minutes from here, without validations"
    ]
    assert [pace.duration(s) for s in (45, 150, 12600, 181440)] == ["45 seconds", "2 minutes", "3.5 hours", "2.1 days"]
