"""Every example workflow in the API format is sound, and makes its picture, with the nodes and weights that ship."""

import json
from pathlib import Path

import pytest
from PIL import Image
from repository import ROOT
from sample_taggers import known_tagger
from senga.arch import save_model
from senga.headless.cli import OK, main
from senga.nodes import host

EXAMPLES = ROOT / "example_workflows"
FILES = sorted((EXAMPLES / "api").glob("*.json"))


def test_there_are_examples() -> None:
    assert "upscale" in {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_node_has_a_title(path: Path) -> None:
    assert all(node["_meta"]["title"] for node in json.loads(path.read_text(encoding="utf-8")).values())


def test_the_upscaling_example_keeps_the_alpha(tmp_path: Path) -> None:
    """On a corner of the picture: the whole takes too long for a test."""
    with Image.open(EXAMPLES / "senga_lucy.png") as picture:
        (tmp_path / "input").mkdir()
        has_alpha = picture.has_transparency_data
        picture.crop((0, 0, 40, 30)).save(tmp_path / "input" / "senga_lucy.png")
    folders = ["--input-dir", str(tmp_path / "input"), "--output-dir", str(tmp_path / "output")]
    assert main(["run", str(EXAMPLES / "api" / "upscale.json"), *folders]) == OK
    with Image.open(tmp_path / "output" / "senga_lucy_00001_.png") as result:
        assert result.size == (80, 60)
        assert result.mode == "RGBA"
        if has_alpha:
            assert result.getchannel("A").getextrema() != (255, 255)


def test_the_degrading_example_ends_at_the_first_size_with_its_alpha(tmp_path: Path) -> None:
    with Image.open(EXAMPLES / "senga_lucy.png") as picture:
        (tmp_path / "input").mkdir()
        picture.crop((80, 20, 120, 50)).save(tmp_path / "input" / "senga_lucy.png")
    folders = ["--input-dir", str(tmp_path / "input"), "--output-dir", str(tmp_path / "output")]
    assert main(["run", str(EXAMPLES / "api" / "degrade_upscale.json"), *folders]) == OK
    for name, size in (("senga_degraded", (20, 15)), ("senga_degrade_upscaled", (40, 30))):
        with Image.open(tmp_path / "output" / f"{name}_00001_.png") as result:
            assert result.size == size
            assert result.mode == "RGBA"
            assert result.getchannel("A").getextrema() == (0, 255)


def test_the_tagging_example_prints_the_prompt_once_and_saves_picture_and_caption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "senga_tagger_large.safetensors"
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models" / model, known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    monkeypatch.setattr(host, "standalone", host.Standalone())
    if model in host.shipped_taggers():  # this test knows what its own tagger answers
        monkeypatch.setattr(host, "shipped_taggers", list)
    with Image.open(EXAMPLES / "senga_lucy.png") as picture:
        (tmp_path / "input").mkdir()
        picture.crop((80, 20, 120, 50)).save(tmp_path / "input" / "senga_lucy.png")
    folders = ["--input-dir", str(tmp_path / "input"), "--output-dir", str(tmp_path / "output")]
    models = ["--models-dir", str(tmp_path / "models")]
    prompt = "1girl, solo, hatsune miku, ^_^, cat \\(animal\\), long hair"
    for name in ("api/tag_to_prompt.json", "Turn a picture into a prompt.json"):
        chosen = ["--set", "LoadImage.image=senga_lucy.png"]
        assert main(["run", str(EXAMPLES / name), *folders, *models, *chosen]) == OK
        lines = capsys.readouterr().out.splitlines()
        assert sorted(Path(line).suffix for line in lines) == ["", ".png", ".txt"]
        assert prompt in lines
    for number in (1, 2):
        caption = tmp_path / "output" / "tagged" / f"senga_{number:05}_.txt"
        assert caption.read_text(encoding="utf-8") == prompt
        with Image.open(caption.with_suffix(".png")) as picture:
            assert picture.size == (40, 30)


def test_tags_that_no_node_takes_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "standalone", host.Standalone())
    save_model(tmp_path / "t.safetensors", known_tagger([0.5, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.2, 0.1]))
    prompt = json.loads((EXAMPLES / "api" / "tag_to_prompt.json").read_text(encoding="utf-8"))
    alone = {name: prompt[name] for name in ("1", "2", "3")}
    (tmp_path / "w.json").write_text(json.dumps(alone), encoding="utf-8")
    folders = ["--input-dir", str(EXAMPLES), "--output-dir", str(tmp_path), "--models-dir", str(tmp_path)]
    assert main(["run", str(tmp_path / "w.json"), *folders, "--set", "2.model_name=t.safetensors"]) == OK
    assert capsys.readouterr().out.splitlines() == ["1girl, ^_^"]
