"""Let PyPI's torchvision (a CUDA build) be imported beside a CPU-only torch.

Its compiled library cannot load there, so the operators that its Python files register fakes for do not exist and the
import fails ("operator torchvision::nms does not exist"). Just before torchvision is imported, this defines a schema
for every operator those files name. torchvision.transforms and the Python parts of torchvision.io work then; the
compiled operators themselves (torchvision.ops.nms and its like) still do not run.

Installed into the virtual environment of the ComfyUI under test together with a .pth file that imports it at start-up.
Nothing happens, and torch is not imported, until something imports torchvision.
"""

import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"  # register_fake looks at the name alone
_kept: list[object] = []  # a torch.library.Library takes its definitions with it when it is collected


def _define_operators(package: Path) -> None:
    import torch

    if torch.version.cuda is not None:
        return
    text = (package / "_meta_registrations.py").read_text(encoding="utf-8")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in sorted(set(re.findall(r'register_fake\("torchvision::(\w+)"', text))):
        library.define(name + _SCHEMA)
    _kept.append(library)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        sys.meta_path.remove(self)  # once is enough, and the look-up below must not come back here
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.submodule_search_locations:
            _define_operators(Path(next(iter(spec.submodule_search_locations))))
        return spec


sys.meta_path.insert(0, _Finder())
