"""Other people's taggers: MobileNetV3 as saved by torchvision and timm, and the accompanying files.

A state dict does not say what its outputs mean, how pictures are prepared, the epsilon of batch normalisation or how
borders are padded. The folder of `NAME.safetensors` (or .pth) is searched for, in this order:

    tags        NAME.csv, NAME.json, selected_tags.csv, tags.json
    settings    NAME.config.json, config.json: in timm's form (`architecture`, `pretrained_cfg`), with any of eps,
                padding, size, mean, std, pad_colour, resize, order

Without settings: torchvision's keys mean eps 1e-3, and timm's 1e-5, as in its mobilenetv3_*. The keys do not
distinguish its tf_mobilenetv3_* (eps 1e-3, padding "same"); `architecture` in config.json does.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import SengaError, brief
from .files.reading import beside, read_json
from .mobilenetv3 import LARGE, SMALL, STEM, Row, divisible
from .preprocessing import RESIZES, Preprocessing
from .vocabulary import TagVocabulary, read_vocabulary

Shapes = Mapping[str, tuple[int, ...]]

TORCHVISION, TIMM = "torchvision MobileNetV3", "timm MobileNetV3"
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)  # in use; any other is computed from the widths of the last convolution
NETS = {"mobilenetv3_large": LARGE, "mobilenetv3_small": SMALL}
TAGS = ("{stem}.csv", "{stem}.json", "selected_tags.csv", "tags.json")
SETTINGS = ("{stem}.config.json", "config.json")
HYPERPARAMETERS = ("eps", "padding")
PREPROCESSING = ("size", "mean", "std", "pad_colour", "resize", "order")


def layout_of(shapes: Shapes) -> str:
    """The layout of the keys: TORCHVISION, TIMM, or "" for neither."""
    if {"features.0.1.running_mean", "classifier.0.weight", "classifier.3.weight"} <= shapes.keys():
        return TORCHVISION
    if {"conv_stem.weight", "conv_head.weight", "classifier.weight"} <= shapes.keys() and "bn2.weight" not in shapes:
        return TIMM
    return ""


def recognise(shapes: Shapes) -> tuple[str, dict[str, Any]]:
    """Architecture id and hyperparameters of a state dict with torchvision's or timm's keys.

    Raises:
        SengaError: the net has another depth.
    """
    try:
        return _recognise(shapes)
    except (IndexError, ZeroDivisionError, OverflowError) as error:
        raise SengaError(
            "its keys are those of a MobileNetV3, but its tensors have other shapes; the file was damaged"
        ) from error


def _recognise(shapes: Shapes) -> tuple[str, dict[str, Any]]:
    if layout_of(shapes) == TORCHVISION:
        blocks = len({key.split(".")[1] for key in shapes if key.startswith("features.")}) - 2
        head, eps = "classifier.3.weight", 1e-3
    else:
        blocks = len({tuple(key.split(".")[1:3]) for key in shapes if key.startswith("blocks.")}) - 1
        head, eps = "classifier.weight", 1e-5
    for name, rows in NETS.items():
        last = {f"features.{blocks + 1}.0.weight", LAST_OF_TIMM[name]} & shapes.keys()
        if len(rows) == blocks and last:
            ins, out = shapes[last.pop()][1], rows[-1].out
            width = next((w for w in WIDTHS if divisible(out * w) == ins), ins / out)
            return name, {"tags": shapes[head][0], "width": width, "eps": eps}
    known = " or ".join(f"{len(rows)} ({name})" for name, rows in NETS.items())
    raise SengaError(f"has {blocks} blocks between its first and last convolution; expected {known}")


def renamed(state: Mapping[str, Tensor], architecture: str) -> dict[str, Tensor]:
    """A state dict with torchvision's keys, which are also ours.

    timm has the same tensors in the same order, but a 1 x 1 convolution as hidden layer in place of a linear one.
    Missing counters of batch normalisation, which some tools drop, are set to 0: only training reads them.
    """
    if "conv_stem.weight" not in state:
        return _counted(dict(state))
    rows = NETS[architecture]
    modules = dict(zip(timm_modules(rows), our_modules(rows), strict=True))
    found = {}
    for key, value in state.items():
        module, _, kind = key.rpartition(".")
        if module == "conv_head" and value.ndim == 4:
            value = value.flatten(1)
        found[f"{modules.get(module, module)}.{kind}"] = value
    return _counted(found)


def _counted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    means = [key for key in state if key.endswith(".running_mean")]
    return {key.replace("running_mean", "num_batches_tracked"): torch.tensor(0) for key in means} | state


def our_modules(rows: tuple[Row, ...]) -> Iterator[str]:
    """The modules of our net that have tensors, in the order of its state dict."""
    yield from ("features.0.0", "features.0.1")
    ins = STEM
    for i, row in enumerate(rows, 1):
        layers = ["conv"] * (row.expand != ins) + ["conv"] + ["squeeze"] * row.squeeze + ["conv"]
        for j, layer in enumerate(layers):
            yield from (
                f"features.{i}.block.{j}.{part}" for part in (("0", "1") if layer == "conv" else ("fc1", "fc2"))
            )
        ins = row.out
    yield from (f"features.{len(rows) + 1}.{part}" for part in (0, 1))
    yield from ("classifier.0", "classifier.3")


def timm_modules(rows: tuple[Row, ...]) -> Iterator[str]:
    """The same modules under timm's names: consecutive rows of equal output width are one stage."""
    yield from ("conv_stem", "bn1")
    ins, stage, block = STEM, 0, 0
    for i, row in enumerate(rows):
        if i > 0:
            stage, block = (stage, block + 1) if row.out == rows[i - 1].out else (stage + 1, 0)
        squeeze = ("se.conv_reduce", "se.conv_expand") if row.squeeze else ()
        if row.expand == ins:
            parts = ("conv_dw", "bn1", *squeeze, "conv_pw", "bn2")
        else:
            parts = ("conv_pw", "bn1", "conv_dw", "bn2", *squeeze, "conv_pwl", "bn3")
        yield from (f"blocks.{stage}.{block}.{part}" for part in parts)
        ins = row.out
    yield from (f"blocks.{stage + 1}.0.{part}" for part in ("conv", "bn1"))
    yield from ("conv_head", "classifier")


# architecture id -> the key of timm's last convolution
LAST_OF_TIMM = {name: f"{[*timm_modules(rows)][-4]}.weight" for name, rows in NETS.items()}


def vocabulary_beside(path: Path, outputs: int) -> TagVocabulary:
    """The list of tags in the folder of a weights file. Raises SengaError if it is missing or has another length."""
    found = beside(path, TAGS)
    if found is None:
        names = ", ".join(name.format(stem=path.stem) for name in TAGS)
        raise SengaError(
            f"is a tagger of {outputs} outputs without a list of its tags; put the list that it was trained with"
            f" into its folder, as one of {names}"
        )
    vocabulary = read_vocabulary(found)
    if len(vocabulary) != outputs:
        raise SengaError(
            f"the head has {outputs} outputs, the vocabulary in {found.name} {len(vocabulary)} tags;"
            " expected equal numbers: take the list of tags that the network was trained with"
        )
    return vocabulary


def settings_beside(path: Path) -> tuple[dict[str, Any], Preprocessing]:
    """(hyperparameters that the keys do not reveal, preprocessing) from the settings in the folder of a weights file.

    Without settings: 224 pixels on white with ImageNet's mean and deviation, as in torchvision and timm.
    """
    found = beside(path, SETTINGS)
    raw = read_settings(found)
    hyperparameters: dict[str, Any] = {}
    name = str(raw.get("architecture", ""))
    if name.startswith(("mobilenetv3_", "tf_mobilenetv3_")):
        tensorflow = name.startswith("tf_")
        hyperparameters = {"eps": 1e-3 if tensorflow else 1e-5, "padding": "same" if tensorflow else "symmetric"}
    hyperparameters |= {key: raw[key] for key in HYPERPARAMETERS if key in raw}
    values: dict[str, Any] = {"size": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    values |= timm_preprocessing(raw)
    values |= {key: raw[key] for key in PREPROCESSING if key in raw}
    try:
        return hyperparameters, Preprocessing(**values)
    except SengaError as error:
        raise SengaError(f"{found.name if found else path.name}: {error}") from error


def read_settings(path: Path | None) -> dict[str, Any]:
    """The table in a file of settings; empty without a file. Raises SengaError, naming the file."""
    raw = {} if path is None else read_json(path)
    if path is not None and not isinstance(raw, dict):
        raise SengaError(f"{brief(path.name)}: holds a {type(raw).__name__}; expected a table of settings")
    return raw


def timm_preprocessing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Preprocessing that timm's config.json gives, under `pretrained_cfg` or at its top."""
    cfg = settings.get("pretrained_cfg", settings)
    cfg = cfg if isinstance(cfg, Mapping) else {}
    values = {key: cfg[key] for key in ("mean", "std") if key in cfg}
    if isinstance(shape := cfg.get("input_size"), list) and shape:
        values["size"] = shape[-1]
    if cfg.get("interpolation") in RESIZES:
        values["resize"] = cfg["interpolation"]
    return values
