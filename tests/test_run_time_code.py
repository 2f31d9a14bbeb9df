"""What the run-time package never does: run code from files, start programs, open a network unasked, let Pillow guess.

Read from the source with `ast`, so that a new file is held to it from its first line.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT
from senga.arch.files.reading import PICTURE_FORMATS

FOLDERS = ("arch", "nodes", "headless", "training")
FILES = sorted([ROOT / "__init__.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])

# Modules that run what a file holds. Of pickle the exception alone may be named.
RUN_FILES = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "runpy",
    "code",
    "codeop",
}
HARMLESS = {"pickle.UnpicklingError", "pickle.PickleError"}
PROGRAMS = {"subprocess", "pty", "ctypes", "cffi", "multiprocessing"}
TORCHS = {"torch.hub", "torch.utils.cpp_extension", "torch.package"}
NETWORK = {"socket", "ssl", "http", "ftplib", "smtplib", "telnetlib", "xmlrpc", "socketserver", "asyncio"}
NETWORK |= {
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "websocket",
    "websockets",
    "huggingface_hub",
    "boto3",
    "fsspec",
    "ray",
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
OS_CALLS = ("system", "popen", "startfile", "exec", "spawn", "posix_spawn", "fork")

# path: what it may do, and why.
ALLOWED = {
    "arch/borrowed/ncnn_engine.py": {"ctypes"},  # copies weights to the address that ncnn gives
    "training/run/run_folder.py": {"subprocess"},  # asks git for the commit of the code that trains
    "training/run/processes.py": {"socket"},  # torchrun: which interface leads to the first machine, who is gone
    "training/datasets/fetch.py": {"subprocess"},  # runs npm, apt and converters that build sets of pictures
    "headless/cluster/engine.py": {"ray", "socket"},  # --cluster; whether something listens at its address
    "headless/cluster/places.py": {"pyarrow.fs", "fsspec"},  # object stores, with --cluster
    "headless/processes.py": {"multiprocessing"},  # processes of this program, for `senga degrade --workers`
    "headless/server/transport.py": {"socket", "http", "urllib.request", "urllib.error"},  # --server
    "headless/server/events.py": {"socket", "ssl", "websocket"},  # --server
    "headless/site/serving.py": {"http"},  # senga page --serve, on loopback
}


def module_faults(module: str) -> Iterator[str]:
    top = module.split(".")[0]
    if top in RUN_FILES | PROGRAMS | NETWORK:
        yield top
    if module in (
        "urllib",
        "urllib.request",
        "urllib.error",
        "torch.hub",
        "torch.utils.cpp_extension",
        "torch.package",
        "pyarrow.fs",
    ):
        yield module


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def pillow_names(tree: ast.Module) -> set[str]:
    """What a file calls PIL.Image."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "PIL"
        for alias in node.names
        if alias.name == "Image"
    }


def faults(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    pillow = pillow_names(tree)
    named = [dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    harmless = {name.split(".")[0] for name in named if name.startswith("pickle.")} - {
        name.split(".")[0] for name in named if name.startswith("pickle.") and name not in HARMLESS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from (found for found in module_faults(alias.name) if found not in harmless)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            yield from dict.fromkeys(found for name in names for found in module_faults(name))
        elif isinstance(node, ast.Call):
            yield from call_faults(node, pillow)


def call_faults(node: ast.Call, pillow: set[str]) -> Iterator[str]:
    name = dotted(node.func)
    words = {word.arg: word.value for word in node.keywords}
    owner, _, last = name.rpartition(".")
    if name in CALLS or (owner in ("builtins", "importlib") and last in CALLS | {"__import__"}):
        yield f"{name}()"
    if owner == "os" and last.startswith(OS_CALLS):
        yield f"{name}()"
    if name == "needed" and node.args and isinstance(node.args[0], ast.Constant):  # of headless/cluster/extra.py
        yield from module_faults(str(node.args[0].value))
    if name == "torch.load" and not is_constant(words.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if name in ("torch.jit.load", "torch.hub.load", "torch.export.load", "torch.package.PackageImporter"):
        yield f"{name}()"
    if name in ("np.load", "numpy.load") and "allow_pickle" in words and not is_constant(words["allow_pickle"], False):
        yield "np.load with allow_pickle"
    if last == "open" and owner in pillow:
        yield from format_faults(words.get("formats"))


def format_faults(formats: ast.expr | None) -> Iterator[str]:
    """Only our own list, one of its rows, or the format of bytes that were made a line before."""
    if formats is None:
        yield "Image.open without formats="
    elif isinstance(formats, ast.Tuple):
        for item in formats.elts:
            if isinstance(item, ast.Constant) and item.value not in PICTURE_FORMATS:
                yield f"Image.open of {item.value}"
    elif dotted(formats) != "READABLE":
        yield f"Image.open with formats={ast.unparse(formats)}"


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_package_runs_no_code_of_files_and_starts_nothing(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
    found = set(faults(path.read_text(encoding="utf-8")))
    assert found - allowed == set()
    assert allowed - found == set(), "not used any more: take it off the list"


def test_the_list_of_exceptions_names_files_that_exist() -> None:
    assert [path for path in ALLOWED if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import pickle\npickle.loads(b'')", "pickle"),
        ("import pickle as p", "pickle"),
        ("from pickle import load", "pickle"),
        ("import pickle\ntry: pass\nexcept pickle.UnpicklingError: pickle.load(x)", "pickle"),
        ("import marshal", "marshal"),
        ("import subprocess", "subprocess"),
        ("from multiprocessing import Process", "multiprocessing"),
        ("import os\nos.system('ls')", "os.system()"),
        ("import os\nos.execv('ls', [])", "os.execv()"),
        ("eval('1')", "eval()"),
        ("exec(compile('1', '', 'exec'))", "compile()"),
        ("import torch\ntorch.load(x)", "torch.load without weights_only=True"),
        ("import torch\ntorch.load(x, weights_only=False)", "torch.load without weights_only=True"),
        ("import torch\ntorch.jit.load(x)", "torch.jit.load()"),
        ("import urllib.request", "urllib.request"),
        ("from urllib import request", "urllib.request"),
        ("import http.client", "http"),
        ("import socket", "socket"),
        ("def later():\n    import websocket", "websocket"),
        ("from .extra import needed\nneeded('ray.data')", "ray"),
        ("from .extra import needed\nneeded('pyarrow.fs')", "pyarrow.fs"),
        ("from PIL import Image\nImage.open(x)", "Image.open without formats="),
        ("from PIL import Image as P\nP.open(x, formats=None)", "Image.open with formats=None"),
        ("from PIL import Image\nImage.open(x, formats=('EPS',))", "Image.open of EPS"),
        ("import numpy as np\nnp.load(x, allow_pickle=True)", "np.load with allow_pickle"),
    ],
)
def test_what_is_found(source: str, fault: str) -> None:
    assert fault in set(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "import re\nre.compile('a')",
        "net.eval()",
        "import pickle\ntry: pass\nexcept pickle.UnpicklingError: pass",
        "import torch\ntorch.load(x, weights_only=True)",
        "from urllib.parse import quote",
        "import os\nos.write(1, b'')",
        "from PIL import Image\nImage.open(x, formats=READABLE)\npath.open('rb')",
        "import numpy as np\nnp.load(x)",
    ],
)
def test_what_is_no_finding(source: str) -> None:
    assert list(faults(source)) == []


def test_no_format_that_we_read_is_one_that_starts_programs_or_reads_other_files() -> None:
    assert not {"EPS", "WMF", "EMF", "FITS", "HDF5", "GRIB", "BUFR", "MPEG", "PCD", "FPX", "MIC"} & {*PICTURE_FORMATS}
