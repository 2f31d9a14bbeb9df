"""Animations frame by frame, with timing, disposal and transparency; formats, EXIF orientation and colour profiles."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageSequence, features
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, OK, main
from senga.headless.commands import upscale_work
from senga.headless.files.formats import FORMATS, format_of, rounded_times, write_picture
from senga.headless.files.pictures import decode, read_picture

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DURATIONS = [50, 120, 200]


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the network: every pixel four times, so that results are known exactly."""

    def call_node(node_class: type, image: Any, **inputs: Any) -> tuple[Any]:
        return (image.repeat_interleave(2, 1).repeat_interleave(2, 2),)

    monkeypatch.setattr(upscale_work, "call_node", call_node)


def frames(alpha: bool = True) -> list[Image.Image]:
    """Three frames of flat colour: a bar that moves over a clear, or else a white, ground."""
    pages = []
    for number in range(3):
        page = Image.new("RGBA", (9, 6), (0, 0, 0, 0) if alpha else "white")
        page.paste((200, 40 * number, 90, 255), (3 * number, 0, 3 * number + 3, 6))
        pages.append(page if alpha else page.convert("RGB"))
    return pages


def save_animation(path: str, pages: list[Image.Image], **options: Any) -> None:
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)


def read(path: str) -> tuple[list[np.ndarray], list[float]]:
    """The frames as RGBA on black where they are clear, and their times."""
    pages, times = [], []
    with Image.open(path) as picture:
        for page in ImageSequence.Iterator(picture):
            levels = np.array(page.convert("RGBA"))
            levels[levels[..., 3] == 0] = 0
            pages.append(levels)
            times.append(float(page.info["duration"]))
    return pages, times


SOURCES = {
    "gif": {"disposal": 2, "loop": 0},
    "png": {"disposal": 1, "blend": 0, "loop": 0},
    "webp": {"lossless": True, "loop": 0},
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", ["gif", "png", "webp"])
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.usefixtures("doubled")
def test_an_animation_keeps_frames_times_and_transparency(source: str, target: str, alpha: bool) -> None:
    save_animation(f"in.{source}", frames(alpha), duration=DURATIONS, **SOURCES[source])
    quality = ["--quality", "100"] if target == "webp" else []
    assert main(["upscale", f"in.{source}", "-o", f"out.{target}", *MODEL, *quality]) == OK
    found, times = read(f"out.{target}")
    expected = [np.array(page.convert("RGBA")).repeat(2, 0).repeat(2, 1) for page in frames(alpha)]
    assert times == DURATIONS
    assert len(found) == 3
    for page, ideal in zip(found, expected, strict=True):
        assert np.abs(page.astype(int) - ideal.astype(int)).max() <= 2  # a GIF's palette may round


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.usefixtures("doubled")
def test_what_a_frame_leaves_on_the_canvas_is_part_of_the_next(disposal: int) -> None:
    save_animation("in.gif", frames(), duration=DURATIONS, disposal=disposal, loop=0)
    expected, _ = read("in.gif")
    assert main(["upscale", "in.gif", "-o", "out.png", *MODEL]) == OK
    found, _ = read("out.png")
    assert len(found) == len(expected)
    for page, ideal in zip(found, expected, strict=True):
        assert np.array_equal(page, ideal.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("target", ["gif", "png", "webp"])
@pytest.mark.parametrize(("given", "plays"), [({"loop": 0}, 0), ({}, 1), ({"loop": 2}, 3)])
@pytest.mark.usefixtures("doubled")
def test_an_animation_runs_as_often(target: str, given: dict[str, int], plays: int) -> None:
    save_animation("in.gif", frames(), duration=DURATIONS, disposal=2, **given)
    assert main(["upscale", "in.gif", "-o", f"out.{target}", *MODEL]) == OK
    assert read_picture(Path("in.gif")).plays == plays
    assert read_picture(Path(f"out.{target}")).plays == plays


@pytest.mark.parametrize("target", ["gif", "png", "webp"])
@pytest.mark.parametrize("times", [[0, 0, 0], [10, 10, 10], [20, 0, 50]])
@pytest.mark.usefixtures("doubled")
def test_delays_that_leave_the_speed_to_the_viewer_stay(target: str, times: list[int]) -> None:
    save_animation("in.gif", frames(), duration=times, disposal=2, loop=0)
    assert main(["upscale", "in.gif", "-o", f"out.{target}", *MODEL]) == OK
    assert read(f"out.{target}")[1] == times


@pytest.mark.parametrize(
    ("times", "unit", "shortest", "expected"),
    [
        ([33] * 6, 10, 20, [30, 40, 30, 30, 40, 30]),
        ([16, 16, 100], 10, 20, [20, 20, 90]),  # what was shown too long is taken from later frames
        ([50 / 3] * 3, 1, 11, [17, 16, 17]),
        ([0, 10, 33], 10, 20, [0, 10, 30]),
    ],
)
def test_rounded_times_keep_the_length_of_the_whole(
    times: list[float], unit: int, shortest: int, expected: list[int]
) -> None:
    assert rounded_times(times, unit, shortest) == expected


@pytest.mark.usefixtures("doubled")
def test_frames_of_33_ms_last_as_long_in_a_gif() -> None:
    save_animation("in.webp", frames(), duration=33, lossless=True)
    assert main(["upscale", "in.webp", "-o", "out.gif", *MODEL]) == OK
    assert read("out.gif")[1] == [30, 40, 30]


@pytest.mark.parametrize(("given", "said"), [({"loop": 2}, True), ({"loop": 0}, False)])
@pytest.mark.usefixtures("doubled")
def test_a_lost_number_of_loops_is_said(given: dict[str, int], said: bool, capsys: pytest.CaptureFixture[str]) -> None:
    save_animation("in.gif", frames(), duration=DURATIONS, disposal=2, **given)
    assert main(["upscale", "in.gif", "-o", "out.avif", *MODEL]) == OK
    assert ("out.avif: avif cannot say that it plays 3 times" in capsys.readouterr().err) == said


@pytest.mark.usefixtures("doubled")
def test_the_picture_for_old_programs_in_front_of_an_animated_png_is_not_a_frame() -> None:
    pages = frames()
    options = {"duration": DURATIONS, "default_image": True}
    Image.new("RGBA", (9, 6), "blue").save("in.png", save_all=True, append_images=pages, **options)
    assert main(["upscale", "in.png", "-o", "out.png", *MODEL]) == OK
    found, times = read("out.png")
    assert times == DURATIONS
    assert np.array_equal(found[0], np.array(pages[0]).repeat(2, 0).repeat(2, 1))


def test_an_animation_through_a_network_goes_frame_by_frame() -> None:
    save_animation("in.gif", frames(False), duration=DURATIONS, loop=0)
    for number, page in enumerate(read("in.gif")[0]):
        Image.fromarray(page[..., :3]).save(f"{number}.png")
        assert main(["upscale", f"{number}.png", "-o", f"large{number}.png", *MODEL]) == OK
    assert main(["upscale", "in.gif", "-o", "out.png", *MODEL]) == OK
    for number, page in enumerate(read("out.png")[0]):
        assert np.array_equal(page[..., :3], np.array(Image.open(f"large{number}.png")))


def test_jpeg_holds_no_animation(capsys: pytest.CaptureFixture[str]) -> None:
    save_animation("in.gif", frames(), duration=DURATIONS)
    assert main(["upscale", "in.gif", "-o", "out.jpg", *MODEL]) == FAILED
    assert "jpeg cannot hold an animation (3 frames); choose png, webp, avif or gif" in capsys.readouterr().err


def test_of_a_file_with_pages_only_the_first_is_taken_and_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    save_animation("in.tif", frames(False))
    assert main(["upscale", "in.tif", "-o", "out.png", *MODEL]) == OK
    assert "in.tif: it has 3 pages; only the first is upscaled" in capsys.readouterr().err
    assert not getattr(Image.open("out.png"), "is_animated", False)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_format_holds_a_picture(name: str, channels: int) -> None:
    if name == "avif" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    levels = np.repeat(np.tile(ramp[None, :, None], (32, 1, 1)), channels, axis=2)
    if channels == 4:
        levels[..., 3] = np.where(np.arange(32) < 16, 0, 255)[None]
    path = Path(f"x{FORMATS[name].extension}")
    with path.open("wb") as file:
        write_picture(file, [levels], name, path)
    frame = decode(read_picture(path).pages[0])
    expected = levels[..., :1].astype(int)
    if channels == 4:
        seen = 255 * (1 - levels[..., 3:].astype(int) // 255) + expected * (levels[..., 3:] // 255)
        expected = expected if FORMATS[name].alpha else seen
        assert (frame.alpha is None) == (name in ("jpeg", "bmp"))
    difference = np.abs(frame.rgb.numpy() * 255 - expected)
    if frame.alpha is not None:
        difference = difference * frame.alpha.numpy()[..., None]
    assert difference.mean() < 4


@pytest.mark.parametrize(("name", "small", "large"), [("jpeg", 20, 95), ("webp", 20, 100), ("avif", 20, 95)])
def test_quality_changes_the_size(name: str, small: int, large: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sizes = []
    for quality in (small, large):
        file = io.BytesIO()
        write_picture(file, [noise], name, Path("x"), quality=quality)
        sizes.append(len(file.getvalue()))
    assert sizes[0] < sizes[1] * 0.8


def test_webp_of_quality_100_is_lossless() -> None:
    with Path("x.webp").open("wb") as file:
        write_picture(file, [RGBA], "webp", Path("x.webp"), quality=100)
    assert np.array_equal(np.array(Image.open("x.webp")), RGBA)


def test_format_in_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "input", "-o", "big", "--format", "jpeg", "--quality", "80", *MODEL]) == OK
    with Image.open("big/a.jpg") as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (10, 12), "RGB")
    assert "the format has no transparency; transparent parts became white" in capsys.readouterr().err


def test_the_endings_of_the_formats() -> None:
    assert [format_of(f"x{end}") for end in (".PNG", ".apng", ".jpeg", ".webp", ".avif", ".gif", ".tga")] == [
        *("png", "png", "jpeg", "webp", "avif", "gif", None),
    ]


@pytest.mark.usefixtures("doubled")
def test_exif_orientation_is_applied_and_the_profile_carried() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    Image.fromarray(RGBA[..., :3]).save("in.png", exif=exif, icc_profile=SRGB)
    for name in ("png", "jpeg", "webp", "avif"):
        out = f"out{FORMATS[name].extension}"
        assert main(["upscale", "in.png", "-o", out, *MODEL]) == OK
        with Image.open(out) as picture:
            assert picture.size == (12, 10)
            assert picture.info["icc_profile"] == SRGB
            assert picture.getexif().get(0x0112, 1) == 1
    turned = np.rot90(RGBA[..., :3], -1).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(np.array(Image.open("out.png")), turned)


@pytest.mark.usefixtures("doubled")
def test_a_profile_of_another_colour_space_is_left_out_and_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(RGBA[..., 0]).save("in.png", icc_profile=SRGB)
    assert main(["upscale", "in.png", "-o", "out.png", *MODEL]) == OK
    assert "its colour profile is for RGB and was dropped" in capsys.readouterr().err
    assert "icc_profile" not in Image.open("out.png").info
