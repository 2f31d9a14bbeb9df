"""Numbers with nouns, and files, in messages."""

from pathlib import Path

import pytest
from senga.arch.errors import amount, file_label


@pytest.mark.parametrize(("count", "text"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (1200, "1200 pairs")])
def test_one_has_the_singular(count: int, text: str) -> None:
    assert amount(count, "pair") == text


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("models/x2.safetensors", "x2.safetensors"),
        ("models/wd-vit-tagger-v3/model.onnx", "wd-vit-tagger-v3/model.onnx"),
        ("models/my--tagger/model.onnx", "my--tagger/model.onnx"),
        ("model.onnx", "model.onnx"),
        ("hub/models--SmilingWolf--wd-x/snapshots/0f3a/model.safetensors", "wd-x/model.safetensors"),
    ],
)
def test_a_name_that_many_files_have_comes_with_its_folder(path: str, label: str) -> None:
    assert file_label(Path(path)) == label
