"""Training settings: typed dataclasses, read from TOML, strict about names and types."""

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...arch import SengaError
from ..datasets.procedural import kind_names

SMALLEST_PATCH = 8  # LR pixels


def check(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise SengaError(f"{name} is {value!r}; wanted {wanted}")


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
    architecture: str  # an upscaler's id in arch/registry.py: compact, rrdb, ...
    hyperparameters: dict[str, Any] = field(default_factory=dict)  # of the architecture's config; scale stands here
    start_from: str = ""  # weights file to start from; what fits is taken over; see start_from.py


@dataclass(frozen=True)
class DataSettings:
    folder: str = "data/art"  # with or without a manifest.csv, or shards: shards-{000..012}.tar
    shares: dict[str, float] = field(default_factory=dict)  # source -> weight in the draw; a source not named has 1
    val_share: float = 0.02  # of the pictures that no manifest assigns to train or val
    patch: int = 48  # side of an LR patch, pixels
    batch: int = 16  # over all processes
    shrink: list[float] = field(default_factory=lambda: [0.5, 1.0])  # HR pictures are first reduced by a factor in here
    degradation: str | dict[str, float] = "senga_clean"  # preset or recipe.json that makes LR; or weights of several
    mine: float = 0.0  # share of the patches that are the hardest of mine_among crops of their picture
    mine_among: int = 4
    procedural: float = (
        0.0  # share of the patches that are drawn for the purpose: screentone, text, hair; see datasets/
    )
    kinds: dict[str, float] = field(default_factory=dict)  # procedural kind -> weight; a kind not named has its own
    hard_pictures: float = 1.0  # how much more often than the easiest the hardest pictures of a source are drawn
    recolour: float = 0.0  # share of the patches that get other colours: most line art is black, which nets then expect
    cache_gib: float = 4.0  # decoded pictures kept in memory
    workers: int = 0  # processes that cut patches; 0 is one thread. Changes nothing in what is cut

    def __post_init__(self) -> None:
        check(self.patch >= SMALLEST_PATCH, "data.patch", self.patch, f"{SMALLEST_PATCH} or more: less shows no lines")
        check(self.batch > 0, "data.batch", self.batch, "1 or more")
        check(all(w >= 0 for w in self.shares.values()), "data.shares", self.shares, "weights of 0 or more")
        low, high = [*self.shrink, 0.0, 0.0][:2]
        check(
            len(self.shrink) == 2 and 0 < low <= high <= 1, "data.shrink", self.shrink, "two factors, 0 < a <= b <= 1"
        )
        check(_names_recipes(self.degradation), "data.degradation", self.degradation, RECIPES_WANTED)
        check(0 <= self.val_share < 1, "data.val_share", self.val_share, "0 or more, below 1")
        check(0 <= self.mine <= 1, "data.mine", self.mine, "0 to 1")
        check(self.mine_among > 1, "data.mine_among", self.mine_among, "2 or more")
        check(0 <= self.recolour <= 1, "data.recolour", self.recolour, "0 to 1")
        check(0 <= self.procedural <= 1, "data.procedural", self.procedural, "0 to 1")
        check(self.hard_pictures >= 1, "data.hard_pictures", self.hard_pictures, "1 (all alike) or more")
        for kind in self.kinds:
            one_of("data.kinds", kind, kind_names())
        check(all(w >= 0 for w in self.kinds.values()), "data.kinds", self.kinds, "weights of 0 or more")
        check(self.cache_gib >= 0, "data.cache_gib", self.cache_gib, "0 or more")
        check(self.workers >= 0, "data.workers", self.workers, "0 or more")


RECIPES_WANTED = "a preset, a recipe's .json, or a table of such names with weights of 0 or more, not all 0"


def _names_recipes(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, str)
    weights = list(value.values())
    numbers = all(type(w) in (int, float) and 0 <= w < math.inf for w in weights)
    return numbers and sum(weights) > 0


@dataclass(frozen=True)
class OptimSettings:
    steps: int
    optimiser: str = "adamw"  # adamw, or muon (on hidden convolutions; AdamW on the rest)
    learning_rate: float = 1e-3
    warmup: int = 100  # steps of linear warm-up
    schedule: str = "cosine"  # cosine or multistep
    decay: float = 0.3  # cosine: share of the steps, at the end, over which the rate falls to zero
    milestones: list[float] = field(default_factory=lambda: [0.5, 0.8, 0.9])  # multistep: shares where it is halved
    weight_decay: float = 0.0
    clip: float = 0.0  # largest gradient norm; 0 is off, as the SELU nets want it
    ema: float = 0.999  # decay of the averaged weights, which are what is validated and shipped
    exact_bf16: float = 0.0  # share of the steps, at the end, that teach the averaged weights rounded to bfloat16

    def __post_init__(self) -> None:
        check(self.steps > 0, "optim.steps", self.steps, "1 or more")
        one_of("optim.optimiser", self.optimiser, ("adamw", "muon"))
        one_of("optim.schedule", self.schedule, ("cosine", "multistep"))
        check(self.learning_rate >= 0, "optim.learning_rate", self.learning_rate, "0 or more")
        check(0 <= self.decay <= 1, "optim.decay", self.decay, "0 to 1")
        rising = self.milestones == sorted(self.milestones) and all(0 <= m <= 1 for m in self.milestones)
        check(rising, "optim.milestones", self.milestones, "rising shares of the steps, 0 to 1")
        check(0 <= self.ema < 1, "optim.ema", self.ema, "0 or more, below 1")
        check(self.clip >= 0, "optim.clip", self.clip, "0 (off) or more")
        check(0 <= self.exact_bf16 < 1, "optim.exact_bf16", self.exact_bf16, "0 or more, below 1")


@dataclass(frozen=True)
class RunSettings:
    folder: str = "runs"  # checkpoints, curve, sheets, report and weights go to FOLDER/NAME
    precision: str = "auto"  # auto, fp32 or bf16
    validate_every: int = 500  # steps
    conditions: list[str] = field(default_factory=lambda: ["clean"])  # damage to validate under; the first leads
    validation_crops: int = 48  # as many from each domain as can be; the last validation takes all
    save_every: int = 250  # steps
    keep: int = 2  # checkpoints kept on the disk, the newest ones
    sheet_every: int = 2000  # steps between two contact sheets; 0: one at the end alone
    sheet_crops: int = 8
    rollbacks: int = 3  # times that a loss that is no number may send the run back to its last checkpoint

    def __post_init__(self) -> None:
        one_of("run.precision", self.precision, ("auto", "fp32", "bf16"))
        for name in ("validate_every", "save_every", "keep", "sheet_crops"):
            check(getattr(self, name) > 0, f"run.{name}", getattr(self, name), "1 or more")
        for name in ("validation_crops", "sheet_every", "rollbacks"):
            check(getattr(self, name) >= 0, f"run.{name}", getattr(self, name), "0 or more")


@dataclass(frozen=True)
class ValSettings:
    """What is validated on beside the pictures of data.folder. Changes nothing in what is learnt."""

    sets: dict[str, str] = field(default_factory=dict)  # domain -> folder of pictures that are measured on only
    procedural: bool = False  # the drawn domains, "patterns" and "lines", too; needs the font DejaVu Sans


@dataclass(frozen=True)
class LossSettings:
    weights: dict[str, float] = field(default_factory=lambda: {"l1": 1.0})  # loss -> weight; see training/sr/losses.py
    feature_network: str = ""  # weights file of the network whose features the loss `feature` compares

    def __post_init__(self) -> None:
        held = bool(self.weights) and all(w >= 0 for w in self.weights.values())
        check(held, "loss.weights", self.weights, "weights of 0 or more, one at least")


@dataclass(frozen=True)
class GanSettings:
    weight: float = 0.0  # of the discriminator's opinion in the loss; 0: no discriminator
    kind: str = "vanilla"  # vanilla or relativistic
    learning_rate: float = 1e-4  # of the discriminator
    features: int = 64  # width of the discriminator
    sharpen: bool = False  # the other losses see the HR picture sharpened, as Real-ESRGAN has it

    def __post_init__(self) -> None:
        check(self.weight >= 0, "gan.weight", self.weight, "0 (no discriminator) or more")
        one_of("gan.kind", self.kind, ("vanilla", "relativistic"))
        check(self.learning_rate > 0, "gan.learning_rate", self.learning_rate, "more than 0")
        check(self.features > 0, "gan.features", self.features, "1 or more")


@dataclass(frozen=True)
class Settings:
    name: str
    model: ModelSettings
    optim: OptimSettings
    data: DataSettings = DataSettings()
    loss: LossSettings = LossSettings()
    gan: GanSettings = GanSettings()
    val: ValSettings = ValSettings()
    run: RunSettings = RunSettings()
    seed: int = 1

    def __post_init__(self) -> None:
        plain = bool(self.name) and Path(self.name).name == self.name and not self.name.startswith(".")
        check(plain, "name", self.name, "one plain file name, since it names the run's folder and file")
        check(self.seed >= 0, "seed", self.seed, "0 or more")


Kind = TypeVar("Kind")


def read_settings(kind: type[Kind], path: Path, overrides: list[str] | None = None) -> Kind:
    """A settings dataclass from a TOML file; `overrides` are `section.key=value` with the value in TOML's own notation.

    Raises:
        SengaError: no file, no TOML, an unknown key (the nearest known one is named), a missing one or a wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SengaError(
            f"{path}: cannot be read ({error.strerror}); name a settings file, such as those in training/configs/"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SengaError(f"{path.name}: is not TOML ({error})") from error
    for override in overrides or []:
        _override(table, override)
    return _build(kind, table, path.name)


def to_dict(settings: Any) -> dict[str, Any]:
    return dataclasses.asdict(settings)


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is meant as a string
    if not equals:
        raise SengaError(f"--set {override}: wanted SECTION.KEY=VALUE, for example optim.steps=2000")
    *sections, last = key.split(".")
    for section in sections:
        table = table.setdefault(section, {})
    table[last] = value


def fields_of(kind: Any) -> set[str]:
    """The settings of a section; none of what is no section."""
    return {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()


def _build(cls: type, table: dict[str, Any], where: str) -> Any:
    """A dataclass from a table, checked name by name and type by type."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            # A name without its section, too: a section's names stand before the misspelt ones.
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
            raise SengaError(f"{where} is {json.dumps(value)}; wanted a table")
        return _build(hint, value, where)
    if get_origin(hint) is list:
        if isinstance(value, list):
            return [_convert(get_args(hint)[0], item, where) for item in value]
    elif get_origin(hint) is dict:
        if isinstance(value, dict):
            return {key: _convert(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    elif hint is Any or isinstance(hint, UnionType):
        return value
    elif hint is float and type(value) is int:
        return float(value)
    elif type(value) is hint:
        return value
    raise SengaError(f"{where} is {value!r}; wanted {getattr(hint, '__name__', str(hint))}")
