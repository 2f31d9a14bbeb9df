"""A spandrel upscaler in every place that takes a model: the same picture from each."""

import json

import numpy as np
import pytest
from PIL import Image
from repository import ROOT
from sample_foreign import write_foreign
from senga.headless.cli import OK, main
from senga.nodes import NODE_CLASS_MAPPINGS, host

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "standalone", host.Standalone())
    (tmp_path / "models").mkdir()
    (tmp_path / "input").mkdir()
    write_foreign(tmp_path / "models", "span.safetensors")
    with Image.open(ROOT / "example_workflows" / "senga_lucy.png") as picture:
        picture.convert("RGBA").crop((80, 20, 120, 50)).save(tmp_path / "input" / "lucy.png")
    return tmp_path


def levels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA")).astype(int)


def test_both_load_nodes_and_the_command_give_the_same_picture(folder):
    models = ["--models-dir", str(folder / "models")]
    large = str(folder / "large.png")
    source = str(folder / "input" / "lucy.png")
    assert main(["upscale", source, "-o", large, "--model", str(folder / "models" / "span.safetensors")]) == OK
    assert levels(large).shape == (60, 80, 4)
    example = json.loads((ROOT / "example_workflows" / "api" / "upscale.json").read_text(encoding="utf-8"))
    example["1"]["inputs"]["image"] = "lucy.png"
    for node in ("SengaLoadUpscaleModel", "UpscaleModelLoader"):
        example["2"] = {"class_type": node, "inputs": {"model_name": "span.safetensors"}, "_meta": {"title": "Load"}}
        (folder / f"{node}.json").write_text(json.dumps(example))
        folders = ["--input-dir", str(folder / "input"), "--output-dir", str(folder / node)]
        assert main(["run", str(folder / f"{node}.json"), *folders, *models]) == OK
        # The node's result is saved by truncation, the command's by rounding.
        assert np.abs(levels(folder / node / "senga_lucy_00001_.png") - levels(large)).max() <= 1


def test_the_example_takes_any_upscaler_of_the_folder(folder):
    folders = ["--input-dir", str(folder / "input"), "--output-dir", str(folder / "output")]
    choices = ["--set", "UpscaleModelLoader.model_name=span.safetensors", "--set", "LoadImage.image=lucy.png"]
    name = "Swap models with the built-in nodes.json"
    example = json.loads((ROOT / "example_workflows" / name).read_text(encoding="utf-8"))
    for node in example["nodes"]:
        node["mode"] = 0  # as Ctrl+M does, once the model is there
    (folder / "example.json").write_text(json.dumps(example), encoding="utf-8")
    run = ["run", str(folder / "example.json"), *folders, "--models-dir", str(folder / "models"), *choices]
    assert main(run) == OK
    assert levels(folder / "output" / "senga" / "your_model_00001_.png").shape == (60, 80, 4)
    assert levels(folder / "output" / "senga" / "built_in_00001_.png").shape == (60, 80, 4)


def test_the_list_shows_network_and_licence(folder, capsys):
    assert main(["models", "--models-dir", str(folder / "models")]) == OK
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("span."))
    assert line.split()[1:3] == ["spandrel/SPAN", "x2"]
    assert line.endswith("unknown (code: Apache-2.0)")
    assert main(["models", "--models-dir", str(folder / "models"), "--json"]) == OK
    (entry,) = (e for e in json.loads(capsys.readouterr().out) if e["name"] == "span.safetensors")
    assert (entry["architecture"], entry["scale"], entry["code_licence"]) == ("spandrel/SPAN", 2, "Apache-2.0")


def test_a_file_that_nothing_knows_has_its_sentence_in_the_list(folder, capsys):
    import torch

    torch.save({"what.weight": torch.zeros(3, 3)}, folder / "models" / "what.pth")
    assert main(["models", "--models-dir", str(folder / "models")]) == OK
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("what.pth"))
    assert line.endswith("does not know it either")


def test_the_load_node_hands_out_what_the_built_in_upscaler_uses(folder):
    host.standalone.model_dirs = [folder / "models"]
    (model,) = NODE_CLASS_MAPPINGS["SengaLoadUpscaleModel"]().load("span.safetensors")
    assert model.scale == 2
    assert model.patcher is None  # set inside ComfyUI
    assert sum(p.numel() for p in model.model.parameters()) > 0
    assert model.to("cpu") is model
