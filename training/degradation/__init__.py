"""Degradation as a pure function: `degrade(image, recipe, seed=..., index=...) -> (image, report)`.

small, report = degrade(image, preset("realesrgan").with_scale(4), seed=7)
again, _ = degrade(image, Report.from_json(report.to_json()))  # the same, bit for bit
"""

from .engine import degrade, degrade_pair, final_size
from .recipe import Recipe, Step, preset, preset_names
from .report import Report, read_document
from .steps import GROUPS, KINDS

__all__ = [
    "GROUPS",
    "KINDS",
    "Recipe",
    "Report",
    "Step",
    "degrade",
    "degrade_pair",
    "final_size",
    "preset",
    "preset_names",
    "read_document",
]
