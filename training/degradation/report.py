"""Reports: what was done to each picture, every draw made. Fed back to `degrade` they do it again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

from PIL import features

from ...arch import SengaError
from .params import Drops, shown
from .recipe import Recipe, Step, check_keys, check_scale, load_json, read_steps
from .steps import GROUPS, KINDS

FORMAT = "senga-report-1"


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = {}
    for package in ("numpy", "pillow", "av", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    codecs = {name: features.version(name) for name in ("libjpeg_turbo", "jpg", "webp", "avif")}
    return tuple((found | {name: version for name, version in codecs.items() if version}).items())


def versions() -> dict[str, str]:
    """The libraries that decide the bits of a result."""
    return dict(_versions())


@dataclass(frozen=True)
class Entry:
    """One picture of a report: its index, its size before, and the drawn steps in the order they were run."""

    index: int
    height: int
    width: int
    scale: float
    steps: tuple[Step, ...]
    shared: int = 0  # of the steps, the first ones, that the HR picture of the pair has too

    def to_data(self) -> dict[str, Any]:
        size = {"index": self.index, "height": self.height, "width": self.width, "scale": self.scale}
        shared = {"shared": self.shared} if self.shared else {}
        return size | shared | {"steps": [step.to_data() for step in self.steps]}


@dataclass(frozen=True)
class Report:
    """What `degrade` did: one entry per picture, and under which seed and library versions."""

    entries: tuple[Entry, ...]
    recipe: str = ""  # its name
    seed: int = 0
    versions: dict[str, str] = field(default_factory=versions)

    def to_json(self) -> str:
        """Text that `from_json` turns into an equal report."""
        head = {"format": FORMAT, "recipe": self.recipe, "seed": self.seed, "versions": self.versions}
        return json.dumps(head | {"frames": [entry.to_data() for entry in self.entries]}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str = "report") -> "Report":
        return cls.from_data(load_json(text, where), where)

    @classmethod
    def from_data(cls, data: Any, where: str = "report") -> "Report":
        """Raises SengaError for every unknown, mistyped or undrawn part, by its place."""
        check_keys(data, ("format", "recipe", "seed", "versions", "frames"), ("frames",), where)
        if data.get("format", FORMAT) != FORMAT:
            raise SengaError(f"{where}: format is {shown(data['format'])}; this version reads {FORMAT!r}")
        name, known, frames = data.get("recipe", ""), data.get("versions", {}), data["frames"]
        if not isinstance(name, str):
            raise SengaError(f"{where}: recipe is {shown(name)}; expected a text")
        if not isinstance(known, dict) or not all(isinstance(version, str) for version in known.values()):
            raise SengaError(f"{where}: versions is {shown(known)}; expected an object of texts")
        if not isinstance(frames, list) or not frames:
            raise SengaError(f"{where}: frames is {shown(frames)}; expected a list with an entry per picture")
        seed = _whole(data.get("seed", 0), f"{where}: seed")
        entries = tuple(_read_entry(item, f"{where}: frame {i + 1}") for i, item in enumerate(frames))
        indices = [entry.index for entry in entries]
        if twice := next((index for index in indices if indices.count(index) > 1), None):
            raise SengaError(f"{where}: index {twice} is there twice; each picture has one entry")
        return cls(entries, name, seed, dict(known))

    def entry(self, index: int) -> Entry:
        """The entry for picture `index`; a report of one picture is for every picture. Raises SengaError."""
        if len(self.entries) == 1:
            return self.entries[0]
        for entry in self.entries:
            if entry.index == index:
                return entry
        known = [entry.index for entry in self.entries]
        raise SengaError(
            f"the report has {len(known)} pictures, {min(known)} to {max(known)}, and none of index {index};"
            " give as many pictures as it was made from, or a report of one"
        )

    def differences(self) -> list[str]:
        """Libraries whose version is another one than when the report was made: bits may differ."""
        here = versions()
        return [
            f"{name} {then} then, {here.get(name, 'none')} now"
            for name, then in self.versions.items()
            if here.get(name) != then
        ]

    @classmethod
    def join(cls, reports: Sequence["Report"]) -> "Report":
        """Reports of several pictures as one."""
        first = reports[0]
        return cls(tuple(e for report in reports for e in report.entries), first.recipe, first.seed, first.versions)


def _read_entry(data: Any, where: str) -> Entry:
    keys = ("index", "height", "width", "scale", "steps")
    check_keys(data, (*keys, "shared"), keys, where)
    index, height, width = (_whole(data[key], f"{where}: {key}") for key in keys[:3])
    steps = read_steps(data["steps"], where)
    for i, step in enumerate(steps):
        _check_drawn(step, f"{where}: step {i + 1} ({step.kind})")
    shared = _whole(data.get("shared", 0), f"{where}: shared")
    if shared > len(steps):
        raise SengaError(f"{where}: shared is {shared}; expected at most its {len(steps)} steps")
    return Entry(index, height, width, check_scale(data["scale"], where), steps, shared)


def _check_drawn(step: Step, where: str) -> None:
    if step.kind in GROUPS or step.probability != 1:
        raise SengaError(f"{where} is not drawn yet; a report holds only what was done")
    for name, parameter in KINDS[step.kind].parameters.items():
        if isinstance(parameter, Drops):
            if step.values.get(name):
                raise SengaError(f"{where}: {name} is not drawn yet; a report has a step for each pass")
        elif name not in step.values:
            raise SengaError(f"{where}: the key {name!r} is missing; a report holds every value")
        elif not isinstance(step.values[name], int | float | str):
            raise SengaError(f"{where}: {name} is {shown(step.values[name])}, not drawn yet; a report holds one value")


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise SengaError(f"{where} is {shown(value)}; expected a whole number from 0 to 2**64 - 1")
    return value


def read_document(text: str, where: str = "recipe") -> Recipe | Report:
    """A recipe, or a report (it has `frames` where a recipe has `steps`). Raises SengaError as their readers do."""
    data = load_json(text, where)
    return (
        Report.from_data(data, where) if isinstance(data, dict) and "frames" in data else Recipe.from_data(data, where)
    )
