"""What the headless tests share: made node classes that do sums, so that no network is needed, and a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from senga.arch import Provenance, UpscaleModel, save_model
from senga.nodes import host


def make_node(
    inputs: dict[str, dict[str, Any]],
    returns: tuple[Any, ...],
    function: Callable[..., Any],
    **attributes: Any,
) -> type:
    """A node class with these INPUT_TYPES and RETURN_TYPES; `function` gets the inputs as keywords."""

    def run(self: object, **arguments: Any) -> Any:
        return function(**arguments)

    body = {
        "INPUT_TYPES": classmethod(lambda cls: inputs),
        "RETURN_TYPES": returns,
        "FUNCTION": "run",
        "run": run,
        **attributes,
    }
    return type("Made", (), body)


def required(**inputs: Any) -> dict[str, dict[str, Any]]:
    return {"required": inputs}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """One node of an API-format workflow."""
    return {"class_type": class_type, "inputs": inputs}


class Recorder:
    """An output node class, and all that reached its instances, call by call."""

    def __init__(self, **attributes: Any) -> None:
        self.calls: list[Any] = []
        self.node_class = make_node(required(value=("*",)), (), self._record, OUTPUT_NODE=True, **attributes)

    def _record(self, value: Any) -> dict[str, Any]:
        self.calls.append(value)
        return {"ui": {"text": [str(value)]}}


NUMBER = make_node(required(value=("INT", {"default": 1, "min": 0, "max": 9})), ("INT",), lambda value: (value,))
ADD = make_node(required(a=("INT",), b=("INT",)), ("INT",), lambda a, b: (a + b,))
COUNT = make_node(required(n=("INT", {"default": 3})), ("INT",), lambda n: (list(range(n)),), OUTPUT_IS_LIST=(True,))
SUM = make_node(required(values=("INT",)), ("INT",), lambda values: (sum(values),), INPUT_IS_LIST=True)

# For the commands: pictures, a small network and a workflow in a folder of the test's own.
RGBA = np.random.default_rng(5).integers(0, 256, (6, 5, 4), dtype=np.uint8)
MADE = "made_x2.safetensors"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in its own folder, with input/, models/ holding one small network, and no other model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "standalone", host.Standalone())
    for folder in ("input", "models", "weights"):
        (tmp_path / folder).mkdir()
    provenance = Provenance(source="senga", licences=("CC-BY-4.0", "CC0-1.0"), metrics={"psnr_y": 30.5})
    save_model("models/" + MADE, UpscaleModel.create("espcn_7", provenance, scale=2, widths=[4, 4]))
    Image.fromarray(RGBA).save("input/a.png")


def workflow(**changes: Any) -> str:
    """A file that scales input/a.png to 10x12 and saves it."""
    prompt = {
        "1": {**node("LoadImage", image="a.png"), "_meta": {"title": "The picture"}},
        "2": node("ImageScale", image=["1", 0], upscale_method="nearest-exact", width=10, height=12, crop="disabled"),
        "3": node("SaveImage", images=["2", 0], filename_prefix="out"),
        **changes,
    }
    Path("w.json").write_text(json.dumps(prompt), encoding="utf-8")
    return "w.json"
