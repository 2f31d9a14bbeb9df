"""The settings that both trainers share, and how settings are read: typed dataclasses from TOML, strict about names and
types."""

import dataclasses
import difflib
import json
import logging
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...arch import SengaError
from ...arch.files.reading import has_text_name, read_text
from .optimisers import OPTIMISERS, SCHEDULE_FREE
from .schedule import SCHEDULES

logger = logging.getLogger("senga")

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
# Settings that were renamed: old name -> new. Files and --set may still use the old one, and the identity of a run
# (run_folder.py) always does, so that a run begun before goes on.
RENAMED = {"data.mine": "data.hard_crops", "data.mine_among": "data.hard_crops_among"}


def check(holds: bool, name: str, value: Any, expected: str) -> None:
    if not holds:
        raise SengaError(f"{name} is {value!r}; expected {expected}")


def one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raises SengaError that names the nearest of the known words, or all of them."""
    known = list(known)
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        raise SengaError(
            f"{name} is {value!r}; " + (f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}")
        )


@dataclass(frozen=True)
class ModelSettings:
    architecture: str  # an id in arch/registry.py: compact, rrdb, mobilenetv3_large, ...
    hyperparameters: dict[str, Any] = field(default_factory=dict)  # of the architecture's config, such as the scale
    start_from: str = ""  # weights file to start from; the tensors that fit are taken over; see start_from.py


@dataclass(frozen=True)
class OptimSettings:
    steps: int
    optimiser: str = "adamw"  # adamw; muon (on hidden convolutions; AdamW on the rest); schedule_free (AdamW)
    learning_rate: float = 1e-3
    warmup: int = 100  # steps of linear warm-up
    schedule: str = "cosine"  # cosine or multistep
    decay: float = 0.3  # cosine: share of the steps, at the end, over which the rate falls to zero
    milestones: list[float] = field(default_factory=lambda: [0.5, 0.8, 0.9])  # multistep: shares where it is halved
    weight_decay: float = 0.0
    clip: float = 0.0  # largest gradient norm; 0 is off, as the SELU nets need it
    ema: float = 0.999  # decay of the averaged weights, which are what is validated and shipped
    exact_bf16: float = 0.0  # share of the steps, at the end, that train the averaged weights rounded to bfloat16

    def __post_init__(self) -> None:
        check(self.steps > 0, "optim.steps", self.steps, "1 or more")
        one_of("optim.optimiser", self.optimiser, OPTIMISERS)
        one_of("optim.schedule", self.schedule, SCHEDULES)
        for name in ("learning_rate", "warmup", "weight_decay"):
            check(getattr(self, name) >= 0, f"optim.{name}", getattr(self, name), "0 or more")
        check(0 <= self.decay <= 1, "optim.decay", self.decay, "0 to 1")
        rising = self.milestones == sorted(self.milestones) and all(0 <= m <= 1 for m in self.milestones)
        check(rising, "optim.milestones", self.milestones, "rising shares of the steps, 0 to 1")
        check(0 <= self.ema < 1, "optim.ema", self.ema, "0 or more, below 1")
        check(self.clip >= 0, "optim.clip", self.clip, "0 (off) or more")
        check(0 <= self.exact_bf16 < 1, "optim.exact_bf16", self.exact_bf16, "0 or more, below 1")
        exact = self.exact_bf16 == 0 or self.optimiser != SCHEDULE_FREE
        check(exact, "optim.exact_bf16", self.exact_bf16, f"0: {SCHEDULE_FREE} has averaged weights of its own")


@dataclass(frozen=True)
class RunSettings:
    folder: str = "runs"  # checkpoints, curve, sheets, report and weights go to FOLDER/NAME
    precision: str = "auto"  # auto, fp32, bf16, or on GPUs fp16
    threads: int = 0  # of the processor; 0: what the run began with, or what a trial at its beginning finds
    validate_every: int = 500  # steps
    save_every: int = 250  # steps
    keep: int = 2  # checkpoints kept on the disk, the newest ones
    rollbacks: int = 3  # times that a loss that is not finite may send the run back to its last checkpoint
    timeout: int = 600  # seconds that one of several processes waits for another one's gradients or checkpoint

    def __post_init__(self) -> None:
        one_of("run.precision", self.precision, PRECISIONS)
        for name in ("validate_every", "save_every", "keep", "timeout"):
            check(getattr(self, name) > 0, f"run.{name}", getattr(self, name), "1 or more")
        for name in ("rollbacks", "threads"):
            check(getattr(self, name) >= 0, f"run.{name}", getattr(self, name), "0 or more")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What every training has; a trainer adds its sections."""

    name: str
    optim: OptimSettings
    seed: int = 1

    def __post_init__(self) -> None:
        plain = bool(self.name) and Path(self.name).name == self.name and not self.name.startswith(".")
        check(plain, "name", self.name, "one plain file name, since it names the run's folder and file")
        check(self.seed >= 0, "seed", self.seed, "0 or more")


Kind = TypeVar("Kind")


def read_settings(kind: type[Kind], path: Path, overrides: list[str] | None = None) -> Kind:
    """A settings dataclass from a TOML file; `overrides` are `section.key=value` with the value in TOML's own notation.

    Raises:
        SengaError: no file, no TOML, an unknown key (the nearest known one is named), a missing one or a wrong type;
            or a name that is not UTF-8: a run records its command and its settings as text.
    """
    for what, text in ((f"{path}: its name", str(path)), *((f"--set {one}", one) for one in overrides or [])):
        if not has_text_name(text):
            raise SengaError(f"{what} is not UTF-8, and the run records it as text; rename the file or folder")
    try:
        table = tomllib.loads(read_text(path))
    except OSError as error:
        raise SengaError(
            f"{path}: cannot be read ({error.strerror}); name a settings file, such as those in training/configs/"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SengaError(f"{path.name}: is not TOML ({error})") from error
    _rename(table, path.name)
    for override in overrides or []:
        _override(table, override)
    return _build(kind, table, path.name)


def to_dict(settings: Any) -> dict[str, Any]:
    return dataclasses.asdict(settings)


def defaults_of(kind: type) -> dict[str, Any]:
    """What `to_dict` gives of settings that are not set; those without a default are left out."""
    hints, found = get_type_hints(kind), {}
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[one.name]):
            found[one.name] = defaults_of(hints[one.name])
        elif one.default is not dataclasses.MISSING:
            found[one.name] = one.default
        elif one.default_factory is not dataclasses.MISSING:
            found[one.name] = one.default_factory()
    return found


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a word without quotes is a string
    if not equals:
        raise SengaError(f"--set {override}: expected SECTION.KEY=VALUE, for example optim.steps=2000")
    if key in RENAMED:
        _warn(f"--set {override}", key)
        key = RENAMED[key]
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
    table[last] = value


def _rename(table: dict[str, Any], where: str) -> None:
    """Move values from old names to new ones, in place. Raises SengaError for a setting under both."""
    for old, new in RENAMED.items():
        (section, key), (_, new_key) = old.split("."), new.split(".")
        inner = table.get(section)
        if isinstance(inner, dict) and key in inner:
            if new_key in inner:
                raise SengaError(f"{where}: has both {old} and {new}, which are one setting; remove {old}")
            _warn(where, old)
            inner[new_key] = inner.pop(key)


def _warn(where: str, old: str) -> None:
    logger.warning("%s: %s is now called %s; the old name still works", where, old, RENAMED[old])


def fields_of(kind: Any) -> set[str]:
    """The settings of a section; empty for what is not a section."""
    return {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()


def _build(cls: type, table: dict[str, Any], where: str) -> Any:
    """A dataclass from a table, checked name by name and type by type."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            # A name without its section, too: exact names of a section come before similar ones.
            inner = [f"{section}.{key}" for section, kind in hints.items() if key in fields_of(kind)]
            near = inner or difflib.get_close_matches(key, hints, 1)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(hints)}"
            raise SengaError(f"{where}: setting {key!r} is unknown; {hint}")
    required = [f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
    for key in required:
        if key not in table:
            raise SengaError(f"{where}: setting {key!r} is missing; add it")
    return cls(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in table.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise SengaError(f"{where} is {json.dumps(value)}; expected a table")
        return _build(hint, value, where)
    if get_origin(hint) is list:
        if isinstance(value, list):
            return [_convert(get_args(hint)[0], item, where) for item in value]
    elif get_origin(hint) is dict:
        if isinstance(value, dict):
            return {key: _convert(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    elif hint is Any or isinstance(hint, UnionType):
        return value
    elif hint is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise SengaError(f"{where} is {value}; expected a finite number")
        return float(value)
    elif type(value) is hint:
        return value
    raise SengaError(f"{where} is {value!r}; expected {getattr(hint, '__name__', str(hint))}")
