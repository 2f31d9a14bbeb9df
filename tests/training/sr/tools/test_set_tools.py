"""`senga data check` and `senga data tile`: what they report, cut and leave alone."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import drawing, make_set
from senga.arch import SengaError
from senga.headless.cli import FAILED, OK, main
from senga.training.sr.pictures.picture_files import Picture
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.tools.check_pictures import Look, duplicates
from senga.training.sr.tools.tile_pictures import tiles_of


def on_white(seed: int, side: int = 256) -> Image.Image:
    page = Image.new("RGB", (side, side), "white")
    picture = drawing(side, seed)
    page.paste(picture, mask=picture)
    return page


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    (folder / "deep").mkdir(parents=True)
    on_white(0).save(folder / "a.png")
    on_white(0).resize((128, 128)).save(folder / "deep/half.png")
    on_white(1).save(folder / "bad.jpg", quality=30)
    on_white(2, 100).resize((300, 300), Image.Resampling.NEAREST).save(folder / "large_pixels.png")
    Image.new("RGB", (200, 200), "white").save(folder / "white.png")
    (folder / "<b>|`x`.png").write_text("no picture")
    return folder


def sections(text: str, mark: str) -> dict[str, str]:
    parts = text.split(mark)[1:]
    return {part.split(":")[0]: part for part in parts}


@pytest.mark.parametrize(("name", "mark"), [("report.html", "<h2>"), ("report.md", "\n## ")])
def test_a_report_has_each_finding_with_its_thumbnail(album: Path, name: str, mark: str) -> None:
    before = {path: path.read_bytes() for path in album.rglob("*.*")}
    assert main(["data", "check", "album", "--out", name]) == OK
    assert {path: path.read_bytes() for path in album.rglob("*.*")} == before
    text = Path(name).read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;&#124;`x`.png" in text
    found = sections(text, mark)
    assert list(found) == ["Cannot be read", "Duplicates", "JPEG damage", "Look enlarged", "Little in them", "Small"]
    named = {
        title: [file for file in ("a.png", "half.png", "bad.jpg", "large_pixels.png", "white.png") if file in part]
        for title, part in found.items()
    }
    assert named == {
        "Cannot be read": [],
        "Duplicates": ["a.png", "half.png"],
        "JPEG damage": ["bad.jpg"],
        "Look enlarged": ["large_pixels.png"],
        "Little in them": ["white.png"],
        "Small": ["half.png"],
    }
    assert "`x`.png cannot be read (cannot identify its format; it is not a picture, or damaged)" in text
    assert "file of quality 30" in found["JPEG damage"]
    assert "each pixel is 3 x 3" in found["Look enlarged"]
    if name.endswith(".md"):
        thumbnails = sorted(Path("report_thumbnails").iterdir())
        assert len(thumbnails) == 4  # those of the duplicates are the same
        assert all(f"]({path.as_posix()})" in text for path in thumbnails)
    else:
        assert text.count("data:image/jpeg;base64,") == 6


def test_every_picture_is_in_one_group_of_duplicates_at_most() -> None:
    hashes = [0, 0b111111, 0b111111111111, 2**63 - 1, 2**64 - 1, 0xFFFF << 40]
    looks = [Look(str(i), 10 + i, 10, hash=value) for i, value in enumerate(hashes)]
    groups = [[one.file for one in group] for group in duplicates(looks)]
    assert groups == [["2", "1", "0"], ["4", "3"]]  # a chain is one group


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere", "--out", "r.html"], "nowhere: there is no such folder; name a folder of pictures"),
        (["check", "album", "--out", "r.txt"], "--out r.txt: the report is HTML or Markdown"),
        (["tile", "album", "out", "--side", "4"], "--side 4: expected 16 or more pixels"),
        (["tile", "album", "album/tiles", "--side", "64"], "album/tiles: is in album, whose pictures are cut"),
        (["tile", "album", "out", "--side", "64", "--least-content", "2"], "--least-content 2.0: expected a share"),
        (["tile", "album", "out", "--side", "999"], "album: no tile of 999 pixels a side is left of 4 pictures"),
        (["tile", "album", "album", "--side", "64"], "album: is in album"),
    ],
)
def test_a_wrong_call_is_one_sentence(
    album: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == FAILED
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_tiles_are_the_middle_of_the_picture_without_overlap() -> None:
    picture: Picture = np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)
    found = list(tiles_of(picture, 32))
    assert [(top, left) for top, left, _ in found] == [(top, left) for top in (3, 35) for left in (2, 34, 66)]
    for top, left, tile in found:
        assert np.array_equal(tile, picture[top : top + 32, left : left + 32])


def test_tiles_with_little_in_them_are_left_out_and_the_rest_trains(album: Path) -> None:
    page = np.full((128, 256, 3), 255, np.uint8)
    page[:, 128:] = np.asarray(on_white(5, 128))
    Image.fromarray(page).save(album / "half_empty.png")
    assert main(["data", "tile", "album", "out", "--side", "128"]) == OK
    with Path("out/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {path.relative_to("out").as_posix() for path in Path("out").rglob("*.png")}
    assert "half_empty_png_0_128.png" in {row["file"] for row in rows}
    assert "half_empty_png_0_0.png" not in {row["file"] for row in rows}
    assert np.array_equal(np.asarray(Image.open("out/half_empty_png_0_128.png")), page[:, 128:])
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["file"].rsplit("_", 2)[0], set()).add(row["split"])
    assert all(len(split) == 1 for split in splits.values())
    opened = PictureSet(Path("out"), 0.0)
    assert opened.train
    assert opened.val
    assert opened.rejected == []
    assert main(["data", "tile", "album", "out", "--side", "128"]) == FAILED  # not into old tiles


def test_tiles_keep_the_split_source_and_licence_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    make_set(tmp_path / "set")
    assert main(["data", "tile", str(tmp_path / "set"), str(tmp_path / "out"), "--side", "100"]) == OK
    tiles, whole = (PictureSet(tmp_path / name, 0.0) for name in ("out", "set"))
    about = {row.file.replace(".", "_"): (row.split, row.source, row.licence) for row in [*whole.train, *whole.val]}
    found = {row.file.rsplit("_", 2)[0]: (row.split, row.source, row.licence) for row in [*tiles.train, *tiles.val]}
    assert found == about
    assert tiles.pixels(tiles.train[0]).shape == (100, 100, 4)


def test_names_in_a_manifest_do_not_lead_tiles_out_of_their_folder(tmp_path: Path) -> None:
    album, other = tmp_path / "album", tmp_path / "other"
    for folder in (album, other):
        folder.mkdir()
    make_set(other)
    names = [(other / "train0.png").as_posix(), "../other/val0.png", "train1.png", "train1_png"]
    on_white(3).save(album / "train1.png")
    (album / "train1_png").write_bytes((album / "train1.png").read_bytes())
    lines = [f"{name},{'val' if 'val' in name else 'train'},a,x,220,220" for name in names]
    (album / "manifest.csv").write_text("\n".join(["file,split,source,licence,width,height", *lines]) + "\n")
    before = sorted(tmp_path.rglob("*"))
    assert main(["data", "tile", str(album), str(tmp_path / "out"), "--side", "200"]) == OK
    out = tmp_path / "out"
    new = {path for path in tmp_path.rglob("*") if path not in before and out not in (path, *path.parents)}
    assert new == {album / ".senga_survey.csv"}
    with (out / "manifest.csv").open(newline="") as file:
        files = [row["file"] for row in csv.DictReader(file)]
    assert len(files) == len(set(files)) == 4  # a picture's tiles replace no other's
    assert {out / file for file in files} == set(out.rglob("*.png"))


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    from senga.training.sr.tools.check_pictures import check

    with pytest.raises(SengaError, match="no pictures are in it"):
        check(tmp_path, tmp_path / "r.html", 192)
