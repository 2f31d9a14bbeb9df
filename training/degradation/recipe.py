"""Recipes and their JSON: an ordered list of steps with probabilities and ranges. Strict about every name and number.

{"name": "old_web", "steps": [
    {"step": "lq_hq", "steps": [{"step": "halftone", "probability": 0.2}]},
    {"step": "resize", "of": "final", "filter": {"area": 1, "bicubic": 2}},
    {"step": "gaussian_noise", "probability": 0.3, "sigma": [1, 8]},
    {"step": "choose", "among": [
        {"weight": 0.7, "steps": [{"step": "jpeg", "quality": [60, 90], "then": [[5, 15]]}]},
        {"weight": 0.3, "steps": [{"step": "webp", "quality": [50, 80]}]}]}]}
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ...arch import SengaError
from .params import check_weight, shown, unknown
from .steps import GROUPS, KINDS

FORMAT = "senga-recipe-1"
PRESETS = Path(__file__).resolve().parent / "presets"
LARGEST_SCALE = 16.0
SHARED = "lq_hq"
DEEPEST = 8  # groups within groups: more is a mistake


@dataclass(frozen=True)
class Step:
    """One step: a kind of `steps.KINDS` with `values`, or `choose` with `branches`, or `shuffle` or `lq_hq` with one
    branch. What `lq_hq` does is done to both pictures of a pair."""

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    probability: float = 1.0
    branches: tuple["Branch", ...] = ()

    def to_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"step": self.kind}
        if self.probability != 1.0:
            data["probability"] = self.probability
        if self.kind == "choose":
            data["among"] = [{"weight": b.weight, "steps": [s.to_data() for s in b.steps]} for b in self.branches]
        elif self.kind in GROUPS:
            data["steps"] = [step.to_data() for step in self.branches[0].steps]
        return data | dict(self.values)


@dataclass(frozen=True)
class Branch:
    steps: tuple[Step, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Ordered steps; `scale` is how many times smaller the result is (the exact size is held whatever the steps do)."""

    steps: tuple[Step, ...]
    name: str = ""
    source: str = ""  # where the numbers are from
    scale: float = 1.0

    @property
    def shared(self) -> int:
        """How many steps, at the beginning, are `lq_hq`: what they do belongs to the HR picture too."""
        return next((i for i, step in enumerate(self.steps) if step.kind != SHARED), len(self.steps))

    def to_json(self) -> str:
        """Text that `from_json` turns into an equal recipe."""
        data: dict[str, Any] = {"format": FORMAT, "name": self.name, "source": self.source, "scale": self.scale}
        return json.dumps(data | {"steps": [step.to_data() for step in self.steps]}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str = "recipe") -> "Recipe":
        """Raises SengaError for what is not JSON, and for every unknown, mistyped or impossible part, by its place."""
        return cls.from_data(load_json(text, where), where)

    @classmethod
    def from_data(cls, data: Any, where: str = "recipe") -> "Recipe":
        check_keys(data, ("format", "name", "source", "scale", "steps"), ("steps",), where)
        if data.get("format", FORMAT) != FORMAT:
            raise SengaError(f"{where}: format is {shown(data['format'])}; this version reads {FORMAT!r}")
        for key in ("name", "source"):
            if not isinstance(data.get(key, ""), str):
                raise SengaError(f"{where}: {key} is {shown(data[key])}; expected a text")
        steps = read_steps(data["steps"], where)
        others = [step.kind != SHARED for step in steps]
        if others != sorted(others):
            raise SengaError(
                f"{where}: {SHARED} comes after other steps; move it to the beginning: they damage LR alone"
            )
        return cls(steps, data.get("name", ""), data.get("source", ""), check_scale(data.get("scale", 1.0), where))

    def with_scale(self, scale: float) -> "Recipe":
        """The same damage, ending `scale` times smaller. Raises SengaError outside 1 to 16."""
        return dataclasses.replace(self, scale=check_scale(scale, "scale"))

    def weakened(self, strength: float) -> "Recipe":
        """Every range moved towards no damage: the recipe itself at 1, nothing but the size at 0.

        Steps that have no harmless setting (codecs, the sinc filter, palettes) also become rarer.
        """
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise SengaError(
                f"strength is {shown(strength)}; expected a number from 0 (no damage) to 1 (the whole recipe)"
            )
        return self if strength == 1 else dataclasses.replace(self, steps=_weaken(self.steps, strength))


def _weaken(steps: tuple[Step, ...], strength: float) -> tuple[Step, ...]:
    weaker = []
    for step in steps:
        if step.kind in GROUPS:
            branches = tuple(dataclasses.replace(b, steps=_weaken(b.steps, strength)) for b in step.branches)
            weaker.append(dataclasses.replace(step, branches=branches))
            continue
        kind = KINDS[step.kind]
        values = {n: p.weaken(step.values.get(n, p.default), strength) for n, p in kind.parameters.items()}
        probability = step.probability * (strength if kind.fades else 1)
        weaker.append(Step(step.kind, values, probability))
    return tuple(weaker)


def read_steps(data: Any, where: str, depth: int = 0) -> tuple[Step, ...]:
    if not isinstance(data, list | tuple):
        raise SengaError(f"{where}: steps is {shown(data)}; expected a list of steps")
    if depth > DEEPEST:
        raise SengaError(f"{where}: groups are nested more than {DEEPEST} deep; flatten them")
    return tuple(_read_step(item, f"{where}: step {i + 1}", depth) for i, item in enumerate(data))


def _read_step(data: Any, where: str, depth: int) -> Step:
    if not isinstance(data, Mapping) or "step" not in data:
        raise SengaError(f'{where} is {shown(data)}; expected an object like {{"step": "jpeg", "quality": [60, 90]}}')
    kind = data["step"]
    if not isinstance(kind, str) or kind not in (*KINDS, *GROUPS):
        raise unknown(where, "the step", kind, (*KINDS, *GROUPS))
    where = f"{where} ({kind})"
    chance = data.get("probability", 1.0)
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise SengaError(f"{where}: probability is {shown(chance)}; expected a number from 0 to 1")
    common = ("step", "probability")
    if kind in ("shuffle", SHARED):
        check_keys(data, (*common, "steps"), ("steps",), where)
        inner = read_steps(data["steps"], where, depth + 1)
        if kind == SHARED:
            if depth:
                raise SengaError(f"{where} is inside a group; write it at the beginning of the recipe, the group in it")
            if "resize" in _kinds(inner):
                raise SengaError(f"{where} has a resize; HR keeps its size: move the resize behind {SHARED}")
        return Step(kind, {}, float(chance), (Branch(inner),))
    if kind == "choose":
        check_keys(data, (*common, "among"), ("among",), where)
        return Step(kind, {}, float(chance), _read_branches(data["among"], where, depth))
    parameters = KINDS[kind].parameters
    check_keys(data, (*common, *parameters), (), where)
    values = {n: p.check(data[n], f"{where}: {n}") for n, p in parameters.items() if n in data}
    return Step(kind, values, float(chance))


def _kinds(steps: tuple[Step, ...]) -> set[str]:
    """Those of the steps and of all within them."""
    inner = (_kinds(branch.steps) for step in steps for branch in step.branches)
    return {step.kind for step in steps}.union(*inner)


def _read_branches(data: Any, where: str, depth: int) -> tuple[Branch, ...]:
    if not isinstance(data, list | tuple) or not data:
        raise SengaError(f'{where}: among is {shown(data)}; expected a list like [{{"weight": 1, "steps": [...]}}]')
    branches = []
    for i, item in enumerate(data):
        here = f"{where}: branch {i + 1}"
        check_keys(item, ("weight", "steps"), ("steps",), here)
        weight = check_weight(item.get("weight", 1.0), f"{here}: weight")
        branches.append(Branch(read_steps(item["steps"], here, depth + 1), float(weight)))
    if sum(branch.weight for branch in branches) <= 0:
        raise SengaError(f"{where}: no branch has a weight above 0; give at least one a weight")
    return tuple(branches)


def check_keys(data: Any, known: tuple[str, ...], needed: tuple[str, ...], where: str) -> None:
    if not isinstance(data, Mapping):
        raise SengaError(f"{where} is {shown(data)}; expected an object with {', '.join(known)}")
    for key in data:
        if key not in known:
            raise unknown(where, "the key", key, known)
    for key in needed:
        if key not in data:
            raise SengaError(f"{where}: the key {key!r} is missing; add it")


def check_scale(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= LARGEST_SCALE:
        raise SengaError(
            f"{where}: scale is {shown(value)}; expected 1 (the same size) to {LARGEST_SCALE:g} (times smaller)"
        )
    return float(value)


def load_json(text: str, where: str) -> Any:
    """JSON with each key once. Raises SengaError with the line."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise SengaError(f"{where}: the key {twice!r} is there twice in one object; remove one")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise SengaError(
            f"{where}: this is not JSON (line {error.lineno}, column {error.colno}: {error.msg}); correct it there"
        ) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, SengaError):
            raise
        reason = "is nested too deeply" if isinstance(error, RecursionError) else "has a number of too many digits"
        raise SengaError(f"{where}: this JSON {reason}; correct it") from error


@cache
def preset_names() -> tuple[str, ...]:
    """The shipped recipes, by name."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.json")))


@cache
def preset(name: str) -> Recipe:
    """A shipped recipe, at scale 1. Raises SengaError for a name that is not in `preset_names`."""
    if name not in preset_names():
        raise unknown("presets", "the preset", name, preset_names())
    return Recipe.from_json((PRESETS / f"{name}.json").read_text(encoding="utf-8"), f"preset {name}")
