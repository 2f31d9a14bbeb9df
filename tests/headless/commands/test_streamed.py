"""Animations run in flat memory: what happens where reading, the network or writing fails in the middle."""

import threading
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, INTERRUPTED, OK, main
from senga.headless.commands import upscale_work
from senga.headless.files.journal import LOCK, NAME
from senga.headless.files.pictures import read_frames

pytestmark = pytest.mark.usefixtures("own_folder", "album")

MODEL = ["--model", "models/" + MADE]
FRAMES = 40


@pytest.fixture
def album(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    Path("album").mkdir()
    pages = [Image.new("RGB", (9, 6), (5 * number, 90, 30)) for number in range(FRAMES)]
    pages[0].save("album/b.gif", save_all=True, append_images=pages[1:], duration=50)
    for name in "ac":
        Image.new("RGB", (9, 6), "red").save(f"album/{name}.png")


class Network:
    """In place of the network: every pixel four times. Counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int = 0, error: BaseException | None = None) -> None:
        self.calls = 0
        self.failing, self.error = failing, error
        self.made: list[weakref.ref[torch.Tensor]] = []
        monkeypatch.setattr(upscale_work, "call_node", self)

    def __call__(self, node_class: type, image: torch.Tensor, **inputs: Any) -> tuple[Any]:
        self.calls += 1
        if self.calls == self.failing and self.error is not None:
            raise self.error
        large = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
        self.made.append(weakref.ref(large))
        assert sum(ref() is not None for ref in self.made) <= 3
        return (large,)


def results() -> list[str]:
    """All files of the results' folder, temporary ones too, the journal and its lock aside."""
    return sorted(path.name for path in Path("big").rglob("*") if path.name not in (NAME, LOCK))


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("format", ["png", "gif", "webp"])
def test_a_folder_with_an_animation(format: str, workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch)
    assert main(["upscale", "album", "-o", "big", "--format", format, "--workers", workers, *MODEL]) == OK
    assert network.calls == FRAMES + 2
    assert results() == [f"{name}.{format}" for name in "abc"]
    found = read_frames(Path(f"big/b.{format}"))
    assert len(found) == FRAMES
    assert [round(float(frame.rgb[0, 0, 0]) * 255) for frame in found] == pytest.approx(
        [5 * number for number in range(FRAMES)], abs=3
    )


def test_where_the_network_fails_in_the_middle_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(monkeypatch, 12, RuntimeError("not enough memory"))
    assert main(["upscale", "album", "-o", "big", *MODEL]) == FAILED
    assert results() == ["a.png", "c.png"]
    out, err = capsys.readouterr()
    assert f"senga: {Path('album/b.gif')}: not enough memory" in err
    assert out.splitlines() == [str(Path("big/a.png")), str(Path("big/c.png"))]
    assert network.calls == 12 + 1


def test_ctrl_c_in_the_middle_leaves_no_half_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Network(monkeypatch, 12, KeyboardInterrupt())
    assert main(["upscale", "album", "-o", "big", *MODEL]) == INTERRUPTED
    assert results() == ["a.png"]
    Network(monkeypatch)
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    assert results() == ["a.png", "b.gif", "c.png"]


def test_where_writing_fails_the_network_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(monkeypatch)
    real = upscale_work.write_picture

    def full(file: IO[bytes], frames: Any, name: str, path: Path, **options: Any) -> None:
        if path.stem != "b":
            real(file, frames, name, path, **options)
            return
        file.write(b"half")
        next(iter(frames))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upscale_work, "write_picture", full)
    assert main(["upscale", "album", "-o", "big", *MODEL]) == FAILED
    assert results() == ["a.png", "c.png"]
    assert f"{Path('album/b.gif')}: [Errno 28] No space left on device" in capsys.readouterr().err
    assert network.calls < FRAMES // 2


def test_a_format_without_animations_is_refused_before_the_network_has_made_many_frames(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(monkeypatch)
    assert main(["upscale", "album", "-o", "big", "--format", "jpeg", *MODEL]) == FAILED
    assert f"jpeg cannot hold an animation ({FRAMES} frames)" in capsys.readouterr().err
    assert network.calls < FRAMES // 2
    assert results() == ["a.jpg", "c.jpg"]


def test_a_damaged_animation_is_refused_before_the_network_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (40, 40, 3), dtype=np.uint8)) for n in range(9)]
    frames[0].save("album/b.webp", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    Path("album/b.gif").unlink()
    data = Path("album/b.webp").read_bytes()
    Path("album/b.webp").write_bytes(data[: len(data) // 2])
    network = Network(monkeypatch)
    assert main(["upscale", "album", "-o", "big", *MODEL]) == FAILED
    assert f"{Path('album/b.webp')}: " in capsys.readouterr().err
    assert network.calls == 2


def test_threads_end_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    for error in (None, RuntimeError("x"), KeyboardInterrupt()):
        Network(monkeypatch, 12, error)
        main(["upscale", "album", "-o", "big", "--force", *MODEL])
        assert threading.active_count() == before
