"""Load the repository root as the package `senga`, the way ComfyUI loads a custom node: by path, with no install."""

import importlib.util
import sys
from pathlib import Path

import torch

# Pictures are tiny here: threads cost more than they bring, and far more on a machine that is busy.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent


def load_root(name: str = "senga") -> None:
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if "senga" not in sys.modules:
    load_root()
