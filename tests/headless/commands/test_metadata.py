"""What `senga upscale` keeps besides pixels: EXIF, ICC profile, DPI and texts, where the format has room; `--strip`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, main

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ARTIST, ORIENTATION, TAKEN, TIME, WIDTH, MAKER = 315, 274, 0x8769, 0x9003, 0xA002, 0x927C
LEVELS = np.ascontiguousarray(RGBA[..., :3])


def rich(path: str, **more: Any) -> None:
    exif = Image.Exif()
    exif[ARTIST], exif[ORIENTATION] = "Lucy", 6
    exif[TAKEN] = {TIME: "2024:05:06 07:08:09", WIDTH: 5, MAKER: b"secret"}
    Image.fromarray(LEVELS).save(path, exif=exif.tobytes(), icc_profile=SRGB, dpi=(300, 300), **more)


def with_text(path: str) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", '{"1": {}}')
    texts.add_itxt("Title", "線画", "ja", "題")
    rich(path, pnginfo=texts)


def upscaled(source: str, target: str, *options: str) -> Image.Image:
    assert main(["upscale", source, "-o", target, *MODEL, *options]) == OK
    with Image.open(target) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize("source", ["in.png", "in.jpg", "in.tif"])
@pytest.mark.parametrize("target", ["png", "jpg", "webp", "avif", "tif"])
def test_what_describes_the_picture_is_kept_and_the_orientation_applied(source: str, target: str) -> None:
    rich(source)
    made = upscaled(source, f"out.{target}")
    exif = made.getexif()
    assert made.size == (12, 10)
    assert exif[ARTIST] == "Lucy"
    assert exif.get(ORIENTATION, 1) == 1
    assert exif.get_ifd(TAKEN).get(TIME) == "2024:05:06 07:08:09"
    assert WIDTH not in exif.get_ifd(TAKEN)
    assert MAKER not in exif.get_ifd(TAKEN)
    assert made.info["icc_profile"] == SRGB
    if target in ("png", "jpg", "tif"):
        assert made.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_texts_are_kept_in_a_png() -> None:
    with_text("in.png")
    made = upscaled("in.png", "out.png")
    assert made.info["prompt"] == '{"1": {}}'
    title = made.info["Title"]
    assert (str(title), title.lang, title.tkey) == ("線画", "ja", "題")


def test_an_animated_png_keeps_its_texts_too() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Lucy")
    pages = [Image.new("RGB", (5, 6), colour) for colour in ("red", "blue")]
    pages[0].save("in.png", save_all=True, append_images=pages[1:], duration=50, pnginfo=texts)
    made = upscaled("in.png", "out.png")
    assert (made.info["Author"], getattr(made, "n_frames", 1)) == ("Lucy", 2)


@pytest.mark.parametrize(
    ("target", "lost"),
    [
        ("out.jpg", "jpeg cannot hold the picture's text, dropped"),
        ("out.webp", "webp cannot hold the picture's DPI and text, dropped"),
        ("out.bmp", "bmp cannot hold the picture's EXIF and ICC profile and text, dropped"),
        ("out.gif", "gif cannot hold the picture's EXIF and ICC profile and DPI and text, dropped"),
    ],
)
def test_what_a_format_cannot_hold_is_said(target: str, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    with_text("in.png")
    upscaled("in.png", target)
    assert f"senga: {target}: {lost}" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["out.png", "out.jpg", "out.webp", "out.tif"])
def test_strip_drops_all_of_it_and_says_nothing(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    with_text("in.png")
    made = upscaled("in.png", target, "--strip")
    assert capsys.readouterr().err == ""
    assert made.size == (12, 10)
    assert not {"prompt", "Title", "icc_profile", "exif"} & set(made.info)
    assert ARTIST not in made.getexif()
    assert made.info.get("dpi", (72, 72)) != pytest.approx((300, 300), abs=0.1)


def test_damaged_exif_is_dropped_and_the_picture_kept(capsys: pytest.CaptureFixture[str]) -> None:
    # A sub-directory that is said to be where the file ends, and an entry of an unknown type.
    broken = b"Exif\0\0II*\0\x08\0\0\0\x02\0i\x87\x04\0\x01\0\0\0\xff\xff\xff\x7f;\x01\x63\0\xff\xff\xff\xff\0\0\0\0"
    Image.fromarray(LEVELS).save("in.jpg", exif=broken)
    assert upscaled("in.jpg", "out.png").size == (10, 12)


def test_exif_that_is_too_long_for_a_jpeg_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[ARTIST] = "Lucy" * 20_000
    Image.fromarray(LEVELS).save("in.webp", exif=exif.tobytes(), lossless=True)
    assert upscaled("in.webp", "out.jpg").size == (10, 12)
    assert "out.jpg: jpeg cannot hold the picture's EXIF, dropped; png can" in capsys.readouterr().err
    assert upscaled("in.webp", "out.png").getexif()[ARTIST] == "Lucy" * 20_000


@pytest.mark.parametrize("target", ["out.png", "out.jpg", "out.bmp", "out.tif"])
def test_a_resolution_that_cannot_be_is_left_out(target: str) -> None:
    Image.fromarray(LEVELS).save("in.tif", resolution=4e9)
    assert upscaled("in.tif", target).size == (10, 12)


def test_the_resolution_of_screens_is_not_missed(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(LEVELS).save("in.jpg", dpi=(72, 72))
    upscaled("in.jpg", "out.webp")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("ending", "kind"), [("tif", "TIFF"), ("tiff", "TIFF"), ("bmp", "BMP"), ("avif", "AVIF")])
def test_formats(ending: str, kind: str) -> None:
    Image.fromarray(RGBA).save("in.png")
    made = upscaled("in.png", f"out.{ending}")
    assert (made.format, made.size, made.mode) == (kind, (10, 12), "RGB" if kind == "BMP" else "RGBA")


def test_animations_of_a_folder_keep_their_kind_and_stills_become_png(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.new("RGB", (5, 6), colour) for colour in ("red", "blue")]
    Path("album").mkdir()
    for name in ("a.gif", "b.webp", "c.avif", "d.png"):
        pages[0].save(f"album/{name}", save_all=True, append_images=pages[1:], duration=50)
    for name in ("e.gif", "f.webp", "g.avif"):
        pages[0].save(f"album/{name}")
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    made = [Path(line).name for line in capsys.readouterr().out.split()]
    assert made == ["a.gif", "b.webp", "c.avif", "d.png", "e.png", "f.png", "g.png"]
    for name in made[:4]:
        with Image.open(Path("big", name)) as picture:
            assert (getattr(picture, "n_frames", 1), picture.size) == (2, (10, 12))
    assert main(["upscale", "album", "-o", "big", *MODEL]) == OK
    assert "7 skipped" in capsys.readouterr().err
    assert main(["upscale", "album", "-o", "other", *MODEL, "-f", "png"]) == OK
    assert sorted(path.name for path in Path("other").glob("[!.]*")) == [f"{letter}.png" for letter in "abcdefg"]
