"""`--units` of `senga upscale`, and `units` in a workflow: faster pictures from the file of a DRRN."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_nodes import MADE, node, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_upscalers import small_model
from senga.arch import load_upscaler, save_model, upscale
from senga.headless.cli import OK, USAGE, main
from senga.headless.files.pictures import rounded_levels
from senga.headless.model_cache import shared_upscaler

pytestmark = pytest.mark.usefixtures("own_folder")

FILE = "models/two.safetensors"


@pytest.fixture(autouse=True)
def drrn(own_folder: None) -> None:  # noqa: F811 (the fixture)
    save_model(FILE, small_model("drrn"))  # trained for 1 and 2
    Image.open("input/a.png").convert("RGB").save("input/a.png")


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def by_python(units: int) -> np.ndarray:
    picture = np.asarray(Image.open("input/a.png"), dtype=np.float32) / 255
    made = upscale(load_upscaler(FILE).with_units(units), torch.from_numpy(picture)[None])
    return rounded_levels(made[0])


def test_each_number_gives_the_picture_of_the_networks_own() -> None:
    for units in ("1", "2", "0"):
        assert main(["upscale", "input/a.png", "-o", f"{units}.png", "--model", FILE, "--units", units]) == OK
    assert np.array_equal(pixels("1.png"), by_python(1))
    assert np.array_equal(pixels("2.png"), by_python(2))
    assert np.array_equal(pixels("0.png"), pixels("2.png"))
    assert not np.array_equal(pixels("1.png"), pixels("2.png"))


def test_results_in_a_folder_are_made_again_with_another_number(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["upscale", "input", "-o", "large", "--model", FILE, "--units"]
    assert main([*command, "1"]) == OK
    first = pixels("large/a.png")
    assert main([*command, "1"]) == OK
    assert "1 skipped" in capsys.readouterr().err
    assert main([*command, "2"]) == OK
    assert not np.array_equal(pixels("large/a.png"), first)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", FILE, "--units", "3"], "--units: units is 3; expected 1 or 2, after which this network was"),
        (["--model", "models/" + MADE, "--units", "1"], "--units: units is 1, and espcn_7 networks have no units; "),
        (["--model", FILE, "--units", "-1"], "--units: -1 is below the minimum of 0"),
        (["--denoise", "1", "--units", "1"], "--units 1: the networks of --denoise have no units; leave one of them"),
    ],
)
def test_a_number_that_does_not_fit_is_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", "input/a.png", "-o", "b.png", *options]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert not Path("b.png").exists()


def test_a_workflow_takes_them_and_runs_do_not_share_a_shorter_network(capsys: pytest.CaptureFixture[str]) -> None:
    for units in (1, 2, 1):
        prompt = {
            "1": node("LoadImage", image="a.png"),
            "2": node("SengaLoadUpscaleModel", model_name="two.safetensors", units=units),
            "3": node("ImageUpscaleWithModel", upscale_model=["2", 0], image=["1", 0]),
            "4": node("SaveImage", images=["3", 0], filename_prefix="out"),
        }
        Path("w.json").write_text(json.dumps(prompt), encoding="utf-8")
        assert main(["run", "w.json", "--models-dir", "models"]) == OK
        path = capsys.readouterr().out.strip()
        apart = np.abs(pixels(path).astype(int) - by_python(units))  # Save Image cuts values off, the command rounds
        assert apart.max() <= 1, units
    prompt["2"]["inputs"]["units"] = 7
    Path("w.json").write_text(json.dumps(prompt), encoding="utf-8")
    assert main(["run", "w.json", "--models-dir", "models"]) == USAGE
    assert "units (SengaLoadUpscaleModel): units is 7; expected 1 or 2, after which" in capsys.readouterr().err


def test_models_are_shared_by_their_units() -> None:
    whole, short = shared_upscaler(Path(FILE)), shared_upscaler(Path(FILE), 1)
    assert shared_upscaler(Path(FILE)) is whole
    assert shared_upscaler(Path(FILE), 1) is short
    assert short is not whole


def test_the_list_of_models_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json", "--models-dir", "models"]) == OK
    units = {entry["name"]: entry.get("units") for entry in json.loads(capsys.readouterr().out)}
    assert units["two.safetensors"] == [1, 2]
    assert units[MADE] is None
    assert units["senga_drrn_x2.safetensors"] == [3, 5]
    assert main(["models"]) == OK
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("senga_drrn_x2"))
    assert line.endswith("units 3 (faster) or 5")


def test_a_retired_file_is_named_with_what_replaces_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "input/a.png", "-o", "b.png", "--model", "senga_rrdb_6b_x1"]) == USAGE
    assert "no longer comes with Senga; choose senga_compact_x1.safetensors" in capsys.readouterr().err
