"""Pictures that are too large, or carry too much besides their pixels: known before anything is decoded."""

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from bounds import within_bounds
from hostile_pictures import flat_png, webp
from hostile_pictures import gif as dotted_gif
from PIL import Image
from sample_pictures import chunk, png
from senga.arch import SengaError
from senga.headless.files import pictures
from senga.headless.files.pictures import read_frames, read_picture
from senga.training.run.pictures import BROKEN, MAX_PIXELS, TooLargeError, open_picture
from senga.training.run.png_chunks import LARGEST, readable_png
from senga.training.sr.pictures.picture_files import decode

GREYS = np.arange(12).reshape(3, 4)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "x"
    path.write_bytes(data)
    return path


def gif(frames: int, side: int = 8, **options: object) -> bytes:
    pages = [Image.new("L", (side, side), 8 * number % 256) for number in range(frames)]
    file = io.BytesIO()
    pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], duration=50, **options)
    return file.getvalue()


def tiff_pages(count: int, side: int) -> bytes:
    file = io.BytesIO()
    pages = [Image.new("1", (side, side + number)) for number in range(count)]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    return file.getvalue()


def growing_gif() -> bytes:
    """The second frame is far larger than the canvas that the file declares."""
    content = bytearray(gif(2))
    place = content.rindex(b"\x2c\0\0\0\0")
    content[place + 5 : place + 9] = struct.pack("<HH", 40000, 40000)
    return bytes(content)


EXPLODING = {
    "webp": webp(16383),
    "png": flat_png(20000),
    "gif": bytes(gif(1)).replace(struct.pack("<HH", 8, 8), struct.pack("<HH", 65535, 65535)),
    "growing gif": growing_gif(),
    "tiff": tiff_pages(3, 10000),
    "bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(16),
}


@pytest.mark.parametrize("kind", EXPLODING)
def test_a_small_file_of_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, EXPLODING[kind])
    with within_bounds(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TooLargeError, match=rf"x: has .*{MAX_PIXELS:,}.*--max-pixels raises") as caught:
            read_picture(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["webp", "png", "gif", "bmp"])
def test_the_trainers_refuse_it_as_a_broken_picture(kind: str) -> None:
    with pytest.raises(BROKEN) as caught:
        decode(EXPLODING[kind])
    assert isinstance(caught.value, SengaError)


def test_a_sound_picture_beyond_pillows_limit_is_read_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = written(tmp_path, flat_png(64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path).pages[0].size == (64, 64)
    assert Image.MAX_IMAGE_PIXELS == 100, "other programs' limit stays"


def test_the_limit_of_pillow_is_put_back_after_the_last_of_several_threads(tmp_path: Path) -> None:
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    path = written(tmp_path, flat_png(8))
    inside = threading.Barrier(3)

    def read(limit: int) -> None:
        with open_picture(path, limit):
            inside.wait()

    threads = [threading.Thread(target=read, args=(limit,)) for limit in (64, 10**6)]
    for thread in threads:
        thread.start()
    inside.wait()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def test_frames_count_together_where_all_are_held_and_not_where_one_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, gif(5))
    with pytest.raises(TooLargeError, match="has 5 frames of 8x8 pixels; expected at most 319 pixels together"):
        read_frames(path, max_pixels=319)
    assert len(read_frames(path, max_pixels=320)) == 5
    first = read_picture(path, take="first", max_pixels=64)
    assert (len(first.pages), first.count) == (1, 5)


def test_frames_that_are_read_one_by_one_count_one_by_one(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    pages = [Image.fromarray(levels) for levels in noise]
    pages[0].save(tmp_path / "noise.gif", save_all=True, append_images=pages[1:], duration=50)
    picture = read_picture(tmp_path / "noise.gif", take="animation", max_pixels=64)
    assert [page.size for page in picture.frames()] == [(8, 8)] * 5
    with pytest.raises(TooLargeError, match="has 8x8 pixels; expected at most 63 pixels"):
        read_picture(tmp_path / "noise.gif", take="animation", max_pixels=63)
    with pytest.raises(TooLargeError, match="has 5 frames of 8x8 pixels; expected at most 64 pixels together"):
        read_frames(tmp_path / "noise.gif", max_pixels=64)


def test_frames_that_are_read_one_by_one_have_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, gif(200))
    monkeypatch.setattr(pictures, "STREAMED", 100)
    with pytest.raises(TooLargeError, match="has 200 frames of 8x8 pixels; expected at most 6,400 pixels together"):
        read_picture(path, take="animation", max_pixels=64)
    monkeypatch.setattr(pictures, "STREAMED", 1000)
    assert read_picture(path, take="animation", max_pixels=64).count == 200
    large = written(tmp_path, dotted_gif(9_900, 3))  # 294 million pixels in a few bytes
    with pytest.raises(TooLargeError, match=r"has 3 frames of 9900x9900 pixels; expected at most 250,000,000"):
        read_picture(large, take="animation")


def test_of_separate_pages_the_first_is_taken_unless_all_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, tiff_pages(3, 40))
    picture = read_picture(path, take="animation", max_pixels=40 * 40)
    assert (len(picture.pages), picture.count) == (1, 3)
    with pytest.raises(TooLargeError, match="has 3 pages of more than 3,000 pixels together"):
        read_picture(path, max_pixels=3000)


BIG = b"a" * (2 * LARGEST)
CHUNKS = {
    "zTXt": chunk(b"zTXt", b"k\0\0" + zlib.compress(BIG)),
    "iTXt": chunk(b"iTXt", b"k\0\1\0en\0k\0" + zlib.compress(BIG)),
    "tEXt": chunk(b"tEXt", b"k\0" + BIG),
    "many zTXt": chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * LARGEST)) * 100,
    "damaged": b"\0\0\0\4tEXtk\0aa\0\0\0\0",
    "profile": chunk(b"iCCP", b"k\0\0" + zlib.compress(BIG)),
}


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("kind", CHUNKS)
def test_texts_of_any_size_and_place_do_not_make_a_picture_unreadable(tmp_path: Path, kind: str, where: str) -> None:
    data = png(GREYS, 8, before=CHUNKS[kind]) if where == "before" else png(GREYS, 8, after=CHUNKS[kind])
    (frame,) = read_frames(written(tmp_path, data))
    assert frame.grey is not None
    assert np.array_equal((frame.grey * 255).numpy(), GREYS)
    assert np.array_equal(decode(data)[..., 0], GREYS)


def test_good_chunks_stay_where_a_bad_one_goes() -> None:
    small = chunk(b"zTXt", b"small\0\0" + zlib.compress(b"text"))
    kept = readable_png(io.BytesIO(png(GREYS, 8, before=small, after=CHUNKS["zTXt"]))).read()
    assert kept == png(GREYS, 8, before=small)


def test_a_file_without_bad_chunks_is_read_as_it_is() -> None:
    file = io.BytesIO(png(GREYS, 8))
    assert readable_png(file) is file
    assert file.tell() == 0
