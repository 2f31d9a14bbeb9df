"""SengaDegradeImage: damages a picture by a recipe and reports how. SengaRecipeStep: builds a recipe step by step."""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..arch import SengaError, Stopped
from ..training.degradation import KINDS, Recipe, Report, degrade, preset, preset_names, read_document
from . import host

logger = logging.getLogger("senga")

LARGEST_SEED = 2**64 - 1  # of ComfyUI's own seeds


class SengaDegradeImage:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Damages pictures as the web, tapes and prints do: blur, resizing, noise, JPEG, WebP, AVIF, video codecs, dot"
        " crawl, VHS, dithers, print screens."
        " The same seed gives the same picture; the report repeats the damage exactly, on this picture or another."
    )
    SEARCH_ALIASES: ClassVar = [
        "jpeg artifacts",
        "compression",
        "noise",
        "downscale",
        "real-esrgan degradation",
        "blur",
        "dvd",
        "vhs",
        "dither",
    ]
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("image", "report")
    OUTPUT_TOOLTIPS = (
        "The damaged picture, smaller by scale.",
        "What was done, as JSON with an entry for each frame. Given as recipe, it repeats the damage.",
    )
    FUNCTION = "degrade"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "A picture or a batch; each frame has its own random draws."}),
                "preset": (
                    list(preset_names()),
                    {"default": "web_repost", "tooltip": "The kind of damage; docs/degradation.md shows each preset."},
                ),
                "seed": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": LARGEST_SEED,
                        "control_after_generate": True,
                        "tooltip": "Another seed draws other amounts; the same seed gives the same picture.",
                    },
                ),
                "scale": (
                    "FLOAT",
                    {
                        "default": 2.0,
                        "min": 1.0,
                        "max": 4.0,
                        "step": 0.05,
                        "tooltip": "How many times smaller the result is. 1: the same size.",
                    },
                ),
                "strength": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.05,
                        "tooltip": "Scales every amount towards no damage. 1: the recipe itself; 0: only the resizing.",
                    },
                ),
            },
            "optional": {
                "recipe": (
                    "STRING",
                    {
                        "default": "",
                        "multiline": True,
                        "tooltip": "A recipe or a report as JSON, in place of the preset. A report is repeated exactly:"
                        " seed, scale and strength have no effect.",
                    },
                ),
            },
        }

    def degrade(
        self, image: Tensor, preset: str, seed: int, scale: float, strength: float, recipe: str = ""
    ) -> tuple[Tensor, str]:
        plan = what_to_do(preset, scale, strength, recipe)
        pixels = image.detach().cpu().float().clamp(0, 1).contiguous().numpy()
        report_progress = host.progress()
        frames: list[Tensor] = []
        reports: list[Report] = []
        for i, frame in enumerate(pixels):
            if host.should_stop():
                raise Stopped(f"stopped after {i} of {len(pixels)} frames")
            result, report = degrade(frame, plan, seed=seed, index=i)
            frames.append(torch.from_numpy(result))
            reports.append(report)
            if report_progress is not None:
                report_progress(i + 1, len(pixels))
        return torch.stack(frames), Report.join(reports).to_json()


def what_to_do(name: str, scale: float, strength: float, text: str = "") -> Recipe | Report:
    """The preset `name`, or the recipe in `text`, at this scale and strength; a report in `text` unchanged."""
    plan = read_document(text) if text.strip() else preset(name)
    if isinstance(plan, Recipe):
        return plan.with_scale(scale).weakened(strength)
    for difference in plan.differences():
        logger.warning("the report was made with other versions (%s): results may differ in the last bits", difference)
    return plan


STEPS_ROUTE = "/senga/steps"  # of the front end


def step_examples(_query: Mapping[str, str] | None = None) -> dict[str, str]:
    """Valid text for `parameters` of each kind of step: its defaults, without what is drawn or nested."""
    return {
        name: json.dumps(
            {
                key: towards_zero(one.default)
                for key, one in kind.parameters.items()
                if key != "seed" and not isinstance(one.default, tuple)
            }
        )
        for name, kind in KINDS.items()
    }


def towards_zero(value: Any) -> Any:
    """Three decimals are enough to read; a limit stays within the limits."""
    return math.trunc(value * 1000) / 1000 if isinstance(value, float) else value


class SengaRecipeStep:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Appends a step to a recipe. Chain several of these nodes, and connect the last one to the recipe input of"
        " Degrade Image (Senga)."
    )
    SEARCH_ALIASES: ClassVar = ["degradation recipe", "jpeg", "noise", "blur", "augmentation"]
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("recipe",)
    OUTPUT_TOOLTIPS = ("The recipe with this step at the end, as JSON.",)
    FUNCTION = "append"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "step": (
                    list(KINDS),
                    {"tooltip": "The kind of damage; this node's help page lists each one's parameters."},
                ),
                "parameters": (
                    "STRING",
                    {
                        "default": "{}",
                        "multiline": True,
                        "tooltip": 'JSON, such as {"quality": [40, 80], "subsampling": "4:2:0"}: a value, a range'
                        " [low, high] to draw from, or names with weights. The rest keep their defaults.",
                    },
                ),
                "probability": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.05,
                        "tooltip": "How often the step is applied: 1 always, 0.5 to half of the pictures on average.",
                    },
                ),
            },
            "optional": {
                "recipe": (
                    "STRING",
                    {"forceInput": True, "tooltip": "The recipe to append to; without it, a new one starts."},
                ),
            },
        }

    def append(self, step: str, parameters: str, probability: float, recipe: str = "") -> tuple[str]:
        return (append_step(recipe, step, parameters, probability).to_json(),)


def append_step(recipe: str, step: str, parameters: str, probability: float) -> Recipe:
    """A recipe's text with one more step. Raises SengaError for a report, and for invalid parameters."""
    before = read_document(recipe) if recipe.strip() else Recipe((), "built step by step")
    if isinstance(before, Report):
        raise SengaError("recipe is a report, whose values are already drawn; append steps to a recipe")
    try:
        values = json.loads(parameters or "{}")
    except json.JSONDecodeError as error:
        raise SengaError(
            f'parameters: not JSON ({error.msg} at character {error.pos}); write {{"name": value, ...}}'
        ) from error
    if not isinstance(values, dict) or "step" in values or "probability" in values:
        raise SengaError(
            f'parameters is {parameters!r}; expected an object like {{"quality": [40, 80]}}'
            ", without step and probability"
        )
    added = Recipe.from_data({"steps": [{"step": step, "probability": probability, **values}]}, "parameters")
    return Recipe((*before.steps, *added.steps), before.name, before.source, before.scale)
