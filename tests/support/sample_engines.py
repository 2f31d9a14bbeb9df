"""Engines in tests: what they are compared with, and what is skipped where one is missing."""

from typing import Any

import pytest
import torch
from senga.arch import upscale
from senga.arch.borrowed import openvino_engine
from senga.arch.engines import engine


def skip_without_openvino() -> None:
    try:
        openvino_engine.load()
    except ImportError:
        pytest.skip("OpenVINO is not installed (extra fast)")


def plain(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> torch.Tensor:
    with monkeypatch.context() as patch:
        patch.setenv(engine.VARIABLE, "plain")
        return upscale(*arguments, **options)
