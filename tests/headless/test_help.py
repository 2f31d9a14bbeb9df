"""What `--help` says of every option, short forms, options of other programs, `--device`, names of models."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from repository import ROOT
from sample_nodes import MADE, node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger
from senga.arch import save_model
from senga.headless import device
from senga.headless.cli import COMMANDS, OK, USAGE, main
from senga.headless.errors import UsageError
from senga.headless.foreign_options import OTHERS, hint
from senga.headless.workflow.options import listed_name
from senga.nodes import host

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["-m", "models/" + MADE]
HANDED_ON = ("train", "data")  # their options are those of other parsers


def options() -> list[tuple[str, argparse.Action]]:
    found: list[tuple[str, argparse.Action]] = []
    for command in COMMANDS:
        if command.name not in HANDED_ON:
            parser = argparse.ArgumentParser(add_help=False)
            command.module.add_arguments(parser)
            found += [(command.name, action) for action in parser._actions if action.option_strings]
    return found


def test_help_shows_the_default_of_every_option_and_the_range_of_numbers() -> None:
    silent = [(name, action.option_strings[-1]) for name, action in options() if not says_default(action)]
    assert silent == []
    numbers = [(name, action) for name, action in options() if action.type in (int, float)]
    assert len(numbers) > 10
    assert [
        (n, a.option_strings[-1]) for n, a in numbers if not re.search(r"\d to \d|or more|\d or \d", a.help or "")
    ] == []


def says_default(action: argparse.Action) -> bool:
    chosen_of_several = isinstance(action.const, str) or "--print" in action.option_strings
    named_when_needed = action.dest == "output"  # of degrade: --sheet does without
    return action.required or named_when_needed or chosen_of_several or "default" in (action.help or "")


def test_defaults_in_help_are_the_nodes_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tag", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Keep general tags from this score. Lower: more tags. (0 to 1; default: 0.35)" in said
    assert r"Write \( and \): in a prompt, bare parentheses are weights. (default: no)" in said


def test_short_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "input/a.png", "-o", "out/", *MODEL, "-s", "3", "-t", "16", "-f", "webp", "-j", "1"]) == OK
    assert capsys.readouterr().out.split() == [str(Path("out/a.webp"))]
    assert Image.open("out/a.webp").size == (15, 18)


def test_the_program_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == USAGE
    said = capsys.readouterr().err
    assert all(command.help in " ".join(said.split()) for command in COMMANDS)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (["upscale", "a.png", "-o", "b.png", "--tta"], "--tta is not a known option; use --self-ensemble"),
        (["upscale", "a.png", "-o", "b.png", "--gpu-id=0"], "--gpu-id=0 is not a known option; use --device"),
        (["upscale", "a.png", "-o", "b.png", "--tile_size", "9"], "--tile_size is not a known option; use --tile"),
        (["upscale", "-i", "a.png", "-o", "b.png"], "-i is not a known option; use the picture's name"),
        (["upscale", "a.png", "-o", "b.png", "--noise", "2"], "--noise is not a known option; use --denoise 0 to 3"),
        (["tag", "a.png", "--threshold", "0.4"], "--threshold is not a known option; use --general-threshold"),
        (["tag", "a.png", "--undesired_tags=a"], "--undesired_tags=a is not a known option; use --exclude-tags"),
        (["models", "--tta"], "--tta is not a known option"),
    ],
)
def test_options_of_other_programs_are_answered_with_ours(
    call: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(call)
    assert caught.value.code == USAGE
    assert answer in capsys.readouterr().err


def test_every_answer_names_an_option_that_there_is() -> None:
    known = {text for _, action in options() for text in action.option_strings}
    named = {re.split("[ ,]", ours)[0] for answers in OTHERS.values() for ours in answers}
    assert {name for name in named if name.startswith("-")} <= known
    assert not set(OTHERS) & {text for name, a in options() if name == "upscale" for text in a.option_strings}
    assert hint("--tta", []) == ""


def test_bad_values_are_refused_once_before_any_picture(capsys: pytest.CaptureFixture[str]) -> None:
    Path("input/broken.png").write_text("no picture", encoding="utf-8")
    for change, message in [
        (["--tile", "5"], "--tile: tile is 5; expected 0 (chosen from the free memory), or 16 to 8192"),
        (["--device", "gpu"], "--device 'gpu': expected cpu, cuda, cuda:1 or mps"),
        (["--device", "cuda:99"], "--device cuda:99: torch finds no such device here; choose from: cpu, cpu:0"),
    ]:
        assert main(["upscale", "input", "-o", "big", *MODEL, *change]) == USAGE
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"senga: {message}")
    assert not Path("big").exists()


def test_networks_run_on_the_device_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.device] = []
    real = host.compute_device

    def noted() -> torch.device:
        used.append(real())
        return used[-1]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(host, "compute_device", noted)
    assert main(["upscale", "input/a.png", "-o", "b.png", *MODEL, "--device", "cpu"]) == OK
    save_model("models/t.safetensors", known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    assert main(["tag", "input/a.png", "-m", "models/t.safetensors", "--device", "cpu"]) == OK
    assert set(used) == {torch.device("cpu")}
    device.use_device("cuda:1")
    assert real() == torch.device("cuda:1")
    with pytest.raises(UsageError, match=r"cuda:2: torch finds no such device here; choose from: cpu, .*cuda:1"):
        device.use_device("cuda:2")
    device.use_device(None)
    assert host.standalone.device is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("a", "a.pth"), ("b", "b.safetensors"), ("sub\\c", "sub/c.onnx"), ("b.onnx", "b.onnx"), ("a.pt", ""), ("x", "")],
)
def test_a_model_is_found_with_or_without_its_ending(text: str, found: str) -> None:
    assert listed_name(text, ["a.pth", "b.onnx", "b.safetensors", "sub/c.onnx"]) == found


def test_a_workflow_s_model_may_be_set_without_its_ending() -> None:
    extra = {
        "4": node("UpscaleModelLoader", model_name="none"),
        "5": node("ImageUpscaleWithModel", upscale_model=["4", 0], image=["1", 0]),
    }
    call = ["run", workflow(**extra), "--models-dir", "models", "--set", '3.images=["5",0]']
    assert main([*call, "--set", f"4.model_name={MADE.partition('.')[0]}"]) == OK
    assert Image.open("output/out_00001_.png").size == (10, 12)


def test_help_names_the_extras_that_a_command_needs_as_pyproject_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {extra for command in COMMANDS for extra in command.extras}
    assert named <= set(known)
    assert named >= {"video", "models", "taggers", "export", "train", "server"}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.name, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert all(f'pip install -c constraints.txt ".[{extra}]"' in text for extra in command.extras)
