"""SengaLoadImages: sorted, limited, each picture in its size, and never one outside the input folder."""

import json
import os

import numpy as np
import pytest
import torch
from bounds import within_bounds
from hostile_pictures import flat_png
from PIL import Image
from sample_pictures import chunk, png, tiff
from senga.arch import SengaError, Stopped
from senga.headless.cli import OK, USAGE, main
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.node_classes import all_nodes
from senga.nodes import host
from senga.nodes.load_images import SengaLoadImages, names_of, read_picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """input/set with three pictures of different kinds."""
    inside = tmp_path / "input" / "set"
    inside.mkdir(parents=True)
    monkeypatch.setattr(host, "standalone", host.Standalone(input_dir=tmp_path / "input"))
    Image.new("RGB", (4, 3), (255, 0, 0)).save(inside / "b.png")
    Image.new("RGBA", (5, 6), (0, 255, 0, 51)).save(inside / "a.png")
    Image.fromarray(np.full((2, 2), 65535 // 3, np.uint16)).save(inside / "c.png")
    (inside / "notes.txt").write_text("no picture")
    (inside / "more").mkdir()
    Image.new("L", (9, 9)).save(inside / "more" / "d.png")
    return inside


def load(folder="set", limit=0, start=0):
    return SengaLoadImages().load(folder, limit, start)


def test_pictures_come_sorted_each_in_its_size_with_mask_and_name(folder):
    images, masks, names = load()
    assert names == ["a", "b", "c"]
    assert [tuple(image.shape) for image in images] == [(1, 6, 5, 3), (1, 3, 4, 3), (1, 2, 2, 3)]
    assert [tuple(mask.shape) for mask in masks] == [(1, 6, 5), (1, 3, 4), (1, 2, 2)]
    assert masks[0].unique().tolist() == pytest.approx([0.8])
    assert not masks[1].any()
    assert images[1][0, 0, 0].tolist() == [1, 0, 0]
    assert images[2].unique().tolist() == pytest.approx([1 / 3])  # 16 bits keep their levels


def test_start_and_limit_choose_and_none_left_is_an_error(folder):
    assert load(limit=2)[2] == ["a", "b"]
    assert load(start=1, limit=1)[2] == ["b"]
    with pytest.raises(SengaError, match="has 3 pictures, of which start skips 3"):
        load(start=3)
    with pytest.raises(SengaError, match="has 0 pictures"):
        load("")


def test_names_that_differ_in_the_ending_alone_keep_it(folder):
    paths = [folder / name for name in ("x.jpg", "X.png", "y.png")]
    assert names_of(paths) == ["x.jpg", "X.png", "y"]


@pytest.mark.parametrize("name", ["..", "../..", "set/../..", "/", "C:\\x", "\0"])
def test_a_folder_outside_the_input_folder_is_refused_before_the_run(folder, name):
    answer = SengaLoadImages.VALIDATE_INPUTS(folder=name)
    assert isinstance(answer, str)
    assert "folder" in answer
    with pytest.raises(SengaError):
        load(name)


def test_a_link_that_leads_out_is_refused(folder, tmp_path):
    (tmp_path / "secret").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "secret" / "s.png")
    try:
        (folder.parent / "link").symlink_to(tmp_path / "secret")
        (folder / "s.png").symlink_to(tmp_path / "secret" / "s.png")
    except OSError:
        pytest.skip("links are not allowed here")
    assert "leads out" in str(SengaLoadImages.VALIDATE_INPUTS(folder="link"))
    with pytest.raises(SengaError, match=r"s\.png in folder 'set' is a link that leads out"):
        load()


def test_the_check_before_the_run_takes_what_is_there_and_links(folder):
    assert SengaLoadImages.VALIDATE_INPUTS(folder="set") is True
    assert SengaLoadImages.VALIDATE_INPUTS(folder="") is True
    assert SengaLoadImages.VALIDATE_INPUTS(folder=None) is True
    assert "is not in the input folder" in str(SengaLoadImages.VALIDATE_INPUTS(folder="gone"))


def test_a_changed_folder_is_loaded_again(folder):
    before = SengaLoadImages.IS_CHANGED("set", 0, 0)
    assert SengaLoadImages.IS_CHANGED("set", 0, 0) == before
    os.utime(folder / "a.png", ns=(1, 1))
    assert SengaLoadImages.IS_CHANGED("set", 0, 0) != before


def test_progress_and_cancel_reach_the_folder(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(host.standalone, "progress", lambda done, total: seen.append((done, total)))
    load()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr(host.standalone, "should_stop", lambda: True)
    with pytest.raises(Stopped, match="stopped after 0 of 3 pictures"):
        load()


def test_a_damaged_picture_is_named(folder):
    (folder / "a.png").write_bytes(b"oops")
    with pytest.raises(SengaError, match=r"a\.png: not a picture"):
        load()


GREYS = np.array([[0, 100, 255], [7, 255, 50]])
KINDS = {
    "8 bits": (png(GREYS, 8), None),
    "a clear grey of 16 bits": (png(GREYS * 257, 16, key=(100 * 257,)), 100),
    "a clear grey of 8 bits": (png(GREYS, 8, key=(100,)), 100),
    "white is zero": (tiff((65535 - GREYS * 257).astype(np.uint16), photometric=0), None),
    "floats": (tiff((GREYS / 255).astype(np.float32), sample_format=3), None),
    "floats that overshoot": (tiff(np.where(GREYS == 255, 1.4, GREYS / 255).astype(np.float32), sample_format=3), None),
    "large texts": (png(GREYS, 8, after=chunk(b"tEXt", b"k\0" + b"a" * 2**21)), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_every_kind_have_their_own_white(kind, tmp_path):
    content, clear = KINDS[kind]
    (tmp_path / "x.png").write_bytes(content)
    image, mask = read_picture(tmp_path / "x.png")
    assert np.allclose(image[0, ..., 0].numpy() * 255, GREYS, atol=0.01)
    assert mask[0].bool().tolist() == (clear == GREYS).tolist()
    assert mask.dtype == image.dtype == torch.float32


REFUSED = {
    "NaN": (tiff(np.array([[np.nan]], np.float32), sample_format=3), "holds floats"),
    "levels as floats": (tiff(np.array([[255.0]], np.float32), sample_format=3), "holds floats from 255 to 255"),
    "32 bits": (tiff(np.array([[2**32 - 1]], np.uint32)), "no known white"),
    "signed": (tiff(np.array([[-5]], np.int16), sample_format=2), "no known white"),
    "too large": (flat_png(16_000), "has more than 250,000,000 pixels"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture that Pillow can read"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_samples_without_a_white_and_what_is_too_large_are_refused(kind, folder, recwarn):
    content, words = REFUSED[kind]
    (folder / "b.png").write_bytes(content)
    with within_bounds(), pytest.raises(SengaError, match=rf"^b\.png: .*{words}") as caught:
        load()
    assert len(str(caught.value)) < 300
    assert not recwarn


def test_odd_files_in_the_folder_take_none_away(folder):
    odd = [os.fsdecode(b"\xff.png"), "new\nline.png", "\x1b[2J.png", ".hidden.png", "._b.png"]
    for name in odd:
        Image.new("L", (1, 1)).save(folder / name, "PNG")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "self").symlink_to(".")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    assert load()[2] == sorted(["a", "b", "c", "new\nline", "\x1b[2J", os.fsdecode(b"\xff")])
    assert SengaLoadImages.IS_CHANGED("set", 0, 0)


@pytest.mark.parametrize(
    "name", ["set/a.png", "loop", "x" * 5000, "a\0b", "new\nline", os.fsdecode(b"\xff"), "\x1b[2J"]
)
def test_what_is_no_folder_is_one_printable_sentence(name, folder):
    (folder.parent / "loop").symlink_to("loop")
    answer = str(SengaLoadImages.VALIDATE_INPUTS(folder=name))
    assert answer.startswith("folder '")
    assert answer.isprintable()
    assert len(answer) < 400


def test_the_headless_node_reads_the_runs_folder_in_the_same_way(folder, tmp_path):
    node = all_nodes(Folders(folder.parent, tmp_path, tmp_path))["SengaLoadImages"]()
    for path in sorted(folder.glob("*.png")):
        for own, other in zip(read_picture(path), node.read(path), strict=True):
            assert torch.allclose(own, other, atol=1e-6)


def test_a_workflow_goes_through_a_folder_and_keeps_the_names(folder, tmp_path, capsys):
    inputs = {"folder": "set", "limit": 2, "start": 0}
    save = {"images": ["1", 0], "tags": "a tag", "filename_prefix": "x/y", "mask": ["1", 1], "names": ["1", 2]}
    prompt = {
        "1": {"class_type": "SengaLoadImages", "inputs": inputs},
        "2": {"class_type": "SengaSaveTags", "inputs": save},
    }
    (tmp_path / "w.json").write_text(json.dumps(prompt), encoding="utf-8")
    folders = ["--input-dir", str(tmp_path / "input"), "--output-dir", str(tmp_path / "out")]
    assert main(["run", str(tmp_path / "w.json"), *folders]) == OK
    assert sorted(path.name for path in (tmp_path / "out" / "x").iterdir()) == ["a.png", "a.txt", "b.png", "b.txt"]
    capsys.readouterr()
    assert main(["run", str(tmp_path / "w.json"), *folders, "--set", "1.folder=../.."]) == USAGE
    assert "leads out of the input folder" in capsys.readouterr().err
