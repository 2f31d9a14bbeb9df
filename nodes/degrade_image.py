"""SengaDegradeImage: a picture damaged by a recipe, and the report of it. SengaRecipeStep: a recipe, step by step."""

import json
import logging
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
        "Damages pictures the way the web does: blur, resizing, noise, JPEG, WebP, AVIF, video codecs, print screens."
        " The same seed gives the same picture; the report replays it exactly, on this picture or another one."
    )
    SEARCH_ALIASES: ClassVar = [
        "jpeg artifacts",
        "compression",
        "noise",
        "downscale",
        "real-esrgan degradation",
        "blur",
    ]
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("image", "report")
    OUTPUT_TOOLTIPS = (
        "The damaged picture, smaller by scale.",
        "What was done, as JSON with an entry per frame. As the recipe input it does the same again.",
    )
    FUNCTION = "degrade"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "One picture or a batch; frame i is picture i of the seed."}),
                "preset": (
                    list(preset_names()),
                    {"default": "web_repost", "tooltip": "Which damage; docs/degradation.md shows each of them."},
                ),
                "seed": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": LARGEST_SEED,
                        "control_after_generate": True,
                        "tooltip": "Another seed draws other amounts; the same one gives the same picture.",
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
                        "tooltip": "Shrinks every amount towards no damage. 1: the recipe as it is; 0: only the size.",
                    },
                ),
            },
            "optional": {
                "recipe": (
                    "STRING",
                    {
                        "default": "",
                        "multiline": True,
                        "tooltip": "A recipe or a report as JSON, instead of the preset. A report is replayed as it is:"
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
    """The preset `name`, or the recipe in `text`, at this scale and strength; a report in `text` as it is."""
    plan = read_document(text) if text.strip() else preset(name)
    if isinstance(plan, Recipe):
        return plan.with_scale(scale).weakened(strength)
    for difference in plan.differences():
        logger.warning("the report was made with other versions (%s): the bits may differ", difference)
    return plan


class SengaRecipeStep:
    CATEGORY = "Senga"
    DESCRIPTION = (
        "Appends one step to a recipe. Chain several of them, and connect the last one to the recipe input of"
        " Degrade Image (Senga)."
    )
    SEARCH_ALIASES: ClassVar = ["degradation recipe", "jpeg", "noise", "blur", "augmentation"]
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("recipe",)
    OUTPUT_TOOLTIPS = ("The recipe with this step at its end, as JSON.",)
    FUNCTION = "append"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "step": (list(KINDS), {"tooltip": "What is done; docs/degradation.md lists the parameters of each."}),
                "parameters": (
                    "STRING",
                    {
                        "default": "{}",
                        "multiline": True,
                        "tooltip": 'JSON, such as {"quality": [40, 80], "subsampling": "4:2:0"}: a value, a range'
                        " [low, high] to draw from, or names with weights. What is not named has its default.",
                    },
                ),
                "probability": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.05,
                        "tooltip": "How often the step is done: 1 always, 0.5 for every second picture on average.",
                    },
                ),
            },
            "optional": {
                "recipe": (
                    "STRING",
                    {"forceInput": True, "tooltip": "The recipe to append to; without it a new one begins."},
                ),
            },
        }

    def append(self, step: str, parameters: str, probability: float, recipe: str = "") -> tuple[str]:
        return (append_step(recipe, step, parameters, probability).to_json(),)


def append_step(recipe: str, step: str, parameters: str, probability: float) -> Recipe:
    """A recipe's text with one more step. Raises SengaError for a report, and for parameters that do not fit."""
    before = read_document(recipe) if recipe.strip() else Recipe((), "built step by step")
    if isinstance(before, Report):
        raise SengaError("recipe is a report, whose draws are made; append steps to a recipe")
    try:
        values = json.loads(parameters or "{}")
    except json.JSONDecodeError as error:
        raise SengaError(
            f'parameters: this is no JSON ({error.msg} at character {error.pos}); write {{"name": value, ...}}'
        ) from error
    if not isinstance(values, dict) or "step" in values or "probability" in values:
        raise SengaError(
            f'parameters is {parameters!r}; wanted an object like {{"quality": [40, 80]}}, without step and probability'
        )
    added = Recipe.from_data({"steps": [{"step": step, "probability": probability, **values}]}, "parameters")
    return Recipe((*before.steps, *added.steps), before.name, before.source, before.scale)
