"""A network of one scale starts another."""

from pathlib import Path

import pytest
import torch
from senga.arch import UpscaleModel, load_model, save_model
from senga.training.run.settings import read_settings
from senga.training.run.start_from import take_over
from senga.training.sr import train as sr
from senga.training.sr.settings import Settings
from torch.nn import functional as F

RRDB = ("model.architecture=rrdb", "model.hyperparameters={scale=2, blocks=1, features=16, growth=4}")

pytestmark = pytest.mark.usefixtures("quick_scores")


def settings(config: Path, *changes: str) -> Settings:
    return read_settings(Settings, config, list(changes))


def test_the_trunk_of_one_scale_starts_another(config, tmp_path, caplog):
    caplog.set_level("INFO")
    path = sr.train(settings(config, "name=two", *RRDB), "test")
    model = load_model(path)
    model.model.get_parameter("body.0.rdb1.conv1.weight").fill_(0.25)
    save_model(tmp_path / "marked.safetensors", model)
    changes = (
        "name=four",
        "model.hyperparameters.scale=4",
        "optim.learning_rate=0",
        f"model.start_from={tmp_path}/marked.safetensors",
    )
    four = sr.train(settings(config, *RRDB, *changes), "test")
    assert "took over 42 of 42 tensors" in caplog.text
    assert (load_model(four).model.state_dict()["body.0.rdb1.conv1.weight"] == 0.25).all()


@pytest.mark.parametrize(
    ("scale", "seen"),
    [
        (1, lambda x: F.avg_pool2d(x, 2)),
        (2, lambda x: x),
        (4, lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3)),
    ],
)
def test_a_net_of_another_scale_begins_as_what_it_was_taken_from_on_a_resized_picture(scale, seen):
    two, other = (UpscaleModel.create("rrdb", scale=s, blocks=1, features=16, growth=4).model for s in (2, scale))
    take_over(other, two.state_dict(), "two")
    x = torch.rand(1, 3, 24, 32)
    torch.testing.assert_close(other(x), two(seen(x)), rtol=1e-4, atol=1e-5)
