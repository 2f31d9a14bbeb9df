"""Folders of models: what the load nodes and `senga models` list, whatever strangers put there."""

import json
import os
import socket
from pathlib import Path

import pytest
import torch
from PIL import Image
from published_taggers import NAMES, write_tags
from repository import ROOT
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import SengaError, save_model
from senga.benchmarks.onnx_files import write_onnx  # pyright: ignore[reportMissingImports]
from senga.headless.cli import OK, main
from senga.nodes import host, model_files
from senga.nodes.load_model import SengaLoadTagger, SengaLoadUpscaleModel

EXAMPLE = ROOT / "example_workflows" / "api" / "upscale.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's with one upscaler and one tagger; nothing is shipped."""
    monkeypatch.setattr(host, "WEIGHTS", tmp_path / "nothing")
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[models]))
    save_model(models / "good.safetensors", small_model("espcn_7"))
    save_model(models / "tagger.safetensors", small_tagger())
    return models


def names_of(node: type) -> list[str]:
    return node.INPUT_TYPES()["required"]["model_name"][0]  # type: ignore[attr-defined]


def lines_of(capsys: pytest.CaptureFixture[str], folder: Path) -> list[str]:
    capsys.readouterr()
    assert main(["models", "--models-dir", str(folder)]) == OK
    return capsys.readouterr().out.splitlines()[1:]


def test_folders_in_folders_are_searched_and_hidden_ones_are_not(tmp_path):
    for name in ("a.onnx", "wd-x/model.safetensors", "wd-x/deep/model.onnx", ".hidden/model.onnx", "wd-x/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = model_files.listed(tmp_path, (".onnx", ".safetensors"))
    assert list(found) == ["a.onnx", "wd-x/deep/model.onnx", "wd-x/model.safetensors"]
    assert all(path == tmp_path / name for name, path in found.items())
    assert model_files.listed(tmp_path / "nowhere", (".onnx",)) == {}


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone.pth"))


def looping(path: Path) -> None:
    path.symlink_to(path)


def circle(path: Path) -> None:
    other = path.with_name("other")
    other.symlink_to(path)
    path.symlink_to(other)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has at most 108 characters
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


ODD = [
    ("dangling.pth", dangling, "is a link to "),
    ("looping.safetensors", looping, "cannot be opened (Too many levels of symbolic links)"),
    ("circle.pth", circle, "cannot be opened (Too many levels of symbolic links)"),
    ("pipe.pth", os.mkfifo, "is a pipe; expected a file"),
    ("pipe.onnx", os.mkfifo, "is a pipe; expected a file"),
    ("socket.pth", listening, "is a socket; expected a file"),
    ("device.pth", lambda path: path.symlink_to("/dev/zero"), "is a device; expected a file"),
    (os.fsdecode(b"\xb2\xb2.safetensors"), lambda path: path.touch(), "its name is not UTF-8; rename it"),
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(("name", "make", "words"), ODD, ids=[ascii(name) for name, _, _ in ODD])
def test_what_cannot_be_opened_is_in_no_list_and_has_its_line(name, make, words, folder, capsys):
    make(folder / name)
    assert names_of(SengaLoadUpscaleModel) == ["good.safetensors"]
    assert names_of(SengaLoadTagger) == ["tagger.safetensors"]
    lines = lines_of(capsys, folder)
    assert len(lines) == 3
    assert f"  unreadable: {words}" in lines[-1]
    with pytest.raises(SengaError):
        SengaLoadUpscaleModel().load(name)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_that_may_not_be_read_has_its_line(folder, capsys, monkeypatch):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "good" not in str(path) and real(path, mode))
    assert names_of(SengaLoadUpscaleModel) == []
    assert "unreadable: cannot be read (Permission denied)" in lines_of(capsys, folder)[-1]


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_linked_folders_that_lead_back_end(folder):
    (folder / "round").mkdir()
    (folder / "round" / "again").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    assert names_of(SengaLoadUpscaleModel) == ["good.safetensors"]


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


DAMAGED = [
    ("digits.safetensors", header(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}')),
    ("deep.safetensors", header(b"[" * 100_000)),
    ("endless.safetensors", (2**62).to_bytes(8, "little") + b"{}"),
    ("text.pth", b"a list\n."),
    ("empty.onnx", b""),
    ("back.onnx", b"\x3a\xf6\xff\xff\xff\xff\xff\xff\xff\xff\x01"),  # a field that ends before it begins
]


@pytest.mark.parametrize(("name", "content"), DAMAGED, ids=[name for name, _ in DAMAGED])
def test_a_damaged_file_stays_in_the_list_and_has_its_line(name, content, folder, capsys):
    (folder / name).write_bytes(content)
    names = names_of(SengaLoadTagger if name.endswith(".onnx") else SengaLoadUpscaleModel)
    assert name in names
    assert len(names) == 2
    (line,) = (line for line in lines_of(capsys, folder) if line.startswith(name))
    assert "unreadable: " in line


def test_weights_that_hold_nan_are_not_listed_as_sound(folder, capsys):
    model = small_model("rrdb")
    with torch.no_grad():
        model.model.conv_last.bias[1] = float("nan")
    save_model(folder / "nan.safetensors", model)
    (line,) = (line for line in lines_of(capsys, folder) if line.startswith("nan.safetensors"))
    assert "unreadable: nan.safetensors: its tensor conv_last.bias holds NaN" in line


def test_a_tagger_whose_library_is_missing_is_not_listed_as_sound(folder, capsys, monkeypatch):
    write_tags(folder / "wd.csv")
    write_onnx(folder / "wd.onnx", len(NAMES))
    monkeypatch.setattr("senga.arch.weights.is_there", lambda library: library != "onnxruntime")
    (line,) = (line for line in lines_of(capsys, folder) if line.startswith("wd.onnx"))
    assert "is a tagger for onnxruntime, which is not installed; in Senga's folder, run: pip install" in line


COMPANIONS = [
    ("tagger.csv", "name,category\n" + "x" * 200_000 + ",0\n"),
    ("tagger.csv", "name,category\na," + "9" * 5000 + "\n"),
    ("tagger.csv", "name,category,count\na,0," + "9" * 5000 + "\n"),
    ("tagger.json", "[" * 100_000),
    ("tagger.json", '{"' + "9" * 5000 + '": "a"}'),
    ("tagger.config.json", "[" * 100_000),
    ("tagger.config.json", '{"size": ' + "9" * 5000 + "}"),
    ("tagger.config.json", '{"size": ' + "9" * 4000 + "}"),
    ("tagger.config.json", '{"eps": ' + "9" * 4000 + "}"),
    ("tagger.config.json", '{"mean": [NaN, 0, 0]}'),
    ("tagger.config.json", '{"std": [' + "9" * 4000 + ", 1, 1]}"),
]


@pytest.mark.parametrize(("name", "content"), COMPANIONS)
def test_a_damaged_companion_takes_no_file_away(name, content, folder, capsys):
    state = {key: value.clone() for key, value in small_tagger().model.state_dict().items()}
    (folder / "tagger.safetensors").unlink()
    torch.save(state, folder / "tagger.pth")
    (folder / name).write_text(content, encoding="utf-8")
    assert names_of(SengaLoadTagger) == ["tagger.pth"]
    assert names_of(SengaLoadUpscaleModel) == ["good.safetensors"]
    (line,) = (line for line in lines_of(capsys, folder) if line.startswith("tagger.pth"))
    assert "unreadable: tagger.pth: " in line
    assert len(line) < 700


def test_an_error_that_nobody_foresaw_takes_no_file_away(folder, capsys, monkeypatch):
    def fail(path: Path) -> str:
        raise ArithmeticError("never seen before")

    monkeypatch.setattr(model_files, "task_of", fail)
    monkeypatch.setattr("senga.headless.commands.models.check_file", fail)
    os.utime(folder / "good.safetensors", ns=(1, 1))  # not as it was remembered
    assert "good.safetensors" in names_of(SengaLoadUpscaleModel)
    lines = lines_of(capsys, folder)
    assert "unreadable: cannot be read (ArithmeticError: never seen before)" in lines[0]


def test_the_list_escapes_names(folder, capsys):
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    (folder / "good.safetensors").rename(folder / "go\x1b[31mod\n.safetensors")
    (line, _) = lines_of(capsys, folder)
    assert line.startswith(r"go\x1b[31mod .safetensors ")


@pytest.mark.parametrize("spelling", ["ESRGAN/deep/x.pth", "ESRGAN\\deep\\x.pth"])
def test_a_file_of_a_sub_folder_is_found_with_either_slash(spelling, folder, tmp_path, capsys):
    (folder / "ESRGAN" / "deep").mkdir(parents=True)
    torch.save(small_model("rrdb").model.state_dict(), folder / "ESRGAN" / "deep" / "x.pth")
    assert names_of(SengaLoadUpscaleModel) == ["ESRGAN/deep/x.pth", "good.safetensors"]
    assert SengaLoadUpscaleModel.VALIDATE_INPUTS(spelling) is True
    assert SengaLoadUpscaleModel().load(spelling)[0].header.architecture == "rrdb"
    assert any(line.split()[:2] == ["ESRGAN/deep/x.pth", "rrdb"] for line in lines_of(capsys, folder))
    Image.new("RGB", (6, 5)).save(tmp_path / "p.png")
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    example["1"]["inputs"]["image"] = "p.png"
    for node in ("SengaLoadUpscaleModel", "UpscaleModelLoader"):
        example["2"] = {"class_type": node, "inputs": {"model_name": spelling}}
        (tmp_path / "w.json").write_text(json.dumps(example), encoding="utf-8")
        folders = ["--input-dir", str(tmp_path), "--output-dir", str(tmp_path / node)]
        assert main(["run", str(tmp_path / "w.json"), "--models-dir", str(folder), *folders]) == OK
        assert [path.suffix for path in (tmp_path / node).iterdir()] == [".png"]


def test_a_tagger_of_a_sub_folder_is_found_with_either_slash(folder):
    (folder / "mine").mkdir()
    (folder / "tagger.safetensors").rename(folder / "mine" / "tagger.safetensors")
    assert names_of(SengaLoadTagger) == ["mine/tagger.safetensors"]
    assert SengaLoadTagger.VALIDATE_INPUTS("mine\\tagger.safetensors") is True
    assert SengaLoadTagger.VALIDATE_INPUTS(None) is True  # it comes through a link
    assert "was not found in" in str(SengaLoadTagger.VALIDATE_INPUTS("yours\\tagger.safetensors"))


class FolderPaths:
    """ComfyUI's folder_paths, which lists whatever has the right ending."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models_dir = str(folder.parent / "elsewhere")
        self.folder_names_and_paths = {"upscale_models": ([str(folder)], set()), "senga_taggers": ([], set())}

    def get_filename_list(self, kind: str) -> list[str]:
        found = [Path(place) for place in self.get_folder_paths(kind)]
        return sorted(str(path.relative_to(self.folder)) for place in found for path in place.rglob("*.*"))

    def get_full_path(self, kind: str, name: str) -> str | None:
        return str(self.folder / name) if (self.folder / name).is_file() else None

    def get_folder_paths(self, kind: str) -> list[str]:
        return self.folder_names_and_paths[kind][0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_in_comfyui_what_cannot_be_opened_is_left_out(folder, monkeypatch):
    monkeypatch.setattr(host, "folder_paths", FolderPaths(folder))
    (folder / "tagger.safetensors").unlink()
    dangling(folder / "dangling.pth")
    os.mkfifo(folder / "pipe.pth")
    (folder / os.fsdecode(b"\xb2.pth")).touch()
    (folder / "sub").mkdir()
    (folder / "good.safetensors").rename(folder / "sub" / "good.safetensors")
    assert names_of(SengaLoadUpscaleModel) == ["sub/good.safetensors"]
    assert host.upscale_model_path("sub\\good.safetensors") == folder / "sub" / "good.safetensors"
    reasons = {path.name: reason for path, reason in host.unusable_files()}
    assert {"dangling.pth", "pipe.pth"} <= reasons.keys()
    assert "good.safetensors" not in reasons
