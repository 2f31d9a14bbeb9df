"""Sources under GPL and CC BY-SA: asked for by name, which of their pictures are taken, none of them held out."""

import json
import logging
from pathlib import Path

import pytest
from PIL import Image
from senga.headless.cli import main
from senga.training.datasets.art.copyleft import OPENMOJI_VERSION, WESNOTH_PARTS, openmoji, wesnoth
from senga.training.datasets.fetch import Request

CAMPAIGN = "usr/share/games/wesnoth/1.16/data/campaigns/X/images"


def picture(path: Path, size: tuple[int, int], colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, lossless=True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Both packages, unpacked already."""
    for part in WESNOTH_PARTS:
        (tmp_path / "debian" / f"wesnoth-1.16-{part}").mkdir(parents=True)
    for root, colour in (("wesnoth-1.16-dw", "red"), ("wesnoth-1.16-ei", "blue")):
        images = tmp_path / "debian" / root / CAMPAIGN
        picture(images / "portraits/mage.webp", (400, 500), colour)
        picture(images / "portraits/small.webp", (399, 500), colour)
        picture(images / "story/ship.png", (512, 600), "green")  # the same in both
        picture(images / "story/xmap.png", (900, 900), colour)
        picture(images / "units/horse.png", (900, 900), colour)
    root = tmp_path / "npm/openmoji/node_modules/openmoji"
    (root / "data").mkdir(parents=True)
    (root / "package.json").write_text(json.dumps({"version": OPENMOJI_VERSION}), encoding="utf-8")
    rows = [
        ("1F600", "smileys-emotion", ""),
        ("1F44B-1F3FB", "people-body", "1"),
        ("1F1E6", "flags", ""),
        ("E000", "extras-openmoji", ""),
    ]
    table = [{"hexcode": h, "group": g, "skintone": s, "openmoji_author": "Emily"} for h, g, s in rows]
    (root / "data/openmoji.json").write_text(json.dumps(table), encoding="utf-8")
    return tmp_path


def test_large_portraits_and_paintings_are_taken_once(cache: Path) -> None:
    found = wesnoth(Request(cache))
    assert [(p.name[:-7], p.path.name) for p in found] == [
        ("dw-mage", "mage.webp"),
        ("dw-ship", "ship.png"),
        ("ei-mage", "mage.webp"),
    ]
    assert {(p.licence, p.split) for p in found} == {("GPL-2.0-or-later", "train")}


def test_the_campaigns_of_the_final_benchmark_are_not_trained_on() -> None:
    assert not {"trow", "utbs"} & set(WESNOTH_PARTS)


def test_openmoji_gives_drawings_in_one_skin_tone(cache: Path) -> None:
    (only,) = openmoji(Request(cache))
    assert (only.name, only.author, only.licence, only.split) == ("1f600", "Emily", "CC-BY-SA-4.0", "train")
    assert only.path.name == "1F600.svg"


def test_copyleft_sources_are_refused_without_the_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "senga"):
        assert main(["data", "build-art", "--out", str(tmp_path / "set"), "--only", "wesnoth"]) == 1
    assert "--copyleft" in caplog.text
    assert not (tmp_path / "set").exists()
