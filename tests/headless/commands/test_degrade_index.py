"""`senga degrade` draws a picture's damage from the seed and its own name, whatever other pictures are there."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, main
from senga.headless.commands.degrade import index_of
from senga.training.degradation import Report, degrade, preset

LEVELS = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
NAMES = ("a.png", "b.png", "sub/a.png")


@pytest.fixture(autouse=True)
def album(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    for name in NAMES:
        path = Path("album", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(LEVELS).save(path)


def damaged(*words: str) -> None:
    assert main(["degrade", *words, "--preset", "realesrgan", "--seed", "3"]) == OK


def test_a_picture_is_damaged_alike_alone_and_among_others() -> None:
    damaged("album", "-o", "all/")
    damaged("album/b.png", "-o", "alone.png")
    Path("album", "a.png").unlink()
    damaged("album", "-o", "fewer/")
    assert Path("alone.png").read_bytes() == Path("all/b.png").read_bytes() == Path("fewer/b.png").read_bytes()


def test_equal_pictures_of_other_names_are_damaged_differently() -> None:
    damaged("album", "-o", "all/")
    assert len({Path("all", name).read_bytes() for name in NAMES}) == len(NAMES)


def test_the_index_of_a_name_never_changes() -> None:
    """Results made today are made again by later versions; names that are not UTF-8 have an index, too."""
    assert index_of("a.png") == 139668346994783
    assert index_of("sub/a.png") != index_of("a.png")
    assert 0 <= index_of("\udcff.png") < 2**48


def test_a_report_of_several_pictures_is_replayed_by_their_places() -> None:
    """As reports of batches were made before indices came from names, and as the node makes them."""
    batch = np.stack([LEVELS] * len(NAMES))
    result, report = degrade(batch, preset("realesrgan").with_scale(2), seed=5)
    assert isinstance(report, Report)
    assert [frame["index"] for frame in json.loads(report.to_json())["frames"]] == [0, 1, 2]
    Path("report.json").write_text(report.to_json())
    assert main(["degrade", "album", "-o", "again/", "--recipe", "report.json"]) == OK
    for name, expected in zip(NAMES, result, strict=True):
        with Image.open(Path("again", name)) as picture:
            assert np.array_equal(np.asarray(picture), expected)
