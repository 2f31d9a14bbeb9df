"""16 bits a sample: read from PNG and TIFF in colour, written by us, read again by Pillow and ourselves."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, USAGE, main
from senga.headless.commands import upscale_work
from senga.headless.files.deep import write_deep_png, write_tiff
from senga.headless.files.pictures import as_image, decode, deep_levels, read_picture

MODEL = ["--model", "models/" + MADE]


def noise(channels: int, height: int = 150, width: int = 7) -> NDArray[np.uint16]:
    """Noise and a ramp, so that each filter is the best one somewhere."""
    rng = np.random.default_rng(channels)
    levels = rng.integers(0, 65536, (height, width, channels), dtype=np.uint16)
    levels[20:80] = (np.arange(60 * width * channels, dtype=np.uint32) * 37 % 65536).reshape(60, width, channels)
    return levels


def seen(path: Path) -> NDArray[np.uint16]:
    picture = read_picture(path, take="animation")
    assert picture.depth == 16
    frame = decode(picture.pages[0], picture.low)
    return deep_levels(as_image(frame, alpha=picture.clear, grey=True))


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_level_is_written_and_read_again(ending: str, channels: int, tmp_path: Path) -> None:
    path, levels = tmp_path / f"x.{ending}", noise(channels)
    with path.open("wb") as file:
        write_deep_png(file, levels) if ending == "png" else write_tiff(file, levels, path)
    assert np.array_equal(seen(path), levels)
    with Image.open(path) as picture:  # by Pillow: the upper bytes of colours, and all of greys
        found = np.asarray(picture)
    expected = levels[:, :, 0] if channels == 1 else levels >> 8
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_either_byte_order_without_compression(order: str, tmp_path: Path) -> None:
    levels = noise(3)[:4, :5]
    data = levels.astype(f"{order}u2").tobytes()
    entries = [(256, 5), (257, 4), (259, 1), (262, 2), (277, 3), (278, 4), (279, len(data))]
    bits = 8 + 2 + 9 * 12 + 4
    long = [(tag, 4, 1, struct.pack(f"{order}I", value)) for tag, value in entries]
    long += [(258, 3, 3, struct.pack(f"{order}I", bits)), (273, 4, 1, struct.pack(f"{order}I", bits + 6))]
    body = b"".join(struct.pack(f"{order}HHI", tag, kind, n) + value for tag, kind, n, value in sorted(long))
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, 9)
    (tmp_path / "x.tif").write_bytes(head + body + bytes(4) + struct.pack(f"{order}3H", 16, 16, 16) + data)
    assert np.array_equal(seen(tmp_path / "x.tif"), levels)


def test_each_filter_is_used(tmp_path: Path) -> None:
    file = io.BytesIO()
    write_deep_png(file, noise(3), compress_level=0)
    data, place, packed = file.getvalue(), 8, b""
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        packed += data[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(150, 1 + 7 * 6)
    assert set(rows[:, 0]) <= {0, 1, 2, 4}
    assert len(set(rows[:, 0])) > 2


def test_the_nearest_of_65536_levels() -> None:
    image = torch.tensor([-1.0, 0.0, 1 / 65535, 1.4 / 65535, 0.5, 1.0, 2.0]).reshape(1, 7, 1)
    assert deep_levels(image).ravel().tolist() == [0, 0, 1, 1, 32768, 65535, 65535]


def eight_bit(path: str) -> None:
    Image.fromarray(RGBA).save(path)


@pytest.fixture
def copied(own_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 (the fixture of that name)
    """The network gives back its picture."""
    monkeypatch.setattr(upscale_work, "call_node", lambda node, image, **_: (image,))


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("source", ["in.png", "in.tif"])
@pytest.mark.parametrize("target", ["out.png", "out.tif"])
def test_a_picture_of_16_bits_becomes_one(source: str, target: str) -> None:
    for channels in (1, 3, 4):
        levels = noise(channels)
        with Path(source).open("wb") as file:
            write_deep_png(file, levels) if source == "in.png" else write_tiff(file, levels, Path(source))
        assert main(["upscale", source, "-o", target, *MODEL]) == OK
        assert np.array_equal(seen(Path(target)), levels)


@pytest.mark.usefixtures("copied")
def test_the_depth_may_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("in.png").open("wb") as file:
        write_deep_png(file, noise(3))
    assert main(["upscale", "in.png", "-o", "out.png", *MODEL, "--depth", "8"]) == OK
    assert read_picture(Path("out.png"), take="animation").depth == 8
    assert capsys.readouterr().err == ""
    eight_bit("in8.png")
    assert main(["upscale", "in8.png", "-o", "out16.png", *MODEL, "--depth", "16"]) == OK
    assert np.array_equal(seen(Path("out16.png")), RGBA.astype(np.uint16) * 257)
    assert main(["upscale", "in8.png", "-o", "out8.png", *MODEL]) == OK
    assert read_picture(Path("out8.png"), take="animation").depth == 8


@pytest.mark.usefixtures("copied")
def test_a_format_of_8_bits_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("in.png").open("wb") as file:
        write_deep_png(file, noise(3))
    assert main(["upscale", "in.png", "-o", "out.webp", *MODEL]) == OK
    assert "out.webp: webp has 8 bits a sample; the picture's 16 are rounded" in capsys.readouterr().err
    assert main(["upscale", "in.png", "-o", "out.webp", *MODEL, "--depth", "16"]) == USAGE
    assert "--depth 16: webp has 8 bits a sample; png and tiff have 16" in capsys.readouterr().err


@pytest.mark.usefixtures("copied")
def test_a_turned_picture_keeps_its_lower_bytes() -> None:
    levels, exif = noise(3), Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    with Path("in.png").open("wb") as file:
        write_deep_png(file, levels, exif=exif.tobytes())
    assert main(["upscale", "in.png", "-o", "out.png", *MODEL]) == OK
    assert np.array_equal(seen(Path("out.png")), np.rot90(levels, -1))
