"""`--models-dir`: every command that takes a model's name finds it in these folders too."""

from pathlib import Path

import pytest
from PIL import Image
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import save_model
from senga.headless.cli import OK, USAGE, main

COMMANDS = {
    "upscale": (["upscale", "a.png", "-o", "large.png", "--model", "mine"], "large.png"),
    "tag": (["tag", "a.png", "--model", "sub/tags", "-o", "a.txt"], "a.txt"),
    "export": (["export", "mine", "--onnx", "mine.onnx"], "mine.onnx"),
    "convert": (["convert", "mine", "again.safetensors"], "again.safetensors"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "models/sub").mkdir(parents=True)
    save_model(tmp_path / "models/mine.safetensors", small_model("compact", scale=2))
    save_model(tmp_path / "models/sub/tags.safetensors", small_tagger())
    Image.new("RGB", (9, 7), (200, 30, 30)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("arguments", "result"), COMMANDS.values(), ids=COMMANDS)
def test_a_name_in_the_folder_is_found(arguments, result):
    assert main(arguments) == USAGE
    assert main([*arguments, "--models-dir", "models"]) == OK
    assert Path(result).is_file()


@pytest.mark.parametrize(("arguments", "result"), COMMANDS.values(), ids=COMMANDS)
def test_a_folder_that_does_not_exist_is_named(arguments, result, caplog):
    assert main([*arguments, "--models-dir", "nothing"]) == USAGE
    assert "--models-dir nothing: the folder does not exist" in caplog.text
    assert not Path(result).exists()
