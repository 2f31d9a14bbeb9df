"""Pictures without people for the tagger: labels that are true, splits without leaks, equal builds. No network."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from senga.headless.cli import FAILED, main
from senga.training.datasets.avatars.grounds import Clip
from senga.training.datasets.avatars.styles import FAMILIES
from senga.training.datasets.fetch import SourceError
from senga.training.datasets.negatives.build import SPLITS, build
from senga.training.datasets.negatives.pictures import COLOUR, KINDS, colour_of

COUNTS = {"solo", "1other", *FAMILIES["count"]}
LIMIT = 30


def clip(number: int) -> Clip:
    image = Image.new("RGBA", (120, 160 - number % 40))
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 10, 110, 100), fill=(200, 40 + number, 30, 255))
    pen.rectangle((40, 60, 80, 118), fill=(30, 90, 200, 255))
    return Clip(image, f"author {number}", "Public-Domain")


CLIPS = {
    use: {split: [clip(10 * i + k) for k in range(8)] for i, split in enumerate(SPLITS)} for use in ("things", "all")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("negatives")
    build(CLIPS, folder, LIMIT)
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_nobody_is_on_the_pictures_and_that_is_known(built: Path) -> None:
    rows = [row for row in rows_of(built) if row["style"] != "negative_drawing"]
    assert {row["style"] for row in rows} == {f"negative_{kind}" for kind in KINDS} - {"negative_drawing"}
    for row in rows:
        tags, unknown = ({*row[name].split()} for name in ("tags", "unknown"))
        assert "no_humans" in tags
        assert row["known"] == ""
        assert not COUNTS & (tags | unknown)
        said = {*FAMILIES["ground"], *FAMILIES["look"], "no_humans"}
        assert tags | unknown <= said  # hair, faces, clothes: known to be absent
        assert not tags & unknown


def test_of_drawings_of_anything_the_colour_alone_is_known(built: Path) -> None:
    rows = [row for row in rows_of(built) if row["style"] == "negative_drawing"]
    assert len(rows) == LIMIT
    for row in rows:
        assert {*row["tags"].split()} <= COLOUR
        assert {*row["known"].split()} <= COLOUR
        assert row["known"]
    assert any(row["tags"] for row in rows)
    assert any(row["tags"] == "" and {*row["known"].split()} == COLOUR for row in rows)


def test_colour_tags_are_those_that_are_measured(built: Path) -> None:
    for row in rows_of(built):
        pixels = np.asarray(Image.open(built / row["file"]).convert("RGB"), dtype=int)
        grey = int((pixels.max(2) - pixels.min(2)).max()) <= 6
        if "greyscale" in row["tags"].split():
            assert grey
            assert "monochrome" in row["tags"]
        elif grey:
            assert "greyscale" in row["unknown"].split()


def test_no_clip_is_in_two_splits(built: Path) -> None:
    owners = [({*row["author"].split("; ")} - {""}, row["split"]) for row in rows_of(built)]
    for split in SPLITS:
        ours, others = (set().union(*(a for a, s in owners if (s == split) == same)) for same in (True, False))
        assert not ours & others


def test_equal_builds_and_nothing_else_in_the_folder(built: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "empty_9999.webp").write_bytes(b"")
    build(CLIPS, tmp_path, LIMIT)
    assert (tmp_path / "manifest.csv").read_bytes() == (built / "manifest.csv").read_bytes()
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.webp")} == {
        row["file"] for row in rows_of(built)
    }


def test_pictures_of_others_in_the_folder_stay_and_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = ("train/holiday.webp", "train/empty_of_people.webp", "train/empty_beach.webp", "more/empty_1.webp")
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    build(CLIPS, tmp_path, 1)
    for name in mine:
        assert (tmp_path / name).read_bytes() == b"mine"
    assert f"{tmp_path / 'train/holiday.webp'}: is not of this set and stays" in caplog.text


def test_few_drawings_are_enough_and_none_are_named(tmp_path: Path) -> None:
    few = {use: {split: made[:1] for split, made in splits.items()} for use, splits in CLIPS.items()}
    assert len(build(few, tmp_path / "few", 3)) == 3 * len(KINDS)
    with pytest.raises(SourceError, match=r"openclipart: has no drawing for .* in (train|val|test); raise --limit"):
        build({}, tmp_path / "none", 3)


@pytest.mark.parametrize("builder", ["build-art", "build-avatars", "build-negatives"])
def test_a_wrong_call_of_a_builder_is_one_sentence(
    builder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    for count in ("0", "-5", "many", "9" * 5000):
        with pytest.raises(SystemExit, match="2"):
            main(["data", builder, "--out", str(tmp_path / "new"), f"--limit={count}"])
        assert "is not a number of pictures; expected 1 or more" in capsys.readouterr().err.splitlines()[-1]
    for option, other in (("--out", "--cache"), ("--cache", "--out")):
        words = ["data", builder, option, str(tmp_path / "file"), other, str(tmp_path / "new")]
        assert main(words) == FAILED
        assert capsys.readouterr().err == f"senga: {option} {tmp_path / 'file'}: is a file; expected a folder\n"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("colours", "tags", "doubt"),
    [
        (["#808080", "#101010"], {"greyscale", "monochrome"}, set()),
        (["red", "blue"], set(), set()),
        (["#704214", "#e0c090"], set(), {"monochrome", "sepia"}),
        (["#808080", "#80808c"], set(), COLOUR),  # hardly coloured
    ],
)
def test_what_the_colours_of_a_picture_say(colours: list[str], tags: set[str], doubt: set[str]) -> None:
    image = Image.new("RGB", (40, 40), colours[0])
    image.paste(Image.new("RGB", (40, 20), colours[1]), (0, 20))
    assert colour_of(image) == (tags, doubt)


def test_a_plain_picture_is_neither_grey_nor_not() -> None:
    made = [KINDS["empty"].make(random.Random(str(number)), ()) for number in range(60)]
    plain = [one for one in made if len(one.image.getcolors(65536) or ()) == 1 and "white_background" in one.tags]
    assert plain
    assert all("greyscale" in one.unknown for one in plain)
