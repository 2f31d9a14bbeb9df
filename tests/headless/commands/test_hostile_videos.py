"""Videos from strangers: one sentence for each, in bounded time and memory, and no other file is read instead."""

import os
from pathlib import Path

import pytest
from bounds import within_bounds
from hostile_videos import HOSTILE, MANY, mp4
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_videos import Film, draw, look
from senga.arch import SengaError
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.files.video_index import check_index

pytestmark = pytest.mark.usefixtures("own_folder")


def upscale(source: str, *options: str) -> int:
    return main(["upscale", source, "-o", "output/", "--model", f"models/{MADE}", *options])


@pytest.mark.parametrize(("name", "write", "words"), HOSTILE, ids=[name for name, _, _ in HOSTILE])
def test_a_strangers_video_is_refused_in_one_sentence(name, write, words, capfd):
    write(Path("input", name))
    before = sorted(map(str, Path().rglob("*")))
    with within_bounds(Path("output")):
        code = upscale(f"input/{name}")
    assert code in (FAILED, USAGE)
    said = capfd.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert sentence.startswith(f"senga: input/{name}: ")
    assert words in sentence
    assert len(sentence) < 400
    assert sentence.isprintable()
    assert sorted(str(path) for path in Path().rglob("*") if path.parts[0] != "output") == before


@pytest.mark.parametrize("name", ["Re: Zero 01.mkv", "pipe:0.mp4", "concat:a|b.mp4", "http:.mkv", "%03d.mp4", "-i.mp4"])
def test_a_name_that_looks_like_an_address_is_a_file(name):
    draw(Film(Path("input/a" + Path(name).suffix)))
    Path("input/a" + Path(name).suffix).rename(name)
    assert upscale(f"./{name}") == OK
    assert look(Path("output", name).rename("output/b" + Path(name).suffix)).size == (96, 64)
    Path("output").joinpath(".senga_made.jsonl").unlink(missing_ok=True)
    if not name.startswith("-"):
        assert upscale(name, "--force") == OK


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names there are Unicode")
def test_a_name_that_is_not_utf_8(capsys):
    name = os.fsdecode(b"input/\x83\x41.mp4")
    draw(Film(Path("input/a.mp4")))
    Path("input/a.mp4").rename(name)
    assert upscale(name) == OK
    assert Path("output", Path(name).name).is_file()


def test_old_sound_has_more_ticks_than_bytes(tmp_path):
    """QuickTime counts such sound in ticks of which several are packed into a byte; FFmpeg keeps no entry for each."""
    (tmp_path / "old.mov").write_bytes(mp4(MANY, kind=b"soun"))
    check_index(tmp_path / "old.mov")
    (tmp_path / "new.mov").write_bytes(mp4(MANY, kind=b"soun", ticks=2))
    with pytest.raises(SengaError, match="its index announces"):
        check_index(tmp_path / "new.mov")


def test_a_frame_larger_than_is_allowed_is_refused_before_it_is_decoded(capsys):
    draw(Film(Path("input/a.mp4")))
    assert upscale("input/a.mp4", "--max-pixels", "1535") == FAILED
    assert "input/a.mp4: has 48x32 pixels; expected at most 1,535 pixels" in capsys.readouterr().err
    assert upscale("input/a.mp4", "--max-pixels", "1536") == OK
