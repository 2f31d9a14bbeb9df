"""Which network a file holds: by its header, or by the names and shapes of its tensors; none of them is read for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from .. import foreign_taggers
from ..errors import NotOurs, SengaError, brief
from ..foreign_upscalers import recognise, rename
from ..header import Header, Provenance, as_table
from ..preprocessing import Preprocessing
from ..registry import architecture, make_config
from ..vocabulary import TagVocabulary
from .tensor_files import Index, State

Rename = Callable[[State], State]


@dataclass(frozen=True)
class Overrides:
    """What a caller says about other people's taggers, in place of the accompanying files."""

    vocabulary: TagVocabulary | None = None
    preprocessing: Preprocessing | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A network that fits the index of a file, before its tensors are read."""

    header: Header
    net: torch.nn.Module  # on the device meta
    renamed: Rename  # the tensors under our names


def planned(path: Path, index: Index, given: Overrides) -> Plan:
    """The network of a file, if it is ours.

    Raises:
        NotOurs: its tensors are not those of a network of ours; a borrowed library may know them.
        SengaError: its header, or what accompanies it, is faulty.
    """
    if index.text is not None:
        header, renamed = Header.from_json(index.text), _same
    else:
        renamed, header = _infer(path, index.shapes, given)
    net = _empty(header)
    try:
        _check_fit(net, renamed(index.state))
    except NotOurs as error:
        if header.row().task == "tag":
            raise SengaError(str(error)) from error
        raise
    return Plan(header, net, renamed)


def _same(state: State) -> State:
    return state


def _infer(path: Path, shapes: dict[str, tuple[int, ...]], given: Overrides) -> tuple[Rename, Header]:
    """For a file without Senga's header: the function that renames its keys, and the header it would have."""
    if source := foreign_taggers.layout_of(shapes):
        name, hyperparameters = foreign_taggers.recognise(shapes)
        settings, preprocessing = foreign_taggers.settings_beside(path)
        vocabulary = given.vocabulary or foreign_taggers.vocabulary_beside(path, hyperparameters["tags"])
        config = make_config(architecture(name), hyperparameters | settings | given.hyperparameters)
        header = Header(
            name,
            as_table(config),
            None,
            Provenance(source=source),
            vocabulary=vocabulary,
            preprocessing=given.preprocessing or preprocessing,
        )
        header.check()
        return lambda state: foreign_taggers.renamed(state, name), header
    layout, hyperparameters = recognise(shapes)
    config = make_config(architecture(layout.architecture), hyperparameters)
    header = Header(layout.architecture, hyperparameters, config.scale, Provenance(source=layout.name))
    return lambda state: {rename(key, layout): value for key, value in state.items()}, header


def _empty(header: Header) -> torch.nn.Module:
    try:
        with torch.device("meta"):  # spends no memory and no random numbers on weights that are replaced later
            return header.row().build(header.config())
    except (RuntimeError, OverflowError, ZeroDivisionError, TypeError) as error:  # sizes that no tensor has
        reason = brief(error, 120)
        raise SengaError(f"{header.architecture}: its hyperparameters describe no network ({reason})") from error


def _check_fit(net: torch.nn.Module, state: State) -> None:
    """Raises NotOurs, naming one tensor, where they are not the network's."""
    expected = net.state_dict()
    faults = [
        *(f"{brief(key)} is missing" for key in expected.keys() - state.keys()),
        *(f"{brief(key)} is unexpected" for key in state.keys() - expected.keys()),
        *(
            f"{key} is {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}"
            for key in expected.keys() & state.keys()
            if expected[key].shape != state[key].shape
        ),
        *(
            f"{key} is {state[key].dtype}, expected {expected[key].dtype}"
            for key in expected.keys() & state.keys()
            if expected[key].is_floating_point() != state[key].is_floating_point()
        ),
    ]
    if faults:
        raise NotOurs(
            f"its tensors do not fit the network described by its header or shapes: {sorted(faults)[0]}"
            f" (fault 1 of {len(faults)}); the file was damaged or is a variant that Senga does not know"
        )
