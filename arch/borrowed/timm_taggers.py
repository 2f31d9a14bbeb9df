"""Taggers as timm saves them, safetensors or a checkpoint with config.json: SmilingWolf's v3 family, and others."""

import inspect
import logging
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import SengaError, brief, file_label, quoted
from ..preprocessing import Preprocessing
from ..tagger import TaggerModel
from ..vocabulary import TagVocabulary
from . import borrow, missing, tagger_files

logger = logging.getLogger("senga")

Shapes = Mapping[str, tuple[int, ...]]

HEADS = ("head.weight", "head.fc.weight", "head.fc2.weight", "classifier.weight", "fc.weight", "last_linear.weight")
# First layers of networks for pictures: with one, a head means "classifier or tagger" without any config.json.
STEMS = re.compile(r"(patch_embed|stem|stem_0|conv_stem|conv1|downsample_layers|embeddings)\.")
JOYTAG = {"class", "n_tags"}  # of its config.json
OWN_NETWORKS = {"initial_classifier.": "camie-tagger", "tag_embedding.": "camie-tagger"}  # first tensor -> whose it is
NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")  # of a network of timm, perhaps with the tag of its weights
INSTALL = missing("taggers", "timm")
LARGEST_ARGUMENT = 2**20
Plain = int | float | str | bool | None


def claims(path: Path, shapes: Shapes) -> bool:
    """Whether a file without Senga's header is a tagger of another network than ours, whether or not it can be loaded.

    It is where timm's config.json is in the same folder, or where its tensors end in a classifier's head.
    """
    if _own_network(shapes) or (outputs_of(shapes) is not None and any(STEMS.match(key) for key in shapes)):
        return True
    try:
        settings = tagger_files.settings_beside(path)
        return settings.keys() >= JOYTAG or (outputs_of(shapes) is not None and _architecture(settings) != "")
    except (SengaError, OSError):
        return False


def _own_network(shapes: Shapes) -> str:
    """Whose network it is, of those that no library has; "" for others."""
    return next((name for mark, name in OWN_NETWORKS.items() if any(key.startswith(mark) for key in shapes)), "")


def outputs_of(shapes: Shapes) -> int | None:
    """How many outputs a classifier has, or None for another kind of network."""
    found = (shapes[key] for key in HEADS if key in shapes)
    return next((shape[0] for shape in found if len(shape) == 2 or shape[2:] == (1, 1)), None)


def describe(
    path: Path,
    shapes: Shapes,
    vocabulary: TagVocabulary | None = None,
    preprocessing: Preprocessing | None = None,
) -> tagger_files.BorrowedHeader:
    """The header of a timm tagger, without timm. Raises SengaError where its files do not say enough."""
    settings = tagger_files.settings_beside(path)
    outputs = outputs_of(shapes)
    if own := "JoyTag" if settings.keys() >= JOYTAG else _own_network(shapes):
        raise SengaError(
            f"is {own}'s own network, which neither Senga nor timm has; its ONNX file works, with its list of tags in"
            " the same folder"
        )
    name = _architecture(settings)
    if not name:
        raise SengaError(
            f"looks like a tagger or classifier of {outputs} outputs, but nothing says which network it is; put timm's"
            ' config.json ("architecture", "pretrained_cfg") and its list of tags (selected_tags.csv) in the same'
            " folder, or take its ONNX file"
        )
    tags = tagger_files.tags_beside(path, outputs, vocabulary)
    ready = tagger_files.preprocessing_of(tags.layout, settings, None, preprocessing)
    return tagger_files.header("timm", name, tags, ready, {"tags": outputs, **_arguments(settings)})


def load(
    path: Path,
    shapes: Shapes,
    read: Callable[[], Mapping[str, Tensor]],
    vocabulary: TagVocabulary | None = None,
    preprocessing: Preprocessing | None = None,
) -> TaggerModel:
    """A tagger that timm builds, with these tensors. timm is given the state dict alone; it never opens a file.

    Args:
        shapes: of the file's tensors.
        read: gives the tensors, in float32. Called once a network of that size is known.

    Raises:
        SengaError: as `describe`; also where timm is missing, or where the tensors do not fit its network.
    """
    header = describe(path, shapes, vocabulary, preprocessing)
    overlay = _overlay(tagger_files.settings_beside(path))
    name = header.architecture.partition("/")[2]
    check_size(name, header.hyperparameters, overlay, shapes)
    net = build(name, header.hyperparameters, overlay)
    fill(net, read(), header.architecture)
    assert header.preprocessing is not None
    logger.info(
        "%s: %s, %s, %d pixels, %s, %d tags",
        file_label(path),
        header.provenance.source,
        header.architecture,
        header.preprocessing.size,
        header.preprocessing.order,
        len(header.vocabulary or ()),
    )
    return TaggerModel(header, net)


def build(name: str, hyperparameters: Mapping[str, Any], overlay: Mapping[str, Any]) -> nn.Module:
    """timm's network of that name, with no weights worth keeping. Nothing is downloaded.

    Args:
        hyperparameters: `tags`, and arguments of the network.
        overlay: fields of timm's pretrained_cfg.
    """
    try:
        timm = borrow("timm")
    except ImportError as error:
        raise SengaError(f"is a tagger for timm ({name}), which cannot be imported ({error}); {INSTALL}") from error
    if not timm.is_model(name):
        raise SengaError(
            f"its config.json names the network {quoted(name)}, which timm {timm.__version__} does not have;"
            " update timm"
        )
    arguments = {key: tuple(v) if isinstance(v, list) else v for key, v in hyperparameters.items()}
    tags = arguments.pop("tags")
    reserved = inspect.signature(timm.create_model).parameters  # of the call, not of the network: files to read, ...
    if odd := sorted(arguments.keys() & reserved.keys()):
        raise SengaError(
            f"its config.json sets {quoted(odd[0])} in model_args, which is not the network's; take it out"
        )
    try:
        with torch.random.fork_rng(devices=[]), _without_random_numbers():
            return timm.create_model(
                name, pretrained=False, num_classes=tags, pretrained_cfg_overlay=dict(overlay), **arguments
            )
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError) as error:
        raise SengaError(
            f"timm {timm.__version__} cannot build {name} as its config.json says ({brief(error, 200)})"
        ) from error


def check_size(name: str, hyperparameters: Mapping[str, Any], overlay: Mapping[str, Any], shapes: Shapes) -> None:
    """Raises SengaError where config.json describes a network much larger than the file. No memory is spent."""
    for key, value in hyperparameters.items():
        deep = any(word in key for word in ("depth", "layer", "block", "stage"))
        most = 4 * len(shapes) if deep else LARGEST_ARGUMENT
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float) and not -most <= number <= most:
                raise SengaError(f"its config.json has {quoted(key)} {quoted(value)}; expected at most {most}")
    with torch.device("meta"):
        try:
            net = build(name, hyperparameters, overlay)
        except (SengaError, NotImplementedError) as error:
            logger.debug("%s: its size is not known beforehand (%s)", name, error)
            return
    expected = sum(value.numel() for value in net.state_dict().values())
    found = sum(math.prod(shape) for shape in shapes.values())
    if expected > 2 * found + 2**20:
        raise SengaError(
            f"its config.json describes a network of {expected} numbers, the file has {found}; the files belong to"
            " different taggers"
        )


def fill(net: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Put the tensors in; older files of timm's go through the conversion that timm has for that network.

    Raises:
        SengaError: tensors are missing, left over or of another shape.
    """
    found: Mapping[str, Tensor] = state
    if _misfits(net, found):
        convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
        if convert is not None:
            try:
                found = convert(dict(state), net)
            except (KeyError, ValueError, RuntimeError, AttributeError, TypeError):
                found = state  # not one of timm's older forms: the message is about the file's own tensors
    if faults := _misfits(net, found):
        raise SengaError(
            f"its tensors do not fit {name} as its config.json describes it: {faults[0]} (one of {len(faults)} such"
            " faults); the files belong to different taggers, or timm has changed this network"
        )
    net.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in found.items()})


def _misfits(net: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    expected = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    return sorted(
        [
            *(f"{brief(key)} is missing" for key in expected.keys() - found.keys()),
            *(f"{brief(key)} is left over" for key in found.keys() - expected.keys()),
            *(
                f"{k} is {found[k]}, expected {expected[k]}"
                for k in expected.keys() & found.keys()
                if expected[k] != found[k]
            ),
        ]
    )


def _architecture(settings: Mapping[str, Any]) -> str:
    """The network that timm's config.json names, "" for another config.json. Never a path or an address of a hub."""
    name = settings.get("architecture")
    if not isinstance(name, str) or not settings.keys() & {"pretrained_cfg", "num_classes", "model_args"}:
        return ""
    if not NAME.fullmatch(name):
        raise SengaError(f"its config.json names the network {quoted(name)}; expected one of timm's own names")
    return name


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The constructor's arguments in timm's config.json."""
    arguments = settings.get("model_args") or {}
    if not isinstance(arguments, dict):
        raise SengaError(f"its config.json has model_args {quoted(arguments)}; expected a table")
    for key, value in arguments.items():
        plain = isinstance(value, Plain) or (isinstance(value, list) and all(isinstance(v, Plain) for v in value))
        if not plain:
            raise SengaError(
                f"its config.json has {quoted(key)} {quoted(value)} in model_args; expected numbers or words"
            )
    return {key: v for key, v in arguments.items() if key != "num_classes"}


def _overlay(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's own loader takes from pretrained_cfg besides: the size that a network is built for."""
    cfg = settings.get("pretrained_cfg")
    size = cfg.get("input_size") if isinstance(cfg, dict) else None
    return {"input_size": tuple(size)} if isinstance(size, list) and all(type(v) is int for v in size) else {}


class _without_random_numbers(torch.overrides.TorchFunctionMode):
    """Spend no time on random weights that are replaced at once: seconds, for the largest of these networks."""

    SKIPPED = (
        *("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "xavier_uniform_"),
        *("erfinv_", "mul_", "add_", "clamp_"),  # of which a truncated normal distribution is made
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Of parameters alone: the file has them all, while buffers may be the network's own.
        if getattr(func, "__name__", "") in self.SKIPPED and args and isinstance(args[0], nn.Parameter):
            return args[0]
        return func(*args, **(kwargs or {}))
