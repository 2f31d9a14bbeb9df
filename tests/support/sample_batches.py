"""An album of pictures, and the commands that treat it alike: upscale, tag and degrade."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import main

PICTURES = ("a.png", "b.png", "deep/c.png")
PROBABILITIES = [0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]


@dataclass(frozen=True)
class Command:
    name: str
    ending: str
    other_option: list[str]
    wrong: list[str]
    model: list[str]
    other_model: list[str]  # empty for a command without models

    def __call__(self, *options: str, pictures: str = "album", out: str = "out") -> int:
        return main([self.name, pictures, "-o", out, *self.model, *options])

    def results(self, *names: str) -> list[str]:
        return [str(Path("out", name).with_suffix(self.ending)) for name in names]


COMMANDS = [
    Command(
        "upscale", ".png", ["--scale", "3"], ["--scale", "99"], ["--model", "models/" + MADE], ["--model", "m.sft"]
    ),
    Command(
        "tag", ".txt", ["--max-tags", "1"], ["--max-tags", "-1"], ["--model", "t.safetensors"], ["--model", "u.sft"]
    ),
    Command("degrade", ".png", ["--seed", "5"], ["--scale", "9"], [], []),
]
for_all = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taggers")
    save_model(folder / "t.safetensors", known_tagger(PROBABILITIES))
    save_model(folder / "u.safetensors", known_tagger(PROBABILITIES[::-1]))
    return folder


@pytest.fixture(autouse=True)
def album(own_folder: None, taggers: Path) -> None:  # noqa: F811 (the fixture of that name)
    shutil.copy(taggers / "t.safetensors", "t.safetensors")
    shutil.copy(taggers / "u.safetensors", "u.sft")
    save_model("other.safetensors", UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
    Path("other.safetensors").rename("m.sft")
    for number, name in enumerate(PICTURES):
        draw(Path("album", name), number)


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture(name="printed")
def printed_lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[list[str], list[str]]]:
    """The lines on standard output and on the error stream since the last call."""

    def lines() -> tuple[list[str], list[str]]:
        out, err = capsys.readouterr()
        return out.splitlines(), err.splitlines()

    return lines


Printed = Callable[[], tuple[list[str], list[str]]]
SAME = "skipped: made before from the same picture with the same settings; --force repeats them"
KEPT = "skipped: the file there was not made by this command, or was edited"
