"""`senga tag` and `senga models` with other programs' taggers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from published_taggers import NAMES, picture, write_tags
from repository import ROOT
from safetensors.torch import save_file
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.benchmarks.onnx_files import write_onnx  # pyright: ignore[reportMissingImports]
from senga.headless.cli import FAILED, OK, main
from torch import ones


@pytest.fixture(autouse=True)
def tagger(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    Path("models/wd-x").mkdir()
    write_onnx(Path("models/wd-x/model.onnx"), len(NAMES))
    write_tags(Path("models/wd-x/selected_tags.csv"))
    Path("set").mkdir()
    for i in range(5):
        picture(40 + i, 30, seed=i).save(f"set/{i}.png")


def lines(capsys: pytest.CaptureFixture[str], *arguments: str, model: str = "models/wd-x/model.onnx") -> list[dict]:
    assert main(["tag", "set", "--print", "--model", model, "--general-threshold", "0", *arguments]) == OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder_of_pictures_is_tagged_as_each_picture_alone(capsys: pytest.CaptureFixture[str]) -> None:
    together = lines(capsys)
    assert [Path(line["file"]).name for line in together] == [f"{i}.png" for i in range(5)]
    assert {line["rating"] for line in together} <= set(NAMES[:4])
    assert "^_^" in together[0]["tags"].split(", ")
    for i, line in enumerate(together):
        main(["tag", f"set/{i}.png", "--print", "--model", "models/wd-x/model.onnx", "--general-threshold", "0"])
        assert json.loads(capsys.readouterr().out)["scores"] == pytest.approx(line["scores"], abs=1e-4)


def test_a_name_of_the_list_below_models_dir(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--models-dir", "models"]) == OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[1:4] for row in rows if row[0] == "wd-x/model.onnx"] == [["onnx/WD", "tagger", "-"]]


def test_folders_of_a_hub_named_one_by_one_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("models/wd-x", "models/wd-y")
    both = ["--models-dir", "models/wd-x", "--models-dir", "models/wd-y"]
    assert main(["models", *both]) == OK
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert [name for name in names if name.endswith(".onnx")] == ["wd-x/model.onnx", "wd-y/model.onnx"]
    for name in ("wd-y/model.onnx", "wd-x/model.onnx"):
        assert main(["tag", "set/0.png", "--print", "--model", name, *both]) == OK


def test_the_channel_order_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {order: lines(capsys, "--channel-order", order)[0]["scores"] for order in ("rgb", "bgr")}
    assert scores["bgr"] == pytest.approx(lines(capsys)[0]["scores"])
    assert np.abs([scores["rgb"].get(name, 0) - value for name, value in scores["bgr"].items()]).max() > 0.01
    # Captions of one order are not taken for those of the other.
    for order, new in (("rgb", 5), ("rgb", 0), ("bgr", 5)):
        capsys.readouterr()
        assert main(["tag", "set", "--model", "models/wd-x/model.onnx", "--channel-order", order]) == OK
        assert len(capsys.readouterr().out.splitlines()) == new


def test_a_network_without_its_files_is_listed_among_taggers_and_named_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_file({"patch_embed.proj.weight": ones(4, 3, 2, 2), "head.weight": ones(7, 4)}, "models/vit.safetensors")
    assert main(["models", "--models-dir", "models", "--json"]) == OK
    (entry,) = [found for found in json.loads(capsys.readouterr().out) if found["name"] == "vit.safetensors"]
    assert "looks like a tagger or classifier of 7 outputs" in entry["error"]
    assert main(["tag", "set", "--model", "models/vit.safetensors"]) == FAILED
    error = capsys.readouterr().err
    assert "put timm's config.json" in error
    assert "ESRGAN" not in error


def test_the_example_makes_a_prompt_once_the_files_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(ROOT / "example_workflows" / "Turn a picture into a prompt.json")
    picture(40, 30).save("set/example.png")
    chosen = "SengaLoadTagger.model_name=ComfyUI-WD14-Tagger/wd-v1-4-moat-tagger-v2.onnx"
    folders = ["--input-dir", "set", "--output-dir", "out", "--models-dir", "models", "--set", chosen]
    assert main(["run", example, *folders]) != OK
    assert "wd-v1-4-moat-tagger-v2.onnx" in capsys.readouterr().err
    shutil.move("models/wd-x", "models/ComfyUI-WD14-Tagger")
    Path("models/ComfyUI-WD14-Tagger/model.onnx").rename("models/ComfyUI-WD14-Tagger/wd-v1-4-moat-tagger-v2.onnx")
    assert main(["run", example, *folders]) == OK
    (caption,) = Path("out/tagged").glob("*.txt")
    assert caption.read_text(encoding="utf-8") in capsys.readouterr().out.splitlines()
