"""The one room for borrowed libraries (spandrel, timm, onnxruntime, onnx, openvino, ncnn), imported when they are used.

Only files of this folder may import one, inside functions and by `borrow`; tests/test_frozen.py holds them to it.
"""

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import torch

from ..errors import install

WITH_TORCHVISION = ("spandrel", "spandrel_extra_arches", "timm")
# torch.library looks at the name alone when a fake is registered.
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []  # one takes its definitions with it when it is collected


def borrow(library: str) -> ModuleType:
    """Import a library that may be missing, also where its torchvision does not fit the torch beside it.

    Raises:
        ImportError: it is not installed, or something that it needs is not.
    """
    if library not in sys.modules and library in WITH_TORCHVISION:
        _import_torchvision()
    return importlib.import_module(library)


def missing(extra: str, library: str) -> str:
    """How to get a library, for the end of a message. An extra's pinned versions would replace ComfyUI's own torch."""
    return f"in Senga's folder, run: {install(extra)} (in ComfyUI's Python: pip install {library})"


def is_there(library: str) -> bool:
    """Whether it can be found, without importing it."""
    return library in sys.modules or importlib.util.find_spec(library) is not None


def _import_torchvision() -> None:
    """spandrel and timm import torchvision, of which they use no compiled code.

    PyPI's Linux wheel of torchvision is built for CUDA. Beside a CPU-only torch its library does not load, so that the
    operators which its Python files describe to torch.compile do not exist, and `import torchvision` fails with
    "operator torchvision::nms does not exist". Only then are they declared, without any code; the import works after
    that, and torchvision.ops.nms and its like still refuse to run.
    """
    if "torchvision" in sys.modules:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise ImportError(f"torchvision cannot be imported ({error})", name="torchvision") from error
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what of it had been imported before the error
        _declare_operators(Path(next(iter(spec.submodule_search_locations))))
        importlib.import_module("torchvision")


def _declare_operators(package: Path) -> None:
    text = (package / "_meta_registrations.py").read_text(encoding="utf-8")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(set(re.findall(r'register_fake\("torchvision::(\w+)"', text))):
        library.define(name + _SCHEMA)
    _kept.append(library)
