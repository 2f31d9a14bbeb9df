"""WebDataset shards: the same batches as from the folder they were packed from."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sample_picture_sets import SMALL, same
from senga.arch import SengaError
from senga.headless.cli import main
from senga.training.sr.patches import batch
from senga.training.sr.pictures import survey
from senga.training.sr.pictures.picture_set import PictureSet


def pack(folder: Path, out: Path, shards: int, notes: bool = True) -> str:
    """The set as WebDataset shards, written by tarfile; the order is not the manifest's."""
    lines = list(csv.DictReader((folder / "manifest.csv").open(newline="")))[::-1]
    out.mkdir()
    for i in range(shards):
        with tarfile.open(out / f"s-{i:03d}.tar", "w") as tar:
            for line in lines[i::shards]:
                tar.add(folder / line["file"], line["file"])
                note = json.dumps(line).encode()
                info = tarfile.TarInfo(line["file"].replace(".png", ".json"))
                info.size = len(note)
                if notes:
                    tar.addfile(info, io.BytesIO(note))
    return (out / f"s-{{000..{shards - 1:03d}}}.tar").as_posix()


def test_shards_give_the_batches_of_the_folder(art, tmp_path):
    pytest.importorskip("webdataset")
    folder, shards = PictureSet(art, 1.0), PictureSet(pack(art, tmp_path / "a", 3), 1.0)
    assert [row.file for row in shards.train] == [row.file for row in folder.train]
    assert shards.licences == folder.licences
    for step in (4, 0):
        assert same(batch(shards, SMALL, 2, 1, step), batch(folder, SMALL, 2, 1, step))
    assert PictureSet(pack(art, tmp_path / "b", 1), 1.0).sha256 == shards.sha256  # however they are cut
    assert len(PictureSet(str(tmp_path / "a" / "*.tar"), 1.0).train) == 4


def test_shards_without_notes_give_the_batches_of_a_plain_folder(own, tmp_path):
    shards = PictureSet(pack(own, tmp_path / "a", 1, notes=False).replace("{000..000}", "000"), 1.0)
    (own / "manifest.csv").unlink()
    plain = PictureSet(own, 1.0)
    assert (plain.train, plain.val, plain.sha256) == (shards.train, shards.val, shards.sha256)
    assert same(batch(shards, SMALL, 2, 1, 0), batch(plain, SMALL, 2, 1, 0))


def test_shards_are_indexed_once_and_again_when_they_change(art, tmp_path, monkeypatch):
    pattern = pack(art, tmp_path / "a", 1).replace("{000..000}", "000")
    PictureSet(pattern, 1.0)
    listed: list[Path] = []
    real = survey.list_shard
    monkeypatch.setattr(survey, "list_shard", lambda path: listed.append(path) or real(path))
    assert len(PictureSet(pattern, 1.0).train) == 4
    assert listed == []
    with tarfile.open(pattern, "a") as tar:
        tar.add(art / "train0.png", "more.png")
    assert len(PictureSet(pattern, 1.0).train) + len(PictureSet(pattern, 1.0).val) == 8
    assert listed == [Path(pattern)]


def test_bad_shards_are_named_and_bad_pictures_in_them_skipped(art, tmp_path, caplog):
    pattern = pack(art, tmp_path / "a", 1).replace("{000..000}", "000")
    whole = Path(pattern).read_bytes()
    Path(pattern).write_bytes(whole[: len(whole) * 2 // 3])
    pictures = PictureSet(pattern, 1.0)
    assert len(pictures.rejected) <= 1  # the one that was cut through
    assert 3 <= len(pictures.train) + len(pictures.val) < 7
    (tmp_path / "none.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(SengaError, match=r"none\.tar: is not a tar file"):
        PictureSet(tmp_path / "none.tar", 1.0)


def test_a_note_of_deep_json_counts_as_none(art, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(art / "train0.png", "a.png")
        info = tarfile.TarInfo("a.json")
        info.size = 100_000
        tar.addfile(info, io.BytesIO(b"[" * info.size))
    (only,) = PictureSet(tmp_path / "a.tar", 1.0).val
    assert (only.file, only.licence) == ("a.png", "unknown")


def test_a_name_that_two_shards_have_is_told_apart(art, tmp_path):
    for name in ("a", "b"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.add(art / f"train{int(name == 'b')}.png", "same.png")
    pictures = PictureSet(str(tmp_path / "*.tar"), 1.0)
    (one,), (other,) = pictures.train, pictures.val
    assert {one.file, other.file} == {"same.png", "b.tar/same.png"}
    assert not np.array_equal(pictures.pixels(one), pictures.pixels(other))


def test_packed_shards_are_the_set_they_were_made_from(art, tmp_path):
    pytest.importorskip("webdataset")
    out = [tmp_path / name / "art-%02d.tar" for name in ("a", "b")]
    for pattern in out:
        assert main(["data", "pack", "--folder", str(art), "--out", str(pattern), "--shard-mib", "0.01"]) == 0
    shards = sorted(out[0].parent.glob("*.tar"))
    assert len(shards) > 1
    assert [path.read_bytes() for path in shards] == [path.read_bytes() for path in sorted(out[1].parent.glob("*.tar"))]
    folder, packed = (
        PictureSet(art, 1.0),
        PictureSet(str(out[0].parent / f"art-{{00..{len(shards) - 1:02d}}}.tar"), 1.0),
    )
    assert packed.train == folder.train
    assert packed.val == folder.val
    assert same(batch(packed, SMALL, 2, 1, 3), batch(folder, SMALL, 2, 1, 3))


def test_the_library_itself_reads_what_was_packed(art, tmp_path):
    wds = pytest.importorskip("webdataset")
    main(["data", "pack", "--folder", str(art), "--out", str(tmp_path / "art-%d.tar")])
    found = list(wds.WebDataset(str(tmp_path / "art-0.tar"), shardshuffle=False, empty_check=False))
    assert [json.loads(one["json"])["file"] for one in found] == sorted(path.name for path in art.glob("*.png"))
    assert found[0]["png"] == (art / "train0.png").read_bytes()


def test_a_plain_folder_is_packed_with_its_split(plain, tmp_path):
    pytest.importorskip("webdataset")
    main(["data", "pack", "--folder", str(plain), "--out", str(tmp_path / "p-%d.tar")])
    folder, packed = PictureSet(plain, 1.0), PictureSet(tmp_path / "p-0.tar", 1.0, val_share=0.9)
    assert (packed.train, packed.val, packed.sha256) == (folder.train, folder.val, folder.sha256)


def test_a_pattern_without_a_number_is_refused(art, caplog):
    assert main(["data", "pack", "--folder", str(art), "--out", "a.tar"]) == 1
    assert "expected a pattern for numbered files" in caplog.text


def test_half_a_character_in_a_note_is_left_out_of_it(own, tmp_path):
    """JSON may hold one; no file of ours can."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for path in sorted(own.rglob("*.png")):
            tar.add(path, path.name)
            note = json.dumps({"file": "half \ud83e.png", "source": "\udc83", "licence": "MIT"}).encode()
            info = tarfile.TarInfo(path.with_suffix(".json").name)
            info.size = len(note)
            tar.addfile(info, io.BytesIO(note))
    pictures = PictureSet(str(tmp_path / "a.tar"), 1.0)
    rows = pictures.train + pictures.val
    assert {row.file for row in rows} == {path.name for path in own.rglob("*.png")}
    assert {(row.source, row.licence) for row in rows} == {("pictures", "MIT")}
