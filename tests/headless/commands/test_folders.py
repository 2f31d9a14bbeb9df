"""`senga upscale` on folders and patterns: names kept, done work skipped, bad files passed over, no half files."""

import os
import re
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch.files import atomic
from senga.headless import model_cache as shared
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.commands import upscale, upscale_work
from senga.headless.errors import UsageError
from senga.headless.files import journal, pictures
from senga.headless.files.plan import make_plan
from senga.headless.progress import ProgressLine

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]


@pytest.fixture
def album(own_folder: None) -> Path:  # noqa: F811
    """album/a.png, album/deep/b.jpg, album/deep/er/c.webp, and a text file."""
    picture = Image.fromarray(RGBA[..., :3])
    for name in ("a.png", "deep/b.jpg", "deep/er/c.webp"):
        path = Path("album", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    Path("album/notes.txt").write_text("no picture")
    return Path("album")


def files(folder: str) -> list[str]:
    """All but the journals and their locks."""
    own = (journal.NAME, journal.LOCK)
    found = [path for path in Path(folder).rglob("*") if path.is_file() and path.name not in own]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_a_folder_keeps_names_and_sub_folders(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", str(album), "-o", "big", *MODEL]) == OK
    assert files("big") == ["a.png", "deep/b.png", "deep/er/c.png"]
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [Path("big/a.png"), Path("big/deep/b.png"), Path("big/deep/er/c.png")]
    assert Image.open("big/deep/er/c.png").size == (10, 12)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("album/*.png", ["a.png"]),
        ("album/**/*.jpg", ["deep/b.png"]),
        ("album/deep/*", ["b.png"]),
        ("album/**/[bc].*", ["deep/b.png", "deep/er/c.png"]),
    ],
)
def test_a_pattern_keeps_sub_folders_below_its_fixed_part(album: Path, pattern: str, expected: list[str]) -> None:
    assert main(["upscale", pattern, "-o", "big", *MODEL]) == OK
    assert files("big") == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file() -> None:
    Image.fromarray(RGBA).save("input/a[1].png")
    assert main(["upscale", "input/a[1].png", "-o", "b.png", *MODEL]) == OK


def test_results_inside_the_folder_are_not_taken_for_pictures(album: Path) -> None:
    assert main(["upscale", "album", "-o", "album/big", *MODEL]) == OK
    assert main(["upscale", "album", "-o", "album/big", "--force", *MODEL]) == OK
    assert files("album/big") == ["a.png", "deep/b.png", "deep/er/c.png"]


def test_the_same_picture_twice_is_one_job(album: Path) -> None:
    assert len(make_plan(["album", "album/*.png", "album/a.png"], "big", None)) == 3


def test_many_clashes_are_counted(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        for folder in ("album", "input"):
            Image.fromarray(RGBA[..., :3]).save(f"{folder}/{number}.png")
    Path("input/a.png").unlink()
    assert main(["upscale", "album", "input", "-o", "big", *MODEL]) == USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "senga: and 3 more like these"


def test_pictures_of_one_stem_keep_their_endings_in_the_names(album: Path) -> None:
    Image.fromarray(RGBA[..., :3]).save("album/a.jpg")
    Image.fromarray(RGBA[..., :3]).save("album/deep/a.bmp")
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    assert files("big") == ["a.jpg.png", "a.png.png", "deep/a.png", "deep/b.png", "deep/er/c.png"]
    Image.fromarray(RGBA[..., :3]).save("album/a.jpg.gif")
    with pytest.raises(UsageError, match=r"as that of .*a\.jpg; run them separately|as that of .*a\.jpg\.gif"):
        make_plan(["album"], "big", None)


def test_results_are_named_by_a_pattern(album: Path) -> None:
    assert main(["upscale", "album", "-o", "big", *MODEL, "--name", "{stem}_{scale}x_{model}{ext}", "-f", "webp"]) == OK
    stem = MADE.removesuffix(".safetensors")
    assert files("big") == [f"a_2x_{stem}.webp", f"deep/b_2x_{stem}.webp", f"deep/er/c_2x_{stem}.webp"]
    assert main(["upscale", "album/a.png", "-o", "one/", *MODEL, "--name", "{stem}_{scale}x{ext}", "-s", "1.5"]) == OK
    assert files("one") == ["a_1.5x.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "x{ext}"], "--name x{ext}: all results would have one name"),
        (["--name", "{stem}"], "--name {stem}: all results would have one name, or no ending"),
        (["--name", "{size}{stem}{ext}"], "{size} is unknown; choose from {stem}, {ext}, {model}, {scale}"),
        (["--name", "{stem}{scale}{ext}", "--width", "9"], "{scale} is unknown; choose from {stem}, {ext}, {model}\n"),
        (["--name", "../{stem}{ext}"], "leave out the slashes"),
        (["--name", "{stem!r}{ext}"], "without `:` or `!`"),
        (["--name", "{stem"], "is not a pattern"),
    ],
)
def test_a_pattern_that_is_wrong_is_refused_before_anything_runs(
    album: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", "album", "-o", "big", *MODEL, *options]) == USAGE
    assert words in capsys.readouterr().err
    assert main(["upscale", "album/a.png", "-o", "b.png", *MODEL, "--name", "{stem}{ext}"]) == USAGE
    assert "names the result, and so does --name" in capsys.readouterr().err
    assert not Path("big").exists()


def test_nothing_left_to_do_loads_no_model(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    monkeypatch.setattr(upscale, "shared_upscaler", lambda *_: pytest.fail("a model was loaded"))
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK


@pytest.mark.parametrize("workers", ["1", "3"])
def test_bad_files_are_passed_over_and_listed_at_the_end(
    album: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("album/0.png").write_text("no picture")
    (album / "deep/bad.gif").write_bytes(b"GIF89a cut")
    assert main(["upscale", "album", "-o", "big", "--workers", workers, *MODEL]) == FAILED
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    *_, last = err.splitlines()
    bad = f"{Path('album/0.png')}, {Path('album/deep/bad.gif')}"
    assert last == f"senga: 5 pictures: 3 done, 0 skipped, 2 failed ({bad})"
    assert files("big") == ["a.png", "deep/b.png", "deep/er/c.png"]


def test_a_full_disk_fails_the_picture_and_leaves_no_half_file(
    album: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, calls = upscale_work.write_picture, []

    def fail_on_the_first(file: IO[bytes], *arguments: Any, **named: Any) -> None:
        calls.append(file)
        if len(calls) == 1:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(file, *arguments, **named)

    monkeypatch.setattr(upscale_work, "write_picture", fail_on_the_first)
    assert main(["upscale", "album", "-o", "big", *MODEL]) == FAILED
    assert "No space left on device" in capsys.readouterr().err
    assert files("big") == ["deep/b.png", "deep/er/c.png"]


def test_ctrl_c_leaves_with_130_and_no_temporary_file(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    real = upscale_work.call_node

    def interrupted(*arguments: Any, **inputs: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **inputs)

    monkeypatch.setattr(upscale_work, "call_node", interrupted)
    assert main(["upscale", "album", "-o", "big", *MODEL]) == INTERRUPTED
    assert files("big") == ["a.png"]


def test_pictures_are_read_and_written_while_the_network_runs(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[str]] = {"read": set(), "network": set(), "write": set()}

    def noted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            threads[name].add(threading.current_thread().name)
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(upscale_work, "read_picture", noted("read", upscale_work.read_picture))
    monkeypatch.setattr(upscale_work, "write_picture", noted("write", upscale_work.write_picture))
    monkeypatch.setattr(upscale_work, "call_node", noted("network", upscale_work.call_node))
    assert main(["upscale", "album", "-o", "big", "--workers", "2", *MODEL]) == OK
    assert threads["network"] == {threading.current_thread().name}
    assert threads["read"]
    assert threads["write"]
    assert not threads["network"] & (threads["read"] | threads["write"])


def test_how_long_the_network_waited_is_said_when_asked(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    assert "waited" not in capsys.readouterr().err
    assert main(["upscale", "album", "-o", "big", "--force", "-v", *MODEL]) == OK
    found = re.search(
        r"the network waited ([\d.]+) % of [\d.]+ s for pictures to be read, and ([\d.]+) % for results to be written",
        capsys.readouterr().err,
    )
    assert found
    assert 0 <= float(found[1]) + float(found[2]) <= 100


def test_the_line_counts_files_frames_and_tiles(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, str]] = []
    monkeypatch.setattr(ProgressLine, "at", lambda self, place, label: seen.append((place, label)))
    frames = [Image.new("RGB", (40, 16), colour) for colour in ("red", "blue")]
    frames[0].save("album/a.gif", save_all=True, append_images=frames[1:], duration=100)
    Path("album/a.png").unlink()
    assert main(["upscale", "album", "-o", "big", "--tile", "20", *MODEL]) == OK
    places, labels = zip(*seen, strict=True)
    assert list(places) == sorted(places)
    assert places[-1] == 3
    assert (0.25, "1/3 a.gif frame 1/2 tile 1/2") in seen
    assert (0.75, "1/3 a.gif frame 2/2 tile 1/2") in seen
    assert "2/3 b.jpg tile 1/1" in labels


def test_a_file_that_is_open_elsewhere_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = Path.replace, [3]

    def refuse(self: Path, target: Path) -> Path:
        refusals[0] -= 1
        if refusals[0] >= 0:
            raise PermissionError(13, "The process cannot access the file")
        return real(self, target)

    monkeypatch.setattr(atomic, "WAIT", 0.0)
    monkeypatch.setattr(Path, "replace", refuse)
    pictures.write_png(Path("x.png"), RGBA)
    assert Image.open("x.png").size == (5, 6)
    refusals[0] = 99
    with pytest.raises(pictures.SengaError, match=r"x\.png: it cannot be replaced .*; close the program"):
        pictures.write_png(Path("x.png"), RGBA)
    assert not list(Path.cwd().glob(".senga*"))


def test_runs_of_one_process_share_a_model_until_its_file_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    real = shared.load_model
    monkeypatch.setattr(shared, "load_model", lambda path: (loaded.append(path), real(path))[1])
    for _ in range(2):
        assert main(["upscale", "input/a.png", "-o", "b.png", "--force", *MODEL]) == OK
    assert len(loaded) == 1
    first = shared.shared_model(Path("models", MADE))
    os.utime(Path("models", MADE), (1, 1))
    assert shared.shared_model(Path("models", MADE)) is not first
    assert len(loaded) == 2
