"""The built wheel holds what it should, and works where nothing else of the repository is."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT

LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", "data", "runs", "output", ".*_cache", "node_modules"
)


def call(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command; its standard error is shown when it fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_BEHIND)  # building leaves folders behind
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, cwd=folder / "source")
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_code_weights_and_workflows_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[1] for name in names if name.startswith("senga/") and name.count("/") > 1}
    data = {"weights", "example_workflows", "web", "locales", "page"}
    assert folders == {"arch", "nodes", "training", "headless", *data}
    assert {name.split("/")[0] for name in names} == {"senga", next(n for n in names if "dist-info" in n).split("/")[0]}
    for folder in ("arch", "nodes", "training", "headless"):
        shipped = {Path(name).name for name in names if name.startswith(f"senga/{folder}/") and name.endswith(".py")}
        assert shipped == {path.name for path in (ROOT / folder).rglob("*.py")}
    for pattern in (
        "weights/*.safetensors",
        "training/configs/*.toml",
        "training/datasets/*.mjs",
        "training/datasets/*/*.csv",
        "training/degradation/presets/*.json",
        "example_workflows/api/*.json",
        "web/*.js",
        "web/docs/*.md",
        "locales/*/*.json",
        "page/*.*",
        "page/*/*.js",
        "page/texts/*.json",
        "example_workflows/*.jpg",
    ):
        wanted = {f"senga/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob(pattern)}
        assert wanted
        assert wanted <= set(names)


def test_the_wheel_asks_for_the_run_time_dependencies_alone(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    needed = {line.split(": ")[1] for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line}
    assert needed == {"torch", "numpy", "pillow", "safetensors", "einops", "tqdm"}


def test_the_installed_wheel_upscales(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")})
    packages = Path(paths["purelib"])
    call(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", packages, wheel, cwd=tmp_path)
    # The dependencies are this environment's: installing torch again would take minutes and prove nothing.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = Path(paths["scripts"]) / Path(sys.executable).name
    where = call(python, "-c", "import senga; print(senga.__file__)", cwd=tmp_path).strip()
    assert Path(where).resolve() == (packages / "senga" / "__init__.py").resolve()

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    call(python, "-m", "senga.headless", "upscale", "small.png", "-o", "large.png", cwd=tmp_path)
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (60, 40)
    assert "senga_espcn_7_x2.safetensors" in call(python, "-m", "senga.headless", "models", cwd=tmp_path)
