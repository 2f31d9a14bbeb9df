"""Engines in tests: what they are compared with, and what is skipped where one is missing."""

from typing import Any

import pytest
import torch
from senga.arch import upscale
from senga.arch.borrowed import ncnn_engine, openvino_engine
from senga.arch.engines import engine

PREPARED = ("ncnn", "openvino", "torch")


def skip_without(name: str) -> None:
    try:
        {"ncnn": ncnn_engine.load, "openvino": openvino_engine.load, "torch": lambda: torch}[name]()
    except ImportError:
        pytest.skip(f"{name} is not installed (extra fast)")


def skip_without_openvino() -> None:
    skip_without("openvino")


def plain(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> torch.Tensor:
    with monkeypatch.context() as patch:
        patch.setenv(engine.VARIABLE, "plain")
        return upscale(*arguments, **options)
