"""`degrade`: a picture, a recipe and a seed in; the damaged picture and what was done to it out. `degrade_pair`: the
HR picture that belongs to it as well."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...arch import SengaError
from ...arch.image import bleed, to_bchw, to_bhwc
from .blur import Image
from .colour import from_levels, to_levels
from .params import Drops, pick, shown
from .recipe import SHARED, Recipe, Step
from .report import Entry, Report
from .resize import resize_to
from .steps import KINDS, run_step

FIT = Step("resize", {"factor": 1.0, "filter": "bicubic", "of": "final", "light": "encoded", "depth": "float"})


def degrade(
    image: NDArray[Any], recipe: Recipe | Report, *, seed: int = 0, index: int = 0
) -> tuple[NDArray[Any], Report]:
    """Damage a picture by a recipe, or exactly as a report records.

    A pure function: nothing global is read or set, and picture i comes out the same alone, in any batch, in any order
    and in any process. It runs on the CPU; bits are promised for the versions that the report records.

    Args:
        image: (H, W, 3) or (B, H, W, 3), float32 in [0, 1] or uint8, of any size from 1 x 1. A fourth channel is alpha:
            it is resized with the picture and takes no other damage; colour is bled under clear pixels first.
        recipe: what to draw from. A Report is replayed: `seed` has no effect, the entry of the same index is used
            (of a report with one entry, that one).
        seed: 0 to 2**64 - 1.
        index: of the picture, or of the first of a batch: every draw comes from SeedSequence(seed, spawn_key=(index,
            *place of the step)).

    Returns:
        The picture, of the same type, (round(H / scale), round(W / scale)) pixels; and the report of it.

    Raises:
        SengaError: another shape or type, values outside [0, 1], a seed or index out of range, a report that lacks the
            index, or a codec that is not there.
    """
    lr, _, report = degrade_pair(image, recipe, seed=seed, index=index)
    return lr, report


def degrade_pair(
    image: NDArray[Any], recipe: Recipe | Report, *, seed: int = 0, index: int = 0
) -> tuple[NDArray[Any], NDArray[Any], Report]:
    """As `degrade`, with the HR picture that a network is to make of the result: the picture as it was given, but with
    what the recipe's `lq_hq` steps do (screentone, for example, that is to stay).

    Returns:
        The LR picture, the HR picture (both of the given type, HR of the given size), and the report.

    Raises:
        SengaError: as `degrade`.
    """
    _check(image, seed, index)
    frames = image if image.ndim == 4 else image[None]
    done = [_degrade_one(frame, recipe, seed, index + i) for i, frame in enumerate(frames)]
    name, drawn_by = (recipe.recipe, recipe.seed) if isinstance(recipe, Report) else (recipe.name, seed)
    report = Report(tuple(entry for _, _, entry in done), name, drawn_by)
    if image.ndim == 3:
        return done[0][0], done[0][1], report
    return np.stack([lr for lr, _, _ in done]), np.stack([hr for _, hr, _ in done]), report


def _check(image: Any, seed: Any, index: Any) -> None:
    if not isinstance(image, np.ndarray) or image.ndim not in (3, 4) or image.shape[-1] not in (3, 4) or not image.size:
        found = f"{type(image).__name__} {tuple(getattr(image, 'shape', ()))}"
        raise SengaError(f"the image is a {found}; expected a numpy array (H, W, 3 or 4) or (B, H, W, 3 or 4)")
    if image.dtype not in (np.uint8, np.float32):
        raise SengaError(f"the image holds {image.dtype}; expected uint8, or float32 in [0, 1]")
    if image.dtype == np.float32 and not (image.min() >= 0 and image.max() <= 1):  # also false for NaN
        raise SengaError(
            f"the image's values run from {image.min()} to {image.max()}; expected 0 to 1: divide by 255 or clip first"
        )
    for name, value in (("seed", seed), ("index", index)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 2**64:
            raise SengaError(f"{name} is {shown(value)}; expected a whole number from 0 to 2**64 - 1")


def _degrade_one(
    frame: NDArray[Any], recipe: Recipe | Report, seed: int, index: int
) -> tuple[NDArray[Any], NDArray[Any], Entry]:
    height, width = frame.shape[:2]
    if isinstance(recipe, Report):
        old = recipe.entry(index)
        entry = Entry(index, height, width, old.scale, old.steps, old.shared)
    else:
        shared = len(draw(recipe.steps[: recipe.shared], seed, (index,)))
        entry = Entry(index, height, width, recipe.scale, draw(recipe.steps, seed, (index,)), shared)
    final = final_size(height, width, entry.scale)
    pixels = from_levels(frame) if frame.dtype == np.uint8 else frame
    alpha = pixels[..., 3:]
    image = np.ascontiguousarray(_bled(pixels) if pixels.shape[2] == 4 else pixels)
    hr = frame
    for i, step in enumerate(entry.steps, 1):
        image = _run(image, step, final)
        if i == entry.shared:
            hr = np.concatenate((image, alpha), axis=2)
            hr = to_levels(hr) if frame.dtype == np.uint8 else hr
    if image.shape[:2] != final:
        entry = replace(entry, steps=(*entry.steps, FIT))
        image = _run(image, FIT, final)
    if alpha.size:
        image = np.concatenate((image, np.clip(resize_to(alpha, *final, "bicubic"), 0, 1)), axis=2)
    return (to_levels(image) if frame.dtype == np.uint8 else image), hr, entry


def _run(image: Image, step: Step, final: tuple[int, int]) -> Image:
    result = np.clip(run_step(image, step.kind, step.values, final), 0, 1)
    assert result.dtype == np.float32, step.kind
    return result


def _bled(pixels: Image) -> Image:
    """The colours of (H, W, 4), those of clear pixels taken from the nearest visible ones."""
    bchw = to_bchw(torch.from_numpy(pixels.copy())[None])
    return to_bhwc(bleed(bchw[:, :3], bchw[:, 3:]))[0].numpy()


def final_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """(height, width) of the result: the nearest whole pixels, one at least."""
    return max(1, int(height / scale + 0.5)), max(1, int(width / scale + 0.5))


def draw(steps: Sequence[Step], seed: int, key: tuple[int, ...]) -> tuple[Step, ...]:
    """The steps with every draw made, groups resolved, in the order to run them.

    Each step draws from a generator of its own, by its place, and each parameter takes one number whether it is a range
    or not: a step that is added, or a range that is narrowed, leaves all other draws as they were.
    """
    drawn: list[Step] = []
    for place, step in enumerate(steps):
        own = (*key, place)
        rng = np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=own))
        if rng.random() >= step.probability:
            continue
        if step.kind == "choose":
            weights = [branch.weight for branch in step.branches]
            branch = pick(list(range(len(weights))), weights, rng.random())
            drawn += draw(step.branches[branch].steps, seed, (*own, branch))
        elif step.kind == SHARED:
            drawn += draw(step.branches[0].steps, seed, own)
        elif step.kind == "shuffle":
            inner = step.branches[0].steps
            for i in rng.permutation(len(inner)):
                # Drawn one by one under its own place, so a step draws the same wherever it lands.
                drawn += draw((inner[i],), seed, (*own, int(i)))
        else:
            drawn += _draw_values(step, rng)
    return tuple(drawn)


def _draw_values(step: Step, rng: "np.random.Generator") -> list[Step]:
    parameters = KINDS[step.kind].parameters
    single = {name: p for name, p in parameters.items() if not isinstance(p, Drops)}

    def values() -> dict[str, Any]:
        return {name: p.draw(step.values.get(name, p.default), rng.random()) for name, p in single.items()}

    first = values()
    passes = [Step(step.kind, first)]
    for item in step.values.get("then", ()):
        drop = item if isinstance(item, int) else item[0] + int(rng.random() * (item[1] - item[0] + 1))
        # What describes the encoder stays over the passes, what describes the crop between them does not.
        again = {name: value for name, value in values().items() if name.startswith("shift_")}
        passes.append(Step(step.kind, {**first, **again, "quality": max(1, first["quality"] - drop)}))
    return passes
