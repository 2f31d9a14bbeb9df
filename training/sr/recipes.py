"""How LR pictures are made: the recipes that settings and validation name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...arch import SengaError
from ...arch.files.reading import read_text
from ..degradation import Recipe, Step, degrade_pair, preset, preset_names
from ..degradation.params import pick
from ..run.settings import one_of
from .pictures.picture_files import Picture

HALVED: dict[str, Any] = {"step": "resize", "of": "final", "filter": "bicubic", "depth": "8bit"}  # exactly Pillow's
JPEG: dict[str, Any] = {"step": "jpeg", "subsampling": "4:2:0"}
# What validation offers besides presets; the conditions of benchmarks/quality.py.
FIXED: dict[str, list[dict[str, Any]]] = {
    "clean": [],
    "q95": [JPEG | {"quality": 95}],
    "q75": [JPEG | {"quality": 75}],
    "q50": [JPEG | {"quality": 50}],
    "twice": [JPEG | {"quality": 75}, JPEG | {"quality": 60, "shift_x": 3, "shift_y": 5}],
}


def read_recipe(name: str, setting: str) -> Recipe:
    """A preset by name, one of FIXED, or a recipe's JSON file.

    Raises:
        SengaError: it is none of them; the message names the `setting`.
    """
    if name in FIXED:
        return Recipe.from_data({"name": name, "steps": [HALVED, *FIXED[name]]}, name)
    if not name.endswith(".json"):
        one_of(setting, name, (*FIXED, *preset_names()))
        return preset(name)
    try:
        return Recipe.from_json(read_text(Path(name)), name)
    except OSError as error:
        raise SengaError(f"{setting} {name}: cannot be read ({error}); expected a recipe's JSON") from error


def check_recipes(degradation: str | Mapping[str, float], conditions: Sequence[str], scale: int) -> None:
    """Raises SengaError for what `data.degradation` or `run.conditions` name and is not there."""
    mixture(degradation, scale)
    for name in conditions:
        read_recipe(name, "run.conditions")


def mixture(degradation: str | Mapping[str, float], scale: int) -> tuple[tuple[Recipe, float], ...]:
    """The recipes of the setting `data.degradation`, ending `scale` times smaller, and their weights, by name.

    A file is read once in a process. Raises SengaError as `read_recipe` does.
    """
    weights = {degradation: 1.0} if isinstance(degradation, str) else degradation
    return _mixture(tuple(sorted(weights.items())), scale)


@cache
def _mixture(weights: tuple[tuple[str, float], ...], scale: int) -> tuple[tuple[Recipe, float], ...]:
    return tuple((read_recipe(name, "data.degradation").with_scale(scale), weight) for name, weight in weights)


def described(degradation: str | Mapping[str, float], scale: int) -> list[tuple[str, float]]:
    """The mixture as plain data: what a run's identity holds, since a recipe's file may be edited."""
    return [(recipe.to_json(), weight) for recipe, weight in mixture(degradation, scale)]


def damaged(
    hr: Picture,
    degradation: str | Mapping[str, float],
    scale: int,
    rng: np.random.Generator,
    filters: Sequence[str] = (),
) -> tuple[Picture, Picture]:
    """The LR picture of an HR one, by a recipe of the mixture, and HR with what the recipe's `lq_hq` does. Takes two
    numbers from `rng` whatever the recipe.

    Args:
        filters: the recipe reduces by one of these, each as likely, instead of by its own. Takes one number more.
    """
    recipes = mixture(degradation, scale)
    recipe = pick([recipe for recipe, _ in recipes], [weight for _, weight in recipes], rng.random())
    seed = int(rng.integers(2**63))
    if filters:
        recipe = reduced_by(recipe, filters[int(rng.integers(len(filters)))])
    lr, hr, _ = degrade_pair(hr, recipe, seed=seed)
    return lr, hr


def reduced_by(recipe: Recipe, name: str) -> Recipe:
    """The recipe with this filter in each of its resize steps."""
    return replace(recipe, steps=_reduced_by(recipe.steps, name))


def _reduced_by(steps: tuple[Step, ...], name: str) -> tuple[Step, ...]:
    changed = []
    for step in steps:
        branches = tuple(replace(branch, steps=_reduced_by(branch.steps, name)) for branch in step.branches)
        values = {**step.values, "filter": name} if step.kind == "resize" else step.values
        changed.append(replace(step, branches=branches, values=values))
    return tuple(changed)
