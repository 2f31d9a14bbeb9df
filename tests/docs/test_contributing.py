"""CONTRIBUTING.md's first recipe, followed mechanically in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from repository import ROOT
from sample_picture_sets import make_set

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = PAGE.partition("### Add a network")[2].partition("\n### ")[0]
CHECK = """
import torch
from senga.arch import load_model, upscale
model = load_model("runs/toy_x2/toy_x2.safetensors")
assert model.header.architecture == "toy"
image = torch.rand(1, 50, 40, 3, generator=torch.Generator().manual_seed(0))
whole = upscale(model, image, tile=1024, precision="fp32")
assert whole.shape == (1, 100, 80, 3)
assert whole.std() > 0.01
assert torch.equal(whole, upscale(model, image, tile=16, precision="fp32"))
"""


def block(path: str) -> str:
    """The code block of the recipe that begins with a comment naming `path`."""
    (text,) = re.findall(rf"^```\w+\n# {re.escape(path)}\n(.*?)^```", RECIPE, re.DOTALL | re.MULTILINE)
    return text


@pytest.fixture
def copied(tmp_path):
    """A copy of the package as `senga`, with the recipe applied to it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for folder in ("arch", "nodes", "training", "headless", "weights"):
        shutil.copytree(ROOT / folder, tmp_path / "senga" / folder, ignore=ignored)
    for name in ("__init__.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "senga" / name)
    for path in ("arch/toy.py", "training/configs/toy_x2.toml"):
        (tmp_path / "senga" / path).write_text(block(path), encoding="utf-8")
    registry = tmp_path / "senga" / "arch" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count("ARCHITECTURES = (\n") == 1
    text = text.replace("ARCHITECTURES = (\n", f"ARCHITECTURES = (\n{block('arch/registry.py')}")
    text = text.replace("from .rrdb import", "from .toy import Toy, ToyConfig\nfrom .rrdb import")
    registry.write_text(text, encoding="utf-8")
    return tmp_path


def python(folder, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_for_a_network_gives_one_that_trains_saves_loads_and_tiles(copied):
    (copied / "data" / "art").mkdir(parents=True)
    make_set(copied / "data" / "art")
    python(copied, "-m", "senga.headless", "train", "sr", "senga/training/configs/toy_x2.toml")
    python(copied, "-c", CHECK)


def test_every_file_that_the_page_names_exists():
    named = set(re.findall(r"`([\w./]+/[\w.]*)`", PAGE)) - {"arch/toy.py", "nodes/NAME.py", "headless/commands/NAME.py"}
    assert len(named) > 15
    folders = ("", "headless", "training/degradation")
    missing = [name for name in named if not any((ROOT / folder / name).exists() for folder in folders)]
    assert not missing
