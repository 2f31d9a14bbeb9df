"""Folders and texts of others: one walker and one reader for commands and trainers."""

import csv
import os
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import pytest
from senga.arch import SengaError
from senga.arch.files import reading
from senga.arch.files.reading import (
    below,
    csv_lines,
    has_text_name,
    open_text,
    parse_json,
    read_text,
    walk,
    why_unlisted,
)

TEXT = "1girl, 線画\n笑顔 é\n"
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_text_of_every_encoding_with_a_mark_is_the_same(tmp_path: Path, encoding: str, ending: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(TEXT.replace("\n", ending).encode(encoding))
    assert read_text(path) == TEXT


def test_big_endian_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert read_text(path) == TEXT


def test_tables_are_read_as_a_stream_with_quoted_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes('file,tags\r\na.png,"one\r\ntwo"\r\n'.encode("utf-16"))
    with open_text(path) as file:
        assert list(csv.DictReader(file)) == [{"file": "a.png", "tags": "one\r\ntwo"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"good\n" + b"x" * 20000 + b"\x83e", "byte 20005 is not UTF-8 text"),
        ("1girl".encode("utf-16-le"), "byte 1 is 0, so this is not UTF-8 text"),
        (b"\xff\xfea", "byte 2 is not UTF-16 text"),
        (b"\xef\xbb\xbf\xff", "byte 3 is not UTF-8 text"),
    ],
)
def test_what_is_not_text_is_refused_with_the_file_and_the_byte(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    with pytest.raises(SengaError, match=rf"x\.txt: {words}.*; save the file as UTF-8"):
        read_text(path)


def test_an_empty_text_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert read_text(tmp_path / "x") == ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with what systems and programs leave in it, and with links."""
    root = tmp_path / "d"
    names = ["c.PNG", "._c.png", ".hidden.png", ".ipynb_checkpoints/c.png", "a/b/x.png", "a/y.txt", "folder.png/z.png"]
    for name in [*(root / name for name in names), tmp_path / "real/y.png"]:
        name.parent.mkdir(parents=True, exist_ok=True)
        name.touch()
    (root / "linked").symlink_to(tmp_path / "real", target_is_directory=True)
    (root / "a/up").symlink_to(root, target_is_directory=True)
    (root / "self.png").symlink_to(root / "self.png")
    (root / "dangling.png").symlink_to(root / "nowhere.png")
    return root


def found(root: Path, depth: int | None = None) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root, (".png",), depth=depth)]


def test_links_are_followed_once_and_hidden_names_left_out(tree: Path) -> None:
    assert found(tree) == ["a/b/x.png", "c.PNG", "folder.png/z.png", "linked/y.png"]
    assert found(tree, 0) == ["c.PNG"]
    assert found(tree, 1) == ["c.PNG", "folder.png/z.png", "linked/y.png"]


def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_taken(
    tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scandir = os.scandir

    def refuse(path: Path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(tree) == ["c.PNG", "folder.png/z.png", "linked/y.png"]
    assert "b: left out, cannot be listed (Permission denied)" in caplog.text


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("sub/a.png", "sub/a.png"),
        ("/etc/a.png", "etc/a.png"),
        ("//host/a.png", "host/a.png"),
        ("../../a.png", "a.png"),
        ("sub/.././../..a.png", "sub/..a.png"),
        ("/..", ""),
        ("", ""),
    ],
)
def test_a_name_from_elsewhere_stays_inside_a_folder(name: str, inside: str) -> None:
    assert below(name) == inside


@pytest.mark.parametrize(
    "name", ["C:\\x\\a.png", "C:x\\a.png", "\\x\\C:/a.png", "x\\..\\..\\a.png", "\\\\host\\share\\x\\a.png"]
)
def test_a_name_of_windows_stays_inside_a_folder_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PurePath", PureWindowsPath)
    assert below(name) in ("x/a.png", "a.png")


def test_names_that_are_not_utf_8_are_known() -> None:
    assert has_text_name(Path("線.png"))
    assert not has_text_name(os.fsdecode(b"\x83e.png"))


def test_lines_of_a_table_say_where_they_are_and_are_as_long_as_its_head(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,tags,note\na.png,x\n\nb.png,y,z,more\n", encoding="utf-16")
    assert list(csv_lines(path, ("tags", "file"))) == [
        (f"{path}, line 2", {"file": "a.png", "tags": "x", "note": ""}),
        (f"{path}, line 4", {"file": "b.png", "tags": "y", "note": "z"}),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'file' (it has nothing); expected file,tags, as CSV"),
        ("file;tags\n", "has no column 'file' (it has file;tags); expected"),
        ('file,tags\na,"' + "x" * 140_000, "is not CSV that can be read (field larger than field limit (131072))"),
    ],
    ids=["empty", "semicolons", "never closed"],
)
def test_a_table_of_another_kind_is_named_with_what_it_has(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SengaError, match=re.escape(f"t.csv: {words}")):
        list(csv_lines(tmp_path / "t.csv", ("file", "tags")))


@pytest.mark.parametrize("empty", ["[]", "{}"])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_json_of_more_lists_and_objects_than_are_held_is_refused(
    empty: str, kind: Callable[[str], str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_PARTS", 1000)
    parts = [empty] * 999  # in a list, which is one more
    assert len(parse_json(kind(f"[{','.join(parts)}]"))) == len(parts)
    with pytest.raises(SengaError, match=r"is not JSON that can be read \(more than 1,000 lists and objects\)"):
        parse_json(kind(f"[{','.join([*parts, empty])}]"))


def test_what_is_not_a_folder_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_unlisted(tmp_path) == ""
    assert why_unlisted(tmp_path / "file") == "is a file; expected a folder"
    assert why_unlisted(tmp_path / "nowhere") == "the folder does not exist"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert why_unlisted(tmp_path / "pipe") == "is a pipe; expected a folder"
