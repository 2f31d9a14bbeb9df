"""People in other styles than avatars: true counts, splits by artist, equal builds. Drawings of our own; no network."""

import csv
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from senga.arch import SengaError
from senga.headless.cli import FAILED, main
from senga.training.datasets.avatars.grounds import Clip
from senga.training.datasets.manifest import Row, write_manifest
from senga.training.datasets.negatives.pictures import COLOUR
from senga.training.datasets.people.build import build, load_casts, read_counts
from senga.training.datasets.people.pictures import KINDS, MANY, OTHERS, _bust, said_of

LIMIT = 6
COUNTS = {
    **{f"drawn/thing{i}": 0 for i in range(4)},
    **{f"drawn/figure{i}": 1 for i in range(5)},
    "drawn/pair": 2,
    "drawn/crowd": MANY,
    "drawn/held_out": 1,
    **{f"drawn/held_out_thing{i}": 0 for i in range(3)},
}


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("art"), []
    for number, name in enumerate((*COUNTS, "drawn/not_counted")):
        split = "val" if "held_out" in name else "train"
        target = folder / split / f"{name}.webp"
        target.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGBA", (40, 60 + 10 * (number % 6)))
        ImageDraw.Draw(image).ellipse((2, 2, 38, 50), fill=(200, 10 * number, 60, 255))
        image.save(target, lossless=True)
        file = target.relative_to(folder).as_posix()
        rows.append(Row(file, split, "drawn", f"by {name}", "MIT" if number % 2 else "CC0-1.0", "", *image.size))
    write_manifest(rows, folder / "manifest.csv")
    return folder


@pytest.fixture(scope="module")
def built(art: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("people")
    build(load_casts(art, COUNTS), out, LIMIT)
    return out


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_bust_keeps_head_and_shoulders_and_no_empty_margin() -> None:
    image = Image.new("RGBA", (60, 100))
    ImageDraw.Draw(image).rectangle((20, 0, 39, 99), fill=(200, 90, 60, 255))
    sizes = [_bust(Clip(image, "x", "MIT"), random.Random(seed)).image.size for seed in range(200)]
    assert {width for width, _ in sizes} == {20}
    assert 46 <= min(height for _, height in sizes) < 50
    assert 70 < max(height for _, height in sizes) <= 75


def test_the_count_and_the_colour_alone_are_known(built: Path) -> None:
    rows = rows_of(built)
    assert {row["style"] for row in rows} == {f"people_{kind}" for kind in KINDS}
    for row in rows:
        tags, known = {*row["tags"].split()} - COLOUR, {*row["known"].split()} - COLOUR
        expected = {"people_alone": {"solo"}, "people_nobody": {"no_humans"}}.get(row["style"], set())
        assert tags == expected
        assert {"solo", "no_humans"} <= known
        assert not known - {"solo", "no_humans", "1other", "multiple_others", *OTHERS.values()}


@pytest.mark.parametrize(
    ("people", "tags", "known_to_be_absent"),
    [
        (0, {"no_humans"}, {"solo", "1other", "multiple_others", *OTHERS.values()}),
        (1, {"solo"}, {"no_humans", "multiple_others", *OTHERS.values()}),  # not 1other: sex is not in the table
        (3, set(), {"solo", "no_humans", "4others", "5others"}),  # three others? or girls: nothing is said of 3others
        (MANY, set(), {"solo", "no_humans"}),
    ],
)
def test_what_a_count_says(people: int, tags: set[str], known_to_be_absent: set[str]) -> None:
    said, known = said_of(people)
    assert said == tags
    assert known - said == known_to_be_absent


def test_held_out_artists_are_held_out_and_each_is_named(built: Path) -> None:
    for row in rows_of(built):
        authors = row["author"].split("; ")
        assert all(("held_out" in author) == (row["split"] == "val") for author in authors)
        assert {*row["licence"].split(" AND ")} <= {"MIT", "CC0-1.0"}
        assert "by drawn/not_counted" not in authors


def test_equal_builds_and_nothing_else_in_the_folder(art: Path, built: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "train_alone_9999.webp").write_bytes(b"left by an earlier build")
    build(load_casts(art, COUNTS), tmp_path, LIMIT)
    assert (tmp_path / "manifest.csv").read_bytes() == (built / "manifest.csv").read_bytes()
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.webp")}
    assert found == {row["file"] for row in rows_of(built)}


def test_art_without_counted_pictures_is_refused(art: Path) -> None:
    with pytest.raises(SengaError, match=r"names none of the 1 counted pictures; expected a folder of `senga data"):
        load_casts(art, {"drawn/elsewhere": 1})
    with pytest.raises(SengaError, match=r"names no counted picture without people, and every kind needs some"):
        load_casts(art, {name: people for name, people in COUNTS.items() if people})


def test_what_the_folder_s_manifest_holds_wrong_is_named(art: Path, tmp_path: Path) -> None:
    shutil.copytree(art, tmp_path / "art")
    manifest = tmp_path / "art" / "manifest.csv"
    whole = manifest.read_text(encoding="utf-8")
    rows = rows_of(art)
    picture = tmp_path / "art" / next(row["file"] for row in rows if row["file"].endswith(f"{next(iter(COUNTS))}.webp"))

    def refused(text: str) -> str:
        manifest.write_text(text, encoding="utf-8")
        with pytest.raises(SengaError) as caught:
            load_casts(tmp_path / "art", COUNTS)
        return str(caught.value)

    size = f"{rows[0]['width']},{rows[0]['height']}"
    assert "line 2: the size is 'wide' x '2'; expected whole pixels" in refused(whole.replace(size, "wide,2", 1))
    assert "has no column 'author' (it has file,split" in refused(whole.replace("author", "by", 1)).replace(", ", ",")
    assert "names none of the" in refused(whole.replace(",train,", ",test,").replace(",val,", ",test,"))
    picture.write_bytes(b"no picture")
    assert f"{picture}: cannot be read" in refused(whole)


def test_the_table_counts_many_pictures_of_people_and_no_reserved_source() -> None:
    counts = read_counts()
    assert sum(count != 0 for count in counts.values()) >= 150
    assert sum(count == 0 for count in counts.values()) >= 500
    assert {name.partition("/")[0] for name in counts} == {"openclipart", "art_pack", "renpy_demo"}
    assert all(count == MANY or 0 <= count < 10 for count in counts.values())


def test_a_wrong_call_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    for option, other in (("--out", "--art"), ("--art", "--out")):
        words = ["data", "build-people", option, str(tmp_path / "file"), other, str(tmp_path / "new")]
        assert main(words) == FAILED
        assert capsys.readouterr().err == f"senga: {option} {tmp_path / 'file'}: is a file; expected a folder\n"
    with pytest.raises(SystemExit, match="2"):
        main(["data", "build-people", "--out", str(tmp_path / "new"), "--limit", "0"])
    assert not (tmp_path / "new").exists()
