"""Animations are written frame by frame, and read back as they were."""

import io
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence, features
from senga.headless.files.animations import Levels, Reel
from senga.headless.files.formats import FORMATS, write_picture
from senga.headless.files.pictures import read_picture

HELD = 4  # frames: the one that is written, the one before, and what Pillow has not let go yet
ANIMATED = [name for name, known in FORMATS.items() if known.animated and (name != "avif" or features.check("avif"))]


def written(frames: list[Levels], name: str, times: list[int], plays: int = 0) -> bytes:
    file = io.BytesIO()
    write_picture(file, frames, name, Path("x"), durations=times, plays=plays, quality=100 if name == "webp" else None)
    return file.getvalue()


def read(data: bytes) -> list[tuple[Levels, float]]:
    """Frames as RGBA, black where they are clear, and their times."""
    found = []
    with Image.open(io.BytesIO(data)) as picture:
        for page in ImageSequence.Iterator(picture):
            levels = np.array(page.convert("RGBA"))
            levels[levels[..., 3] == 0] = 0
            found.append((levels, float(page.info["duration"])))
    return found


@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("name", ANIMATED)
def test_a_frame_is_compressed_before_many_more_are_made(name: str, alpha: bool) -> None:
    alive: list[weakref.ref[Levels]] = []
    most = 0

    def frames() -> Iterator[Levels]:
        nonlocal most
        for number in range(30):
            frame = np.full((16, 16, 4 if alpha else 3), number, np.uint8)
            alive.append(weakref.ref(frame))
            most = max(most, sum(ref() is not None for ref in alive))
            yield frame
            del frame

    write_picture(io.BytesIO(), frames(), name, Path("x"), durations=[40] * 30)
    assert len(alive) == 30
    assert most <= HELD


def changing(alpha: bool) -> list[Levels]:
    """Frames of a few colours: a part changes, nothing changes, one pixel does, all is cleared, all comes back."""
    colours = np.array([[0, 0, 0, 255], [250, 40, 10, 255], [20, 200, 90, 255], [0, 0, 0, 0]], np.uint8)
    start = colours[np.random.default_rng(0).integers(0, 4 if alpha else 3, (21, 18))]
    part = start.copy()
    part[3:9, 5:7] = colours[1]
    pixel = part.copy()
    pixel[20, 17] = 255 - pixel[20, 17] | [0, 0, 0, 255]
    empty = np.zeros_like(start) if alpha else np.full_like(start, 255)
    frames = [start, part, part, pixel, empty, start]
    return frames if alpha else [frame[..., :3] for frame in frames]


@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("name", ["gif", "png", "webp"])
def test_frames_are_those_given_and_equal_ones_are_shown_longer(name: str, alpha: bool) -> None:
    frames, times = changing(alpha), [40, 50, 60, 70, 80, 90]
    found = read(written(frames, name, times))
    assert [ms for _, ms in found] == [40, 110, 70, 80, 90]
    for (levels, _), ideal in zip(found, [frames[0], *frames[2:]], strict=True):
        expected = ideal if alpha else np.dstack([ideal, np.full(ideal.shape[:2], 255, np.uint8)])
        assert np.abs(levels.astype(int) - expected).max() <= 2  # a GIF's palette may round


@pytest.mark.parametrize(("name", "long"), [("png", 65_000), ("gif", 655_350)])
def test_equal_frames_are_not_joined_beyond_the_longest_time(name: str, long: int) -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    assert [ms for _, ms in read(written([frame, frame, frame], name, [long, 1000, 1000]))] == [long, 2000]


@pytest.mark.parametrize(("name", "shown"), [("png", 700_000), ("gif", 655_350)])
def test_a_time_that_the_format_cannot_hold_comes_near(name: str, shown: int) -> None:
    frames = [np.full((4, 4, 3), level, np.uint8) for level in (0, 255)]
    assert read(written(frames, name, [700_000, 50]))[0][1] == shown


def test_an_animation_of_equal_frames_is_one_frame() -> None:
    frame = np.full((4, 4, 3), 7, np.uint8)
    for name in ("png", "gif"):
        with Image.open(io.BytesIO(written([frame, frame], name, [50, 50]))) as picture:
            assert getattr(picture, "n_frames", 1) == 1


@pytest.mark.parametrize("name", ANIMATED)
def test_frames_that_are_missing_or_too_many_leave_no_sound_file(name: str) -> None:
    frames = [np.full((4, 4, 3), 80 * number, np.uint8) for number in range(3)]
    with pytest.raises((ValueError, EOFError)):
        written(frames[:2], name, [50, 50, 50])


def test_a_reel_goes_forward_only() -> None:
    reel = Reel((Image.new("RGB", (1, 1), (number, 0, 0)) for number in range(3)), 2)
    assert (reel.mode, reel.getpixel((0, 0))) == ("RGB", (0, 0, 0))
    reel.seek(0)
    reel.seek(1)
    assert reel.getpixel((0, 0)) == (1, 0, 0)
    with pytest.raises(EOFError):
        reel.seek(2)
    with pytest.raises(ValueError, match="in order"):
        reel.seek(0)


def test_an_animation_is_read_frame_by_frame_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    frames = changing(True)
    path.write_bytes(written(frames, "png", [40] * 6))
    picture = read_picture(path, take="animation")
    assert (picture.pages, picture.clear, len(picture.durations)) == ([], True, 5)
    alive: list[weakref.ref[Image.Image]] = []
    for page in picture.frames():
        alive.append(weakref.ref(page))
        assert sum(ref() is not None for ref in alive) <= 2
    assert len(alive) == 5


def test_an_animation_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(written(changing(True), "png", [40] * 6))
    picture = read_picture(path, take="animation")
    for other in (
        changing(True)[:2],
        [np.zeros((5, 5, 4), np.uint8), np.ones((5, 5, 4), np.uint8)],
        changing(True) * 2,
    ):
        path.write_bytes(written(other, "png", [40] * len(other)))
        with pytest.raises(ValueError, match=r"x\.png: the animation was changed while it was read"):
            list(picture.frames())
