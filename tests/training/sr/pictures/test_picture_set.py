"""What a set of pictures may be: a folder with or without a manifest, or shards; and what is done about bad files."""

import csv
import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import SMALL, drawing, same
from senga.arch import SengaError
from senga.training.sr.patches import batch
from senga.training.sr.pictures import survey
from senga.training.sr.pictures.picture_files import Member, UnreadableError, decode
from senga.training.sr.pictures.picture_set import PictureSet, check_set

HEAD = "file,split,source,licence,width,height\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file;split;source;licence;width;height\n", r"manifest\.csv: has no column 'file'"),
        ("file,source,licence,width,height\n", r"manifest\.csv: has no column 'split'"),
        pytest.param(
            f"{HEAD}a.png,train,a,b,{'9' * 5000},9\n",
            r"^.{,400}, line 2: the size is '9+\.\.\. x '9'; expected whole pixels$",
            id="a long cell 1",
        ),
        pytest.param(
            f"{HEAD}{'a' * 200_000},train,a,b,9,9\n",
            r"manifest\.csv: is not a table that can be read",
            id="a cell of 200,000 characters",
        ),
        ("width,height,file,split,source,licence\n9,9,a.png\n", r"manifest\.csv, line 2: has no split"),
        ("file,split,source,licence,width,height\na,train,b,c,big,3\n", r"line 2: the size is 'big' x '3'"),
        ("width,height,file,split,source,licence\n3\n", r"line 2: has no file"),
        ("file,split,source,licence,width,height\na,valid,b,c,3,3\n", "has 0 train and 0 val pictures"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_its_fault(text, words, tmp_path):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(SengaError, match=words):
        PictureSet(tmp_path, 1.0)


def test_the_manifest_names_the_set(own):
    pictures = PictureSet(own, 1.0)
    assert pictures.sha256 == hashlib.sha256((own / "manifest.csv").read_bytes()).hexdigest()
    assert pictures.licences == ("CC0-1.0", "MIT")
    assert pictures.rejected == []


def test_a_plain_folder_is_a_set_too(plain):
    pictures = PictureSet(plain, 1.0, val_share=0.3)
    assert len(pictures.train) + len(pictures.val) == 30
    assert 3 <= len(pictures.val) <= 17
    assert pictures.licences == ("unknown",)
    assert set(pictures.sources(80)) == {"pictures"}
    assert same(batch(pictures, SMALL, 2, 1, 0), batch(PictureSet(plain, 1.0, val_share=0.3), SMALL, 2, 1, 0))
    assert len(PictureSet(plain, 1.0, val_share=0.0).val) == 1


def test_a_pictures_split_does_not_depend_on_the_others(plain):
    before = {row.file for row in PictureSet(plain, 1.0, val_share=0.3).val}
    gone = sorted(plain.rglob("*.png"))[::3]
    for path in gone:
        path.unlink()
    left = {row.file for row in PictureSet(plain, 1.0, val_share=0.3).val}
    assert left == {name for name in before if (plain / name).is_file()}


def test_the_hash_of_a_plain_folder_is_of_its_contents(plain):
    first = PictureSet(plain, 1.0).sha256
    assert PictureSet(plain, 1.0).sha256 == first
    drawing(80, 99).save(plain / "f0" / "0.png")
    assert PictureSet(plain, 1.0).sha256 != first


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SengaError, match=r"nowhere: there is no such folder"):
        PictureSet(tmp_path / "nowhere", 1.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SengaError, match=r"empty: no manifest and no pictures are in it"):
        PictureSet(tmp_path / "empty", 1.0)
    with pytest.raises(SengaError, match=r"a\.tar: there is no such shard"):
        PictureSet(tmp_path / "a.tar", 1.0)
    with pytest.raises(SengaError, match=r"copy them to a disk"):
        PictureSet("https://example.org/a-{0..3}.tar", 1.0)


# --- bad files --------------------------------------------------------------------------------------------------------


def test_bad_files_are_listed_and_skipped(own, tmp_path, caplog):
    whole = (own / "train0.png").read_bytes()
    (own / "empty.png").write_bytes(b"")
    (own / "text.png").write_bytes(b"this is not a picture")
    (own / "short.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (300, 300), (9, 9, 9)).save(own / "black.png")
    Image.new("RGBA", (300, 300), (9, 9, 9, 0)).save(own / "clear.png")
    drawing(100, 0).save(own / "small.png")
    bad = ("empty", "text", "short", "black", "clear", "gone", "small", "other")
    shutil.copy(own / "train0.png", own / "other.png")
    with (own / "manifest.csv").open("a", newline="") as file:
        for name in bad:
            digest = "0" * 64 if name == "other" else ""
            csv.writer(file).writerow([f"{name}.png", "train", "a", "x", "MIT", digest, 300, 300])
    pictures = PictureSet(own, 1.0)
    rejected = {one.file: one.reason for one in check_set(pictures, 120, tmp_path / "run")}
    assert set(rejected) == {f"{name}.png" for name in bad}
    wanted = {
        "empty": "is empty",
        "text": "cannot be read (UnidentifiedImageError",
        "short": "cannot be read (OSError",
        "black": "has one colour",
        "clear": "has one colour",
        "gone": "is missing",
        "small": "is too small (100 pixels; 120 are needed)",
        "other": "is not the file that the manifest names",
    }
    for name, words in wanted.items():
        assert rejected[f"{name}.png"].startswith(words)
        assert words.partition(" (")[0] in caplog.text
    with (tmp_path / "run" / "rejected.csv").open(newline="") as file:
        assert {row["file"]: row["reason"] for row in csv.DictReader(file)} == rejected
    assert {row.file for row in pictures.train} == {f"train{i}.png" for i in range(4)} | {"small.png"}
    for step in range(5):
        batch(pictures, SMALL, 2, 1, step)


def test_what_was_rejected_changes_the_sets_name(own):
    before = PictureSet(own, 1.0).sha256
    (own / "train1.png").write_bytes(b"")
    after = PictureSet(own, 1.0)
    assert [one.file for one in after.rejected] == ["train1.png"]
    assert after.sha256 != before


def test_a_set_of_which_nothing_is_left_is_an_error(own, tmp_path):
    for path in own.glob("train*.png"):
        path.write_bytes(b"")
    with pytest.raises(SengaError, match=r"0 pictures are left to train on and 3 to validate on, 4 were rejected"):
        check_set(PictureSet(own, 1.0), 100, tmp_path / "run")
    assert len((tmp_path / "run" / "rejected.csv").read_text().splitlines()) == 5


def test_pictures_are_looked_at_once(own, monkeypatch):
    PictureSet(own, 1.0)
    looked: list[str] = []
    real = survey.look
    monkeypatch.setattr(survey, "look", lambda member, stamp: looked.append(member.file) or real(member, stamp))
    PictureSet(own, 1.0)
    assert looked == []
    drawing(230, 5).save(own / "train2.png")
    pictures = PictureSet(own, 1.0)
    assert looked == ["train2.png"]
    assert [row.side for row in pictures.train] == [220, 220, 230, 220]


def test_a_survey_is_kept_in_the_users_cache_where_the_set_cannot_be_written_to(own, tmp_path, monkeypatch):
    (own / ".senga_survey.csv").write_text("nonsense\n1,2,3\n")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    real = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if target.parent == own:
            raise PermissionError("read-only")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    first = PictureSet(own, 1.0)
    assert len(list((tmp_path / "home" / ".cache" / "senga").iterdir())) == 1
    monkeypatch.setattr(survey, "look", lambda member, stamp: pytest.fail(f"{member.file} was looked at again"))
    assert PictureSet(own, 1.0).train == first.train


def test_a_survey_that_cannot_be_written_anywhere_is_no_hindrance(own, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(PermissionError("read-only")))
    assert len(PictureSet(own, 1.0).train) == 4
    assert "the next start will look at every picture again" in caplog.text


def test_a_picture_gone_bad_since_is_named_and_another_one_taken(own, caplog):
    pictures = PictureSet(own, 1.0)
    (own / "train0.png").write_bytes(b"")
    with pytest.raises(UnreadableError, match=r"train0\.png cannot be read any more"):
        pictures.pixels(pictures.train[0])
    for step in range(10):
        batch(pictures, SMALL, 2, 1, step)
    assert "train0.png cannot be read any more" in caplog.text
    for path in own.glob("train*.png"):
        path.unlink()
    fresh = PictureSet.parted(pictures, 1)
    with pytest.raises(UnreadableError, match="cannot be read any more"):
        batch(fresh, SMALL, 2, 1, 0)


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def test_every_mode_is_decoded_to_what_it_shows():
    opaque = drawing(64, 1).convert("RGB")
    exact = np.asarray(opaque)
    assert np.array_equal(decode(encoded(opaque, format="PNG")), exact)
    assert np.array_equal(decode(encoded(opaque.convert("RGBA"), format="PNG")), exact)  # alpha says nothing
    assert decode(encoded(drawing(64, 1), format="WEBP", lossless=True)).shape == (64, 64, 4)
    grey = Image.fromarray(np.asarray(opaque.convert("L")).astype(np.uint16) * 257)
    assert grey.mode == "I;16"
    assert np.array_equal(decode(encoded(grey, format="PNG"))[..., 0], np.asarray(opaque.convert("L")))
    palette = decode(encoded(opaque.quantize(16), format="PNG", transparency=0))
    assert palette.shape == (64, 64, 4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "GIF", "TIFF", "BMP"])
def test_damaged_files_of_every_kind_are_a_finding_and_no_crash(kind, tmp_path):
    whole = encoded(drawing(64, 1).convert("RGB"), format=kind)
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole[: int(rng.integers(1, len(whole) + 1))])
        for place in rng.integers(0, min(len(broken), 200), 4):
            broken[place] = int(rng.integers(256))
        path = tmp_path / "a"
        path.write_bytes(broken)
        facts = survey.look(Member("a", path), "1-1")
        assert facts.fault or facts.width > 0


def test_a_name_that_no_file_can_have_counts_as_missing():
    assert [survey.stamp_of(Path(name)) for name in ("a\0b.png", "x" * 5000)] == ["", ""]
