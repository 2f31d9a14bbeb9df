"""Reading and writing picture files: what ComfyUI's LoadImage would see, and one sentence for other files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from senga.arch import SengaError
from senga.headless.files.pictures import read_frames, rounded_levels, truncated_levels, write_png

RNG = np.random.default_rng(7)
RGBA = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)


def saved(folder: Path, image: Image.Image, name: str = "x.png", **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def levels(values: torch.Tensor) -> np.ndarray:
    return (values * 255).round().to(torch.uint8).numpy()


def test_rgb_has_no_alpha(tmp_path: Path) -> None:
    (frame,) = read_frames(saved(tmp_path, Image.fromarray(RGBA[..., :3])))
    assert np.array_equal(levels(frame.rgb), RGBA[..., :3])
    assert frame.alpha is None
    assert frame.grey is None


def test_rgba_keeps_colour_under_transparent_pixels(tmp_path: Path) -> None:
    (frame,) = read_frames(saved(tmp_path, Image.fromarray(RGBA)))
    assert frame.alpha is not None
    assert np.array_equal(levels(frame.rgb), RGBA[..., :3])
    assert np.array_equal(levels(frame.alpha), RGBA[..., 3])


@pytest.mark.parametrize("mode", ["1", "L"])
def test_one_channel_files_are_grey(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(RGBA[..., 0]).convert(mode)
    (frame,) = read_frames(saved(tmp_path, picture))
    assert frame.grey is not None
    assert np.array_equal(levels(frame.grey), np.array(picture.convert("L")))
    assert torch.equal(frame.rgb, frame.grey[..., None].expand(-1, -1, 3))


def test_16_bit_grey_keeps_its_levels(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    (frame,) = read_frames(saved(tmp_path, Image.fromarray(deep)))
    assert frame.grey is not None
    assert torch.allclose(frame.grey, torch.tensor([[0.0, 1 / 255, 32768 / 65535, 1.0]]))


def test_transparency_of_a_palette_is_alpha(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    (frame,) = read_frames(saved(tmp_path, picture, transparency=1))
    assert frame.alpha is not None
    assert frame.alpha.tolist() == [[1.0, 0.0]]
    assert levels(frame.rgb).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert frame.own_alpha


def test_a_colour_key_is_alpha_but_not_its_own(tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (9, 9, 9))
    (frame,) = read_frames(saved(tmp_path, picture, transparency=(9, 9, 9)))
    assert frame.alpha is not None
    assert frame.alpha.tolist() == [[1.0, 0.0]]
    assert not frame.own_alpha


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    (frame,) = read_frames(saved(tmp_path, Image.fromarray(RGBA), exif=exif))
    assert np.array_equal(levels(frame.rgb), np.rot90(RGBA[..., :3], -1))


def test_frames_of_the_size_of_the_first_are_kept(tmp_path: Path) -> None:
    first = Image.fromarray(RGBA[..., :3])
    more = [first.resize((3, 3)), first.rotate(180)]
    frames = read_frames(saved(tmp_path, first, "x.tif", save_all=True, append_images=more))
    assert len(frames) == 2
    assert np.array_equal(levels(frames[1].rgb), RGBA[::-1, ::-1, :3])


def cut(path: Path, length: int) -> Path:
    path.write_bytes(path.read_bytes()[:length])
    return path


def broken_files(folder: Path) -> dict[str, Path]:
    large = Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    flipped = saved(folder, large, "flipped.png")
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 255
    flipped.write_bytes(content)
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "folder.png").mkdir()
    return {
        "empty": folder / "empty.png",
        "text": folder / "text.png",
        "folder": folder / "folder.png",
        "missing": folder / "missing.png",
        "head": cut(saved(folder, large, "head.png"), 20),
        "half": cut(saved(folder, large, "half.png"), 1500),
        "jpeg": cut(saved(folder, large, "half.jpg"), 1000),
        "webp": cut(saved(folder, large, "half.webp"), 500),
        "flipped": flipped,
    }


@pytest.mark.parametrize("kind", ["empty", "text", "folder", "missing", "head", "half", "jpeg", "webp", "flipped"])
def test_what_is_not_a_picture_is_reported_in_one_sentence_that_names_the_file(tmp_path: Path, kind: str) -> None:
    path = broken_files(tmp_path)[kind]
    with pytest.raises(SengaError) as caught:
        read_frames(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "; " in text, "the sentence ends with the way out"
    assert "\n" not in text


def test_a_file_with_a_bad_profile_is_still_a_picture(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RGBA[..., :3]), icc_profile=b"x" * 200)
    content = path.read_bytes()
    start = content.index(b"iCCP") + 4 + len(b"ICC Profile\0\0")
    path.write_bytes(content[:start] + b"\0\0\0\0" + content[start + 4 :])  # neither zlib nor its checksum any more
    assert np.array_equal(levels(read_frames(path)[0].rgb), RGBA[..., :3])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_png_round_trip(tmp_path: Path, channels: int, mode: str) -> None:
    path = tmp_path / "new" / "folder" / "x.png"
    write_png(path, RGBA[..., :channels], text={"prompt": '{"a": "線"}'})
    with Image.open(path) as picture:
        assert picture.mode == mode
        assert picture.info["prompt"] == '{"a": "線"}'
        assert np.array_equal(np.array(picture).reshape(5, 7, channels), RGBA[..., :channels])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    def fail(self: Image.Image, target: Path, **options: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        write_png(path, RGBA)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.png"]
    assert path.read_bytes() == b"old"


def test_five_channels_are_not_a_png(tmp_path: Path) -> None:
    with pytest.raises(SengaError, match=r"x\.png: a picture of 5 channels"):
        write_png(tmp_path / "x.png", np.zeros((2, 2, 5), np.uint8))


def test_truncation_and_rounding() -> None:
    values = torch.tensor([[[-1.0, 0.999 / 255, 1.6 / 255, 254.999 / 255, 1.5]]])
    assert truncated_levels(values).tolist() == [[[0, 0, 1, 254, 255]]]
    assert rounded_levels(values).tolist() == [[[0, 1, 2, 255, 255]]]
