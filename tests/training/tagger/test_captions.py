"""Folders of captions: every encoding, pictures that cannot be read or look alike, and which files count."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_pictures import tiff
from sample_tag_sets import captions, drawing, settings, tags_of
from senga.arch import SengaError
from senga.arch.files import reading
from senga.training.sr.pictures.picture_files import list_folder
from senga.training.tagger.index import build_index
from senga.training.tagger.settings import DataSettings
from senga.training.tagger.sources import fingerprint, kinships, parse_caption, read_captions

KINDS = ("general", "character")


def test_captions_are_read_as_kohyas_scripts_write_them():
    caption = parse_caption(r"1girl, Long Hair ||| saber \(fate\), ^_^, character:mika (sky), rating: safe, , 1girl")
    assert caption.mixed == ("1girl", "long_hair", "saber_(fate)", "^_^")
    assert caption.characters == ("mika_(sky)",)
    assert caption.rating == "safe"
    assert parse_caption(":d, :3").mixed == (":d", ":3")


def test_a_folder_of_captions_gives_its_tags(tmp_path):
    folder = captions(tmp_path / "set", 40)
    (folder / "10_shapes" / "without.png").write_bytes(b"")
    (folder / "10_shapes" / "broken.png").write_bytes(b"no picture")
    (folder / "10_shapes" / "broken.txt").write_text("circle")
    index = build_index(settings("captions", folder), tmp_path / "s")
    assert len(index) == 40
    for i in range(40):
        _, general, characters = drawing(int(Path(str(index.files[i])).stem))
        assert tags_of(index, i) == {*general, *characters}
    assert index.counts()[1][-3:].tolist() == [0, 0, 0]  # nothing says how these are rated


def test_pictures_that_look_alike_are_kin(tmp_path):
    rng = np.random.default_rng(0)
    scenes = [Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((160, 160)) for _ in range(4)]
    for i, scene in enumerate(scenes):
        scene.save(tmp_path / f"{i}a.png")
        scene.resize((120, 120)).save(tmp_path / f"{i}b.jpg", quality=70)
    Image.new("RGB", (50, 50), "white").save(tmp_path / "4a.png")
    Image.new("RGB", (60, 60), "black").save(tmp_path / "4b.png")
    prints = np.stack([fingerprint(path) for path in sorted(tmp_path.iterdir())])
    assert kinships(prints) == [0, 0, 2, 2, 4, 4, 6, 6, 8, 9]


def test_pictures_that_cannot_be_read_are_left_out_and_a_folder_without_others_is_one_line(tmp_path, caplog):
    for number in range(2):
        Image.new("RGB", (9, 9), (90 * number, 0, 0)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text("1girl")
    broken = {"cut": b"\x89PNG\r\n\x1a\n", "no": b"", "i32": tiff(np.full((9, 9), 255, np.int32), sample_format=2)}
    for name, data in broken.items():
        (tmp_path / f"{name}.png").write_bytes(data)
        (tmp_path / f"{name}.txt").write_text("1girl")
    assert [row["file"] for row in read_captions(tmp_path, 3)] == ["0.png", "1.png"]
    assert all(f"{name}.png: left out, cannot be read" in caplog.text for name in broken)
    for number in range(2):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(SengaError, match="none of its 3 pictures with captions can be read"):
        list(read_captions(tmp_path, 3))


def test_captions_of_every_encoding_give_one_vocabulary_and_others_are_left_out(tmp_path, caplog):
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16")):
        Image.new("RGB", (9, 9), (90 * number, 0, 0)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_bytes("1girl, 線".encode(encoding))
    Image.new("RGB", (9, 9)).save(tmp_path / "sjis.png")
    (tmp_path / "sjis.txt").write_bytes("1girl, 線".encode("shift_jis"))
    Image.new("RGB", (9, 9)).save(tmp_path / "bare.png")
    (tmp_path / "bare.txt").write_bytes("1girl".encode("utf-16-le"))
    assert [row["mixed"] for row in read_captions(tmp_path, 3)] == ["1girl 線"] * 3
    assert "sjis.txt: byte 7 is not UTF-8 text" in caplog.text
    assert "bare.txt: byte 1 is 0" in caplog.text


def test_the_encoding_of_captions_can_be_named_and_the_file_that_is_not_in_it_is(tmp_path, caplog):
    for name, data in (("a", "1girl, 線".encode("shift_jis")), ("b", "1girl, 線".encode())):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_bytes(data)
    assert [row["mixed"] for row in read_captions(tmp_path, 3, "shift_jis")] == ["1girl 線"]
    assert "b.txt: is not shift_jis text" in caplog.text
    (tmp_path / "b.txt").write_bytes(b"1girl," * (reading.MOST_TEXT // 6 + 1))
    assert [row["file"] for row in read_captions(tmp_path, 3, "shift_jis")] == ["a.png"]
    assert "b.txt: has 16777218 bytes; expected text of at most" in caplog.text
    for encoding in ("shift_jiz", "base64", "rot13", "a\0"):
        with pytest.raises(SengaError, match=r"data\.encoding is '.*'; expected an encoding that Python knows"):
            DataSettings(source="captions", folder="x", encoding=encoding)


def test_a_name_that_is_not_utf_8_is_left_out_of_captions_and_of_the_upscalers_pictures(tmp_path, caplog):
    for name in (b"a", b"\x83e"):
        try:
            Image.new("RGB", (9, 9)).save(tmp_path / os.fsdecode(name + b".png"))
        except OSError:
            pytest.skip("this file system takes UTF-8 names alone")
        (tmp_path / os.fsdecode(name + b".txt")).write_text("1girl")
    assert [row["file"] for row in read_captions(tmp_path, 3)] == ["a.png"]
    assert "left out, its name is not UTF-8" in caplog.text
    assert [member.file for member in list_folder(tmp_path)] == ["a.png"]
    assert "1 picture left out, with a name that is not UTF-8" in caplog.text


def test_hidden_files_are_no_pictures_and_linked_folders_are_entered(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "set/.ipynb_checkpoints").mkdir(parents=True)
    for name in ("real/y", "set/c", "set/._c", "set/.ipynb_checkpoints/c"):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("1girl")
    (tmp_path / "set/linked").symlink_to(tmp_path / "real", target_is_directory=True)
    assert [row["file"] for row in read_captions(tmp_path / "set", 3)] == ["c.png", "linked/y.png"]
    assert [member.file for member in list_folder(tmp_path / "set")] == ["c.png", "linked/y.png"]
