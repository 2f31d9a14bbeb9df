"""What a tagger says of pictures without people: the table counts the pictures that get a count of people."""

from pathlib import Path

import pytest
from PIL import Image
from sample_taggers import NAMES, known_tagger
from senga.arch import save_model
from senga.benchmarks import nobody  # pyright: ignore[reportMissingImports]


def write_tagger(path: Path, **scores: float) -> Path:
    names = ("solo", "2others", "greyscale", *NAMES[3:])
    save_model(path, known_tagger([scores.get(name, 0.01) for name in names], names=names))
    return path


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    (tmp_path / "drawings").mkdir()
    for number in range(2):
        Image.new("RGBA", (20, 30), (200, 40 * number, 0, 255)).save(tmp_path / "drawings" / f"{number}.png")
    return tmp_path / "drawings"


@pytest.mark.parametrize(
    ("scores", "people", "grey", "highest"),
    [({"solo": 0.9, "2others": 0.6}, 2, 0, 0.9), ({"2others": 0.2, "greyscale": 0.8}, 0, 2, 0.2)],
)
def test_a_line_counts_people_and_grey(
    scores: dict[str, float], people: int, grey: int, highest: float, tmp_path: Path, drawings: Path, capsys
) -> None:
    model = write_tagger(tmp_path / "t.safetensors", **scores)
    nobody.main(["--model", str(model), "--drawings", str(drawings)])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:12] for line in lines[:3]] == ["pictures    ", "white square", "black square"]
    found = lines[-1].removeprefix("drawings of drawings").split()
    assert found[:4] == ["2", str(people), f"{highest:.3f}", str(grey)]
