"""Lists of tags, thresholds and settings of other programs' taggers; and headers of ours keep their bytes."""

import json
from pathlib import Path

import pytest
import torch
from published_taggers import NAMES, write_camie, write_tags
from sample_taggers import small_tagger
from senga.arch import Header, Preprocessing, SengaError, preprocess
from senga.arch.borrowed import tag_lists
from senga.arch.borrowed import tagger_files as files

FACES = (";)", ":3", ">_<", "^_^", "|_|", "\\m/", "=_=", "<o>_<o>", '"', '""', "a,b", '"x",_"y"', "(o)_(o)", "…", "'")


def test_a_csv_with_quotes_commas_and_faces(tmp_path):
    path = write_tags(tmp_path / "selected_tags.csv", tuple((name, 0) for name in FACES))
    assert tag_lists.read_tags(path).names == FACES
    text = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\r\n", b"\n"))  # as an editor may leave it
    assert tag_lists.read_tags(path).names == FACES


def test_categories_of_every_form(tmp_path):
    for version in (1, 2):
        found = tag_lists.read_tags(write_camie(tmp_path / f"{version}.json", version))
        assert (found.names, found.indices("rating"), found.indices("character")) == (NAMES, [0, 1, 2, 3], [12, 13])
    (tmp_path / "top_tags.txt").write_text("1girl\n^_^\n\nsolo\n")
    assert tag_lists.read_tags(tmp_path / "top_tags.txt").names == ("1girl", "^_^", "solo")
    (tmp_path / "tags.json").write_text('["1girl", "safe", "explicit"]')
    assert tag_lists.read_tags(tmp_path / "tags.json").indices("rating") == [1, 2]


def tags_of(folder: Path, **columns):
    write_tags(folder / "x.csv", **columns)
    return files.tags_beside(folder / "x.onnx", None).vocabulary


@pytest.mark.parametrize("column", ["best_threshold", "best_thresholds"])
def test_thresholds_in_the_csv(tmp_path, column):
    found = tags_of(tmp_path, **{column: [0.1, 0.2, 0.3, 0.4, 0.5, "", "nan", 2, *[0.25] * 4, 0.75, ""]})
    assert found.thresholds == (0.1, 0.2, 0.3, 0.4, 0.5, 0.35, 0.35, 0.35, *[0.25] * 4, 0.75, 0.85)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.best_thresholds.json", '{"1girl": 0.6, "saber_(fate)": 0.7}'),
        ("best_thresholds.json", '{"1girl": 0.6, "saber_(fate)": 0.7}'),
        ("best_thresholds.csv", "name,best_threshold\n1girl,0.6\nsaber_(fate),0.7\n"),
        ("x.best_thresholds.csv", "name,threshold\n1girl,0.6\nsaber_(fate),0.7\n"),
    ],
)
def test_thresholds_in_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = dict(zip(NAMES, tags_of(tmp_path).thresholds, strict=True))
    assert (found["1girl"], found["saber_(fate)"], found["solo"], found["hatsune_miku"]) == (0.6, 0.7, 0.35, 0.85)


@pytest.mark.parametrize(("name", "text"), [("best_thresholds.csv", "a,b\n1,2\n"), ("best_thresholds.json", "[0.3]")])
def test_a_file_of_thresholds_that_cannot_be_read_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(SengaError, match=name):
        tags_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "columns nothing"), ("a,b\n1,2\n", "columns a, b"), ("tag_id,name,category\n1,a,0\n2,a,0\n", "'a' twice")],
)
def test_a_list_that_cannot_be_read_is_named(tmp_path, text, words):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(SengaError, match=rf"x\.csv: .*{words}"):
        files.tags_beside(tmp_path / "x.onnx", None)


def test_whose_layout_it_is_decides_what_no_file_says(tmp_path):
    def layout(**k):
        return files.tags_beside(tmp_path / "x.onnx", None, **k).layout

    write_tags(tmp_path / "x.csv")
    assert layout(levels=True) is files.WD
    assert layout() is files.WD_NORMALISED
    (tmp_path / "preprocess.json").write_text("{}")
    assert layout() is files.ANIMETIMM
    (tmp_path / "x.csv").write_text("name,category\na,0\n")
    (tmp_path / "preprocess.json").unlink()
    assert layout() is files.OTHER
    (tmp_path / "x.csv").unlink()
    (tmp_path / "top_tags.txt").write_text("a\n")
    assert layout() is files.JOYTAG


def test_settings_by_name_come_before_the_layout_and_timms(tmp_path):
    timm = {"pretrained_cfg": {"input_size": [3, 320, 320], "mean": [0, 0, 0], "std": [1, 1, 1], "crop_pct": 0.9}}
    ready = files.preprocessing_of(files.WD_NORMALISED, timm, None)
    assert (ready.size, ready.mean, ready.order, ready.pad_colour) == (320, (0, 0, 0), "bgr", (1, 1, 1))
    ready = files.preprocessing_of(files.WD_NORMALISED, {**timm, "order": "rgb", "pad_colour": [0, 0, 0]}, 448)
    assert (ready.size, ready.order, ready.pad_colour) == (448, "rgb", (0, 0, 0))
    assert files.preprocessing_of(files.WD, {"order": "rgb"}, 448).order == "rgb"
    with pytest.raises(SengaError, match="how many pixels"):
        files.preprocessing_of(files.JOYTAG, {}, None)
    with pytest.raises(SengaError, match="expected true or false"):
        files.preprocessing_of(files.WD, {"eight_bit": 1}, 448)


def test_a_header_of_ours_has_the_bytes_that_it_had_before_pillows_way():
    header = small_tagger().header
    raw = json.loads(header.to_json())
    assert list(raw["preprocessing"]) == ["mean", "order", "pad_colour", "resize", "size", "std"]
    assert Header.from_json(header.to_json()) == header
    new = Preprocessing(64, pad_first=True)
    assert new.as_table()["pad_first"] is True
    assert "eight_bit" not in new.as_table()


def test_padding_first_blends_the_edge_with_the_pad_colour():
    line = torch.zeros(1, 3, 16, 128)
    later, first = (preprocess(line, Preprocessing(64, pad_first=first)) for first in (False, True))
    assert set(later.unique().tolist()) == {-1.0, 1.0}
    assert len(first.unique()) > 2
