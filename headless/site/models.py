"""The page's networks: which are offered, their ONNX files, and what the manifest says of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...arch import SengaError, TaggerModel, UpscaleModel, load_model
from ...arch.borrowed.onnx_export import export_onnx
from ...arch.purpose import purpose, short_licence
from ..log import logger

# Offered where weights/ has them, the default first. Larger ones make a visitor wait.
OFFERED = ("senga_compact_x2", "senga_drrn_x2", "senga_dcscn_12_x2", "senga_compact_x1")
FOLDER = "models"  # in the site
PATCH = 32  # pixels, each side, of the picture that arithmetic is counted on


@dataclass(frozen=True)
class Exported:
    """What the manifest says of a network, and the place in the site of each file that belongs to it."""

    entry: dict[str, Any]
    files: tuple[str, ...]


def export_upscaler(path: Path, site: Path) -> Exported:
    """Write an upscaler's ONNX file, or one for each speed of a DRRN, below `site`. Raises what export_onnx raises."""
    model = load_model(path)
    if not isinstance(model, UpscaleModel):
        raise SengaError(f"{path.name}: is a tagger ({model.header.architecture}); name it with --tagger")
    speeds = [_speed(path.stem, units, variant, site) for units, variant in _speeds(model)]
    about = purpose(model.header)
    entry = {
        "name": path.stem,
        "network": model.header.architecture,
        "scale": model.scale,
        "channels": model.input_channels,
        "purpose": about.what,
        "licences": short_licence(model.header),
        "speeds": speeds,
    }
    return Exported(entry, tuple(speed["file"] for speed in speeds))


def _speeds(model: UpscaleModel) -> Iterator[tuple[int, UpscaleModel]]:
    """(recursions, model), the best first; 0 for networks that have one speed."""
    if not model.header.units:
        yield 0, model
    for units in reversed(model.header.units):
        yield units, model.with_units(units)


def _speed(name: str, units: int, model: UpscaleModel, site: Path) -> dict[str, Any]:
    file = f"{FOLDER}/{name}{f'_u{units}' if units else ''}.onnx"
    half = export_small(model, site / file, border=False)
    return {
        "units": units,
        "file": file,
        "half": half,
        "halo": model.default_halo,
        "alignment": model.alignment,
        "operations": operations(model),
    }


def export_small(model: UpscaleModel | TaggerModel, path: Path, *, border: bool = True) -> bool:
    """Export with weights of 16 bits where the results stay within 1/255, else of 32. True for 16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        export_onnx(model, path, border=border, half=True)
    except SengaError as error:
        if "differs from torch" not in str(error):
            raise
        logger.info("%s: weights of 32 bits, since with 16 the result is not within 1/255", path.name)
        export_onnx(model, path, border=border)
        return False
    return True


def operations(model: UpscaleModel) -> int:
    """Multiplications and additions per output pixel: networks' times go by them, before they are measured."""
    net = model.model.cpu().float()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, model.input_channels, PATCH, PATCH))
    return round(counter.get_total_flops() / (PATCH * model.scale) ** 2)


def export_tagger(path: Path, site: Path) -> tuple[Exported, dict[str, Any]]:
    """Write a tagger's ONNX file below `site`. The second value is its list of tags, a file of its own (they are long).

    Raises what export_onnx raises, and SengaError for an upscaler.
    """
    model = load_model(path)
    if not isinstance(model, TaggerModel):
        raise SengaError(f"{path.name}: is an upscaler ({model.header.architecture}); name it with --model")
    if model.header.preprocessing is None or model.preprocessing.pad_first or model.preprocessing.eight_bit:
        raise SengaError(f"{path.name}: prepares pictures in a way that the page does not know; choose another tagger")
    file, tags = f"{FOLDER}/{path.stem}.onnx", f"{FOLDER}/{path.stem}.tags.json"
    half = export_small(model, site / file)
    about, words = purpose(model.header), model.vocabulary
    entry = {
        "name": path.stem,
        "network": model.header.architecture,
        "purpose": about.what,
        "limits": about.limits,
        "licences": short_licence(model.header),
        "file": file,
        "tags": tags,
        "half": half,
    }
    listed = {
        "preprocessing": model.preprocessing.as_table(),
        "names": words.names,
        "categories": words.categories,
        "thresholds": words.thresholds,
        "untrained": words.untrained,
        "exclusive": words.groups,
    }
    return Exported(entry, (file, tags)), listed
