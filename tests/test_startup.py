"""What is imported when: nobody waits for torch to read `senga --help`, nor for training packages to upscale."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import senga.arch
from repository import ROOT

# Each takes longer to import than all of our own modules together, or belongs to an extra that may be missing.
HEAVY = {
    *("torch", "numpy", "PIL", "safetensors", "einops", "tqdm", "spandrel", "timm", "onnxruntime", "onnx", "openvino"),
    *("torchvision", "duckdb", "lightning_fabric", "matplotlib", "tensorboard", "webdataset", "av", "websocket", "cv2"),
    *("ray", "pyarrow", "pandas", "fsspec", "ncnn"),
}
NODES = {"torch", "numpy", "PIL", "safetensors", "einops", "tqdm"}  # torch imports the last


def heavy_after(code: str, folder: Path) -> set[str]:
    """The packages of HEAVY that a process has imported after `code`, in which `senga` can be imported."""
    (folder / "senga").symlink_to(ROOT, target_is_directory=True)
    listing = "import json, sys; sys.stderr.write(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}\n{listing}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1])) & HEAVY


HELP = """
from senga.headless.cli import main
try: main({words})
except SystemExit: pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("import senga, senga.arch, senga.headless.errors", set()),
        (HELP.format(words=["--help"]), set()),
        (HELP.format(words=["--version"]), set()),
        (HELP.format(words=["nothing"]), set()),
        ("import senga; senga.NODE_CLASS_MAPPINGS", NODES),
        (HELP.format(words=["upscale", "--help"]), NODES),
        (HELP.format(words=["train", "--help"]), set()),
    ],
    ids=["import", "help", "version", "no command", "nodes", "upscale --help", "train --help"],
)
def test_heavy_packages_are_imported_when_they_are_needed(code: str, most: set[str], tmp_path: Path) -> None:
    assert heavy_after(code, tmp_path) <= most


def test_numpys_random_part_waits_for_the_first_draw(tmp_path: Path) -> None:
    """It takes as long as all of Senga."""
    (tmp_path / "senga").symlink_to(ROOT, target_is_directory=True)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import senga; senga.NODE_CLASS_MAPPINGS"
    before = "import sys, torch, numpy; before = set(sys.modules)"
    check = "assert 'numpy.random' not in set(sys.modules) - before"
    subprocess.run([sys.executable, "-c", f"{before}\n{code}\n{check}"], check=True)


def test_loading_a_network_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    """It would to draw the random numbers of a network whose weights come from the file."""
    (tmp_path / "senga").symlink_to(ROOT, target_is_directory=True)
    load = "[senga.arch.load_model(path) for path in senga.nodes.host.WEIGHTS.glob('*.safetensors')]"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import senga.arch, senga.nodes.host; nets = {load}"
    check = "assert nets; assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{code}\n{check}"], check=True)


def test_every_public_name_of_arch_has_a_home() -> None:
    assert set(senga.arch.HOMES) == set(senga.arch.__all__)
    for name in senga.arch.__all__:
        assert getattr(senga.arch, name).__module__ == f"senga.arch.{senga.arch.HOMES[name]}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    for package in (senga, senga.arch):
        with pytest.raises(AttributeError, match="has no attribute 'NODES'"):
            _ = package.NODES
