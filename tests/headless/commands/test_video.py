"""Videos through `senga upscale`: times, sound, colours and rotation kept, killed runs go on, no half files."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_videos import Film, draw, look
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.commands import upscale_work
from senga.headless.files import video_parts
from senga.headless.files.video import CONTAINERS
from senga.headless.files.video_parts import FOLDER

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]
NEAR = 0.0006  # seconds; Matroska has milliseconds
UNEVEN = (700, 900, 1800, 4000, 4100, 9000, 9600, 12000)  # when frames are shown, of 12800 units a second


class Network:
    """In place of the network: every pixel four times. Counts its calls, and fails at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int = 0, error: BaseException | None = None) -> None:
        self.calls = 0
        self.failing, self.error = failing, error
        monkeypatch.setattr(upscale_work, "call_node", self)

    def __call__(self, node_class: type, image: torch.Tensor, **inputs: Any) -> tuple[Any]:
        self.calls += 1
        if self.calls == self.failing and self.error is not None:
            raise self.error
        return (image.repeat_interleave(2, 1).repeat_interleave(2, 2),)


def upscale(source: str, target: str, *options: str) -> int:
    return main(["upscale", source, "-o", target, *MODEL, *options])


def hidden() -> list[str]:
    return [path.name for path in Path().glob(".senga*")]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.webm", "out.mov"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.webm"])
def test_every_container_becomes_every_other_with_uneven_times(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Network(monkeypatch)
    draw(Film(Path(source), times=UNEVEN))
    assert upscale(source, target) == OK
    before, after = look(Path(source)), look(Path(target))
    assert after.size == (96, 64)
    assert after.seconds == pytest.approx(before.seconds, abs=NEAR)
    assert hidden() == []


def test_an_even_film_keeps_its_times_to_the_tick_in_mp4(monkeypatch: pytest.MonkeyPatch) -> None:
    Network(monkeypatch)
    draw(Film(Path("in.mp4"), times=range(0, 30 * 1001, 1001), time_base=Fraction(1, 24000)))
    assert upscale("in.mp4", "out.mp4", "--codec", "h265") == OK
    found = look(Path("out.mp4"))
    assert found.seconds == look(Path("in.mp4")).seconds
    assert found.codecs == ["hevc"]


@pytest.mark.parametrize(
    ("source", "sound", "target", "kept"),
    [
        ("in.mp4", "aac", "out.mp4", True),
        ("in.mkv", "aac", "out.mp4", True),
        ("in.mkv", "libopus", "out.webm", True),
        ("in.webm", "libopus", "out.mkv", True),
        ("in.mp4", "aac", "out.webm", False),
    ],
)
def test_sound_is_copied_where_the_container_takes_it(
    source: str,
    sound: str,
    target: str,
    kept: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Network(monkeypatch)
    draw(Film(Path(source), sound=sound))
    assert upscale(source, target) == OK
    found = look(Path(target)).sound
    assert found == (look(Path(source)).sound if kept else [])
    said = f"senga: {target}: webm cannot hold the video's sound (aac), left out; mkv can\n"
    assert capsys.readouterr().err == ("" if kept else said)


def test_sound_that_starts_before_the_pictures_does_not_move_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders of AAC begin before 0, which Matroska cannot hold."""
    Network(monkeypatch)
    draw(Film(Path("in.mp4"), sound="aac"))
    assert upscale("in.mp4", "out.mkv") == OK
    before, after = look(Path("in.mp4")), look(Path("out.mkv"))
    assert after.seconds == pytest.approx(before.seconds, abs=NEAR)
    assert after.sound == before.sound[-len(after.sound) :]
    assert len(before.sound) - len(after.sound) == 1


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.webm"])
@pytest.mark.parametrize("colour", [(1, 1), (6, 1), (1, 2), (6, 2), (9, 1)])
def test_colours_and_their_tags_are_kept(colour: tuple[int, int], target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Red would be off by 20 levels if BT.601 and BT.709 were mixed up."""
    Network(monkeypatch)
    draw(Film(Path("in.mp4"), colour=colour))
    assert upscale("in.mp4", target, "--crf", "1") == OK
    before, after = look(Path("in.mp4")), look(Path(target))
    assert after.colour == colour
    for corner in (np.s_[20:28, 2:8], np.s_[20:28, 40:46]):
        large = tuple(slice(2 * part.start, 2 * part.stop) for part in corner)
        for one, other in zip(before.frames, after.frames, strict=True):
            assert other[large].mean((0, 1)) == pytest.approx(one[corner].mean((0, 1)), abs=2)


def test_untagged_video_is_tagged_as_players_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the size is above the limit from which players take BT.709."""
    Network(monkeypatch)
    for size, matrix in (((640, 400), 6), ((1280, 720), 1)):
        draw(Film(Path("in.mp4"), size=size, colour=(2, 0), times=[0, 512]))
        assert upscale("in.mp4", "out.mp4") == OK
        assert look(Path("out.mp4")).colour == (matrix, 1)


def test_ten_bits_and_full_colour_are_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Network(monkeypatch)
    draw(Film(Path("in.mp4"), layout="yuv420p10le"))
    assert upscale("in.mp4", "out.mp4") == OK
    assert look(Path("out.mp4")).layout == "yuv420p10le"
    assert upscale("in.mp4", "out.webm") == OK
    assert look(Path("out.webm")).layout == "yuv420p"
    assert "out.webm: vp9 has 8 bits a sample here; the video's 10 are rounded" in capsys.readouterr().err


def test_a_turned_video_is_written_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    """As players show it: the yellow left half of the stored frame is below."""
    Network(monkeypatch)
    draw(Film(Path("in.mp4"), rotation=90, aspect=Fraction(4, 3)))
    assert upscale("in.mp4", "out.mp4") == OK
    found = look(Path("out.mp4"))
    assert (found.size, found.rotation, found.aspect) == ((64, 96), 0, Fraction(3, 4))
    assert int(found.frames[0][80, 2, 2]) < 40 < int(found.frames[0][10, 2, 2])


def test_codecs_that_take_even_sizes_repeat_the_last_column_and_row() -> None:
    draw(Film(Path("in.mp4")))
    assert upscale("in.mp4", "out.mp4", "--width", "71", "--height", "45") == OK
    assert look(Path("out.mp4")).size == (72, 46)
    assert upscale("in.mp4", "out.webm", "--width", "71", "--height", "45") == OK
    assert look(Path("out.webm")).size == (71, 45)


def test_frames_that_are_repeated_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    draw(Film(Path("in.mp4"), held=3, options={"crf": "30"}))
    assert upscale("in.mp4", "out.mp4") == OK
    assert 4 <= network.calls < 12
    assert len(look(Path("out.mp4")).seconds) == 12


@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.webm"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_a_run_that_ended_early_goes_on(
    source: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(video_parts, "FRAMES", 4)
    draw(Film(Path(source), times=UNEVEN + tuple(range(13000, 18000, 1000))))
    Network(monkeypatch)
    assert upscale(source, "whole.mp4") == OK
    Network(monkeypatch, 10, error)
    assert upscale(source, "out.mp4") == (INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED)
    assert not Path("out.mp4").exists()
    assert [name[: len(FOLDER)] for name in hidden()] == [FOLDER]
    network = Network(monkeypatch)
    assert upscale(source, "out.mp4") == OK
    assert network.calls == 13 - 8
    assert "out.mp4: goes on after 8 of 13 frames" in capsys.readouterr().err
    assert hidden() == []
    whole, found = look(Path("whole.mp4")), look(Path("out.mp4"))
    assert found.seconds == whole.seconds
    assert all(np.array_equal(one, other) for one, other in zip(whole.frames, found.frames, strict=True))


def test_a_run_with_other_options_does_not_go_on_with_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_parts, "FRAMES", 4)
    draw(Film(Path("in.mp4")))
    Network(monkeypatch, 10, RuntimeError("out of memory"))
    assert upscale("in.mp4", "out.mp4") == FAILED
    network = Network(monkeypatch)
    assert upscale("in.mp4", "out.mp4", "--crf", "30") == OK
    assert network.calls == 12


def test_a_damaged_part_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_parts, "FRAMES", 4)
    draw(Film(Path("in.mp4")))
    Network(monkeypatch, 10, RuntimeError("out of memory"))
    assert upscale("in.mp4", "out.mp4") == FAILED
    second = sorted(Path().glob(f"{FOLDER}*/*.nut"))[1]
    second.write_bytes(second.read_bytes()[:40])
    network = Network(monkeypatch)
    assert upscale("in.mp4", "out.mp4") == OK
    assert network.calls == 8
    assert len(look(Path("out.mp4")).seconds) == 12


def test_a_video_in_a_folder_keeps_its_kind_and_is_skipped_when_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Network(monkeypatch)
    draw(Film(Path("album/deep/a.mkv")))
    draw(Film(Path("album/b.mov")))
    Image.new("RGB", (9, 6), "red").save("album/a.png")
    assert main(["upscale", "album", "-o", "big", *MODEL, "-f", "webp"]) == OK
    names = sorted(path.relative_to("big").as_posix() for path in Path("big").rglob("[!.]*") if path.is_file())
    assert names == ["a.webp", "b.mp4", "deep/a.mkv"]
    network = Network(monkeypatch)
    assert main(["upscale", "album", "-o", "big", *MODEL, "-f", "webp"]) == OK
    assert network.calls == 0
    assert "3 pictures: 0 done, 3 skipped, 0 failed" in capsys.readouterr().err
    assert main(["upscale", "album", "-o", "big", *MODEL, "-f", "webp", "--crf", "30"]) == OK
    assert network.calls == 24


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["in.mp4", "-o", "out.png"], "-o out.png: not the ending of a video; use .mp4, .mkv, .webm, or end"),
        (["input/a.png", "-o", "out.mp4"], "-o out.mp4: not the ending of a picture; use .png, "),
        (["in.mp4", "-o", "out.webm", "--codec", "h264"], "--codec h264: webm does not take it; choose from vp9, av1"),
        (["in.mp4", "-o", "out.mp4", "--crf", "60"], "--crf 60: expected 0 (best) to 51 for h264"),
        (["in.mp4", "-o", "out.mp4", "--quality", "60"], "--quality 60: is for pictures, and there is none; --crf is"),
        (["input/a.png", "-o", "out.png", "--crf", "20"], "--crf 20: is for videos, and there is none"),
        (["input", "-o", "big", "-f", "mp4"], "--format mp4: is for videos, and there is none; choose from png, "),
        (["-", "-o", "-", "-f", "mp4"], "--format mp4: videos cannot go through standard input and output"),
    ],
)
def test_wrong_calls_are_refused_before_anything_runs(
    call: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(Film(Path("in.mp4"), times=[0, 512]))
    assert main(["upscale", *call, *MODEL]) == USAGE
    assert message in capsys.readouterr().err


def test_without_pyav_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(Film(Path("in.mp4"), times=[0, 512]))
    monkeypatch.setitem(sys.modules, "av", None)
    assert upscale("in.mp4", "out.mp4") == FAILED
    assert capsys.readouterr().err == (
        "senga: video files need the package 'av', which is not installed; in Senga's folder, run:"
        ' pip install -c constraints.txt ".[video]"\n'
    )
    assert upscale("input/a.png", "out.png") == OK


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "sound"])
def test_what_is_not_a_whole_video_fails_alone_with_its_name(
    damage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Network(monkeypatch)
    draw(Film(Path("album/good.mp4")))
    path = draw(Film(Path("album/bad.mp4"), times=range(0, 40 * 512, 512)))
    damaged = {"cut": path.read_bytes()[:900], "empty": b"", "text": b"no video\n" * 99}
    if damage == "sound":
        path.write_bytes(
            b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\x10\0\0\0" + bytes(16)
        )
    else:
        path.write_bytes(damaged[damage])
    assert main(["upscale", "album", "-o", "big", *MODEL]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"senga: {path}: ")
    assert [path.name for path in Path("big").glob("[!.]*")] == ["good.mp4"]


def test_frames_over_the_limit_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    draw(Film(Path("in.mp4"), times=[0, 512]))
    assert upscale("in.mp4", "out.mp4", "--max-pixels", "1000") == FAILED
    assert "in.mp4: has 48x32 pixels; expected at most 1,000 pixels; --max-pixels raises" in capsys.readouterr().err


def test_commands_that_take_pictures_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    draw(Film(Path("in.mp4"), times=[0, 512]))
    said = "senga: in.mp4: is a video; this command takes pictures, `senga upscale` videos too\n"
    for call in (["tag", "in.mp4"], ["tag", "in.mp4", "-o", "a.txt"], ["degrade", "in.mp4", "-o", "a.png"]):
        assert main(call) == USAGE
        assert capsys.readouterr().err == said


def test_every_container_has_its_own_endings() -> None:
    endings = [ending for known in CONTAINERS.values() for ending in (known.extension, *known.others)]
    assert len(endings) == len(set(endings))
