"""Every example workflow in the API format is sound, and makes its picture, with the nodes and weights that ship."""

import json
from pathlib import Path

import pytest
from PIL import Image
from senga.headless.cli import OK, main

EXAMPLES = Path(__file__).resolve().parent.parent / "example_workflows"
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
