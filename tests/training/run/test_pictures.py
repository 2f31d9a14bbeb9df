"""Samples of every kind: one reader for the commands, the workflow and both trainers."""

import ast
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT
from sample_pictures import png, tiff
from senga.arch import SengaError
from senga.arch.files.reading import READABLE
from senga.headless.files.pictures import Frame, read_frames
from senga.training.run.pictures import eight_bits, open_picture
from senga.training.sr.pictures.picture_files import decode

GREYS = np.array([[0, 51, 102], [153, 204, 255]], dtype=np.uint8)
SHORTS = GREYS.astype(np.uint16) * 257
UNIT = (GREYS / 255).astype(np.float32)
KEYED = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)  # alpha where the second row alone is opaque


def frame_of(tmp_path: Path, data: bytes) -> Frame:
    (tmp_path / "x").write_bytes(data)
    (frame,) = read_frames(tmp_path / "x")
    return frame


DEEP = {
    "float": tiff(UNIT, sample_format=3),
    "float white is zero": tiff(1 - UNIT, sample_format=3, photometric=0),
    "16 bits": tiff(SHORTS),
    "16 bits white is zero": tiff(65535 - SHORTS, photometric=0),
    "8 bits white is zero": tiff(255 - GREYS, photometric=0),
    "12 bits": tiff(GREYS.astype(np.uint16) // 17 * 273, bits=12),
    "16-bit png": png(SHORTS, 16),
    "pgm": b"P5 3 2 65535\n" + SHORTS.astype(">u2").tobytes(),
    "pfm": b"Pf\n3 2\n-1.0\n" + UNIT[::-1].astype("<f4").tobytes(),
}


@pytest.mark.parametrize("kind", DEEP)
def test_greys_of_every_depth_are_the_same_picture_everywhere(tmp_path: Path, kind: str) -> None:
    frame = frame_of(tmp_path, DEEP[kind])
    assert frame.grey is not None
    assert np.allclose(frame.grey.numpy(), UNIT, atol=1e-6)
    assert frame.alpha is None
    assert np.array_equal(decode(DEEP[kind]), np.repeat(GREYS[..., None], 3, axis=2))


def test_overshoot_of_floats_is_cut_off(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, tiff(np.array([[-0.2, 0.5, 1.2]], dtype=np.float32), sample_format=3))
    assert frame.grey is not None
    assert frame.grey.tolist() == [[0.0, 0.5, 1.0]]


WITHOUT_WHITE = {
    "signed integers of 32 bits": tiff(GREYS.astype(np.int32), sample_format=2),
    "unsigned integers of 32 bits": tiff(GREYS.astype(np.uint32)),
    "signed integers of 16 bits": tiff(GREYS.astype(np.int16), sample_format=2),
    "floats from 0 to 255": tiff(GREYS.astype(np.float32), sample_format=3),
    "floats from nan to nan": tiff(np.full((1, 2), np.nan, np.float32), sample_format=3),
}


@pytest.mark.parametrize("kind", WITHOUT_WHITE)
def test_samples_without_a_known_white_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SengaError, match=rf"x: holds {kind}.*(save it|expected 0)"):
        frame_of(tmp_path, WITHOUT_WHITE[kind])
    with pytest.raises(SengaError):
        decode(WITHOUT_WHITE[kind])


RGB16 = np.stack([SHORTS, SHORTS, SHORTS[::-1]], axis=2)
KEYS = {
    "grey of 16 bits": png(np.array([[1234] * 3, [1235, 0, 65535]]), 16, key=(1234,)),
    "grey of 8 bits": png(np.array([[12] * 3, [13, 0, 255]]), 8, key=(12,)),
    "grey of 4 bits": png(np.array([[3] * 3, [4, 0, 15]]), 4, key=(3,)),
    "grey of 2 bits": png(np.array([[2] * 3, [3, 0, 1]]), 2, key=(2,)),
    "grey of 1 bit": png(np.array([[1] * 3, [0] * 3]), 1, key=(1,)),
    "colour of 8 bits": png(np.array([[(1, 2, 3)] * 3, [(1, 2, 4)] * 3]), 8, key=(1, 2, 3)),
    "colour of 16 bits": png(np.array([[(256, 512, 768)] * 3, [(256, 512, 9999)] * 3]), 16, key=(256, 512, 768)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_transparent_colour_is_clear_at_every_depth(tmp_path: Path, kind: str) -> None:
    frame = frame_of(tmp_path, KEYS[kind])
    assert frame.alpha is not None
    assert np.array_equal(frame.alpha.numpy() * 255, KEYED)
    assert not frame.own_alpha
    assert np.array_equal(decode(KEYS[kind])[..., 3], KEYED)


@pytest.mark.parametrize("samples", [GREYS, SHORTS])
def test_uncompressed_tiffs_are_turned_upright(tmp_path: Path, samples: np.ndarray) -> None:
    frame = frame_of(tmp_path, tiff(samples, orientation=6))
    assert frame.grey is not None
    assert np.allclose(frame.grey.numpy(), np.rot90(UNIT, -1))


def test_eight_bits_are_rounded_not_cut() -> None:
    image = Image.fromarray(np.array([[127, 129, 65534]], dtype=np.uint16))
    assert np.asarray(eight_bits(image))[0, :, 0].tolist() == [0, 1, 255]


def test_postscript_and_other_formats_are_never_opened() -> None:
    assert not {"EPS", "WMF", "FITS", "HDF5", "GRIB", "BUFR", "MPEG", "PCD"} & {*READABLE}
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    with Image.open(io.BytesIO(script)) as image:
        assert image.format == "EPS", "Pillow by itself would start Ghostscript"
    with pytest.raises(OSError, match="cannot identify"), open_picture(io.BytesIO(script)):
        pass


def test_every_call_that_opens_a_picture_names_the_formats() -> None:
    calls = []
    for folder in ("arch", "nodes", "headless", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Image.open", "Pillow.open"):
                    calls.append(f"{path.relative_to(ROOT)}:{node.lineno}")
                    assert "formats" in [keyword.arg for keyword in node.keywords], f"{calls[-1]}: use open_picture"
    assert len(calls) > 3


def test_the_made_files_are_what_they_say() -> None:
    assert struct.unpack("<2sH", DEEP["float"][:4]) == (b"II", 42)
    assert png(SHORTS, 16).startswith(b"\x89PNG")
