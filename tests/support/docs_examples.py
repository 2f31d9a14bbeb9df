"""The examples of docs/headless.md, and the folder that they run in."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from repository import ROOT
from sample_taggers import known_tagger
from sample_videos import Film, draw
from senga.arch import save_model
from senga.headless.cli import main

PAGE = ROOT / "docs" / "headless.md"


@dataclass(frozen=True)
class Example:
    command: str
    code: int  # what a comment behind the command says, or 0
    output: list[str]  # standard output, then the error stream


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _examples() -> list[Example]:
    found: list[Example] = []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line.removeprefix("$ ").partition("  # exit code ")
                found.append(Example(command, int(code or 0), []))
            else:
                found[-1].output.append(line)
    return found


EXAMPLES = _examples()


def folder_of_the_page(folder: Path) -> None:
    """Make the files that the page uses."""
    with Image.open(ROOT / "example_workflows" / "senga_lucy.png") as picture:
        small = picture.convert("RGBA").resize((24, 33))
    for name in ("input", "comics/part1"):
        (folder / name).mkdir(parents=True)
    small.save(folder / "input/lucy.png")
    small.convert("RGB").save(folder / "comics/cover.jpg")
    small.convert("RGB").save(folder / "comics/part1/page1.png")
    (folder / "comics/part1/broken.png").write_text("no picture", encoding="utf-8")
    frames = {"append_images": [small.rotate(180)], "duration": [100, 200], "loop": 0, "disposal": 2}
    small.save(folder / "blink.gif", save_all=True, **frames)
    draw(Film(folder / "clip.mp4", times=range(0, 6 * 512, 512), sound="aac"))
    template = ROOT / "example_workflows" / "Upscale a picture with its mask.json"
    shutil.copy(template, folder / "upscale.json")
    save_model(folder / "tagger.safetensors", known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))


def fits(expected: list[str], found: list[str]) -> bool:
    """Line by line; `...` matches anything in a line, and alone any number of lines at the end."""
    if expected and expected[-1] == "...":
        expected, found = expected[:-1], found[: len(expected) - 1]
    patterns = [".*".join(re.escape(part) for part in line.split("...")) for line in expected]
    return len(expected) == len(found) and all(map(re.fullmatch, patterns, found))


def run_example(example: Example, capsys: pytest.CaptureFixture[str], **replaced: str) -> None:
    """Run it in the current folder; `replaced` are words of the command that are others here."""
    program, *arguments = shlex.split(example.command)
    assert program == "senga"
    capsys.readouterr()
    try:
        code = main([replaced.get(word, word) for word in arguments])
    except SystemExit as leaving:  # --help
        code = leaving.code
    out, err = capsys.readouterr()
    found = [line.replace(os.sep, "/") for line in [*out.splitlines(), *err.splitlines()]]
    assert fits(example.output, found), f"{example.command}\n" + "\n".join(found)
    assert code == example.code, example.command
