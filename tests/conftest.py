"""Load the repository root as the package `senga`, the way ComfyUI loads a custom node: by path, with no install."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

# Pictures are tiny here: threads cost more than they bring, and far more on a machine that is busy.
torch.set_num_threads(1)

CACHE = tempfile.TemporaryDirectory(prefix="senga_cache_", ignore_cleanup_errors=True)
os.environ["SENGA_CACHE"] = CACHE.name  # what was measured before must not decide a test

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is not text in captured output: pytest-xdist sends reports as UTF-8, and some tests use names that
    are not."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
