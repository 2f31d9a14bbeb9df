"""Other programs' taggers in the load node: where they are found, under which names, and who owns their memory."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from comfy_stand_ins import Books
from published_taggers import NAMES, picture, tensor, write_tags
from sample_taggers import small_tagger
from senga.arch import SengaError, save_model
from senga.benchmarks.onnx_files import write_onnx  # pyright: ignore[reportMissingImports]
from senga.headless.workflow.execute import call_node
from senga.nodes import host
from senga.nodes.load_model import SengaLoadTagger
from senga.nodes.tag_image import SengaTagImage


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tags(path.with_name("selected_tags.csv") if path.stem == "model" else path.with_suffix(".csv"))
    return write_onnx(path, len(NAMES))


def test_without_comfyui_folders_of_a_hub_are_found_below_the_models_folder(tmp_path, monkeypatch):
    put(tmp_path / "flat.onnx")
    put(tmp_path / "wd-x" / "model.onnx")
    save_model(tmp_path / "ours.safetensors", small_tagger())
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[tmp_path]))
    names = host.tagger_names()
    assert [name for name in names if name not in host.shipped_taggers()] == [
        "flat.onnx",
        "ours.safetensors",
        "wd-x/model.onnx",
    ]
    assert not {"flat.onnx", "wd-x/model.onnx", "model.onnx"} & set(host.upscale_model_names())
    assert host.tagger_path("wd-x/model.onnx") == tmp_path / "wd-x" / "model.onnx"
    with pytest.raises(SengaError, match="was not found in"):
        host.tagger_path("wd-y/model.onnx")


class FolderPaths:
    """ComfyUI's folder_paths, as far as `host` asks it."""

    def __init__(self, root: Path) -> None:
        self.models_dir = str(root / "models")
        self.folder_names_and_paths = {
            "senga_taggers": ([str(root / "models/senga_taggers")], {".onnx"}),
            "wd14_tagger": ([str(root / "elsewhere")], set()),  # of extra_model_paths.yaml
            "custom_nodes": ([str(root / "custom_nodes")], set()),
        }

    def get_filename_list(self, kind: str) -> list[str]:
        return sorted(path.name for path in Path(self.folder_names_and_paths[kind][0][0]).glob("*.onnx"))

    def get_full_path(self, kind: str, name: str) -> str | None:
        path = Path(self.folder_names_and_paths[kind][0][0]) / name
        return str(path) if path.is_file() else None

    def get_folder_paths(self, kind: str) -> list[str]:
        return self.folder_names_and_paths[kind][0]


@pytest.fixture
def comfyui(tmp_path, monkeypatch) -> Path:
    put(tmp_path / "models/senga_taggers/mine.onnx")
    put(tmp_path / "models/wd14_tagger/old.onnx")
    put(tmp_path / "elsewhere/far.onnx")
    put(tmp_path / "custom_nodes/ComfyUI-WD14-Tagger/models/wd-v1-4-moat-tagger-v2.onnx")
    put(tmp_path / "custom_nodes/another-node/models/not-asked-for.onnx")
    monkeypatch.setattr(host, "folder_paths", FolderPaths(tmp_path))
    return tmp_path


def test_in_comfyui_other_nodes_taggers_are_listed_with_their_origin(comfyui):
    names = [name for name in host.tagger_names() if name not in host.shipped_taggers()]
    assert names == [
        "mine.onnx",
        "wd14_tagger/old.onnx",
        "wd14_tagger/far.onnx",
        "ComfyUI-WD14-Tagger/wd-v1-4-moat-tagger-v2.onnx",
    ]
    assert [host.tagger_path(name) for name in names] == [
        comfyui / "models/senga_taggers/mine.onnx",
        comfyui / "models/wd14_tagger/old.onnx",
        comfyui / "elsewhere/far.onnx",
        comfyui / "custom_nodes/ComfyUI-WD14-Tagger/models/wd-v1-4-moat-tagger-v2.onnx",
    ]
    assert names == [n for n in SengaLoadTagger.INPUT_TYPES()["required"]["model_name"][0] if n in names]


def test_the_nodes_tag_with_a_wd14_file(comfyui):
    (model,) = SengaLoadTagger().load("ComfyUI-WD14-Tagger/wd-v1-4-moat-tagger-v2.onnx")
    tags, characters, rating, _ = call_node(
        SengaTagImage, tagger=model, image=tensor(picture(40, 30)).movedim(1, -1), general_threshold=0.0
    )
    assert "^_^" in tags[0].split(", ")
    assert rating[0] in NAMES[:4]
    assert "not trained" not in characters[0]


class Patcher:
    def __init__(self, net, load_device, offload_device, size=0):
        self.net, self.load_device, self.offload_device, self.size = net, load_device, offload_device, size


def test_comfyuis_memory_management_owns_a_session_where_onnxruntime_runs_on_its_device(tmp_path, monkeypatch):
    path = put(tmp_path / "x.onnx")
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[tmp_path]))
    monkeypatch.setattr(host, "management", Books())
    monkeypatch.setattr(host, "patching", SimpleNamespace(ModelPatcher=Patcher))
    (model,) = SengaLoadTagger().load("x.onnx")
    assert model.patcher is None  # onnxruntime for the CPU: nothing of it is on the device
    monkeypatch.setattr("senga.arch.borrowed.onnx_taggers.PROVIDERS", {"meta": ("CPUExecutionProvider",)})
    (model,) = SengaLoadTagger().load("x.onnx")
    assert model.patcher.net is model.model
    assert model.patcher.size == path.stat().st_size
    model.model.session()
    model.patcher.net.to(torch.device("meta"))  # what unloading does, from one device to another
    assert model.model.held is None
