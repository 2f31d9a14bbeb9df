"""What options name may be anything: one sentence for each, with what was expected."""

import os
from pathlib import Path

import pytest
from bounds import within_bounds
from PIL import Image
from sample_nodes import own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch.files.reading import MOST_WAYS, walk
from senga.headless.cli import OK, USAGE, main
from senga.headless.cluster import places, staging
from senga.headless.cluster.listing import listed
from senga.headless.cluster.staging import Note
from senga.headless.errors import SengaError

pytestmark = pytest.mark.usefixtures("own_folder")

ODD = {
    "nowhere": "the folder does not exist",
    "input/a.png": "is a file; expected a folder",
    "round": "cannot be opened (Too many levels of symbolic links)",
    "x" * 5000: "cannot be opened (File name too long)",
    "a\nb": "the folder does not exist",
    "\udcff": "the folder does not exist",
    "gone": "the folder does not exist",
}
CALLS = {
    "models": ["models"],
    "upscale": ["upscale", "input/a.png", "-o", "b.png"],
    "tag": ["tag", "input/a.png", "-o", "b.txt"],
    "run": ["run", "w.json"],
}


@pytest.mark.parametrize("name", ODD, ids=[name[:9].encode("unicode_escape").decode() for name in ODD])
@pytest.mark.parametrize("command", CALLS)
def test_a_folder_of_models_that_is_none(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("round").symlink_to("round")
    Path("gone").symlink_to("nowhere")
    workflow()
    assert main([*CALLS[command], "--models-dir", name]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("senga: --models-dir ")
    assert ODD[name] in line
    assert len(line) < 400


def test_an_empty_folder_of_models_and_odd_names_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    odd = Path("odd")
    odd.mkdir()
    for name in ("a\nb.pth", "\udcff.pth", "sub.pth", "\x1b[2J.safetensors", "x" * 240 + ".pth"):
        (odd / name).write_bytes(b"")
    (odd / "loop.pth").symlink_to("loop.pth")
    (odd / "self").symlink_to(".")
    with within_bounds():
        assert main(["models", "--models-dir", "empty", "--models-dir", "odd"]) == OK
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_folders_that_link_to_each_other_end(caplog: pytest.LogCaptureFixture) -> None:
    """Twelve folders, each with links to all: half a thousand million ways lead through them."""
    folders = [Path("links", f"f{i}") for i in range(12)]
    for folder in folders:
        folder.mkdir(parents=True)
        Image.new("L", (2, 2)).save(folder / "p.png")
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(Path("..", other.name))
    with within_bounds():
        found = walk(Path("links"), (".png",))
    assert {path.resolve() for path in found} == {(folder / "p.png").resolve() for folder in folders}
    assert len(found) <= MOST_WAYS * len(folders)
    assert "links lead to the same folder" in caplog.text
    caplog.clear()
    assert len(walk(Path("links/f0"), (".png",), depth=1)) == 12
    assert caplog.text == ""


# --- lists of --cluster


LISTS = {
    "sixteen bits": ("input/a.png\n".encode("utf-16"), "a line has 0 in it"),
    "zeros": (bytes(5000), "a line has 0 in it"),
    "one line": (b"x" * 3_000_000, "a line has more than 8192 bytes"),
    "a long last line": (b"input/a.png\n" + b"y" * 9000, "a line has more than 8192 bytes"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_none(name: str) -> None:
    content, words = LISTS[name]
    Path("list.txt").write_bytes(content)
    with within_bounds(), pytest.raises(SengaError, match=rf"^list\.txt: {words}; expected the name of a picture"):
        list(listed(["@list.txt"], None, (".png",), recursive=True))


def test_a_list_with_a_mark_odd_names_and_line_ends() -> None:
    Path("list.txt").write_bytes(b"\xef\xbb\xbfinput/a.png\r\n\r\n\xff\xfe.png\n  b c.png  ")
    found = [item.source for item in listed(["@list.txt"], None, (".png",), recursive=True)]
    assert found == ["input/a.png", os.fsdecode(b"\xff\xfe.png"), "b c.png"]
    assert list(places.lines("list.txt")) == ["input/a.png", "", os.fsdecode(b"\xff\xfe.png"), "b c.png"]


@pytest.mark.parametrize("name", ["nowhere", "@nowhere", "x" * 5000, "@" + "x" * 5000, "file:///a%00b"])
def test_what_is_not_there_is_named_before_a_cluster_is_started(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degrade", name, "-o", "new/", "--cluster", "local"]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(": there is no such file or folder; check the name")
    assert len(line) < 300


@pytest.mark.parametrize("name", ["@input", "@nowhere", "@" + "x" * 5000])
def test_a_list_that_cannot_be_opened(name: str) -> None:
    with pytest.raises(SengaError, match="the list cannot be read"):
        list(listed([name], None, (".png",), recursive=True))


NOTES = [b"", b"{", b"\xff", b"[" * 10**5, b"[]", b"5", b'{"settings":"s"}', b'{"settings":"s","pictures":[]}']
NOTES += [b'{"settings":"s","pictures":{"a":5,"b":[1,2],"c":[1,2,{"r":"x"}],"d":[1,"2",{}],"e":[1,2,[]]}}']


@pytest.mark.parametrize("note", NOTES)
def test_a_damaged_note_in_a_store_counts_as_none(note: bytes) -> None:
    assert staging._noted(note, "s") == Note("s")
    good = b'{"settings":"s","pictures":{"a":[1,2,{"r":3}]}}'
    assert staging._noted(good, "s") == Note("s", {"a": [1, 2, {"r": 3}]})
    assert staging._noted(good, "other") == Note("other")
