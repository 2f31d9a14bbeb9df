"""What curve.csv of a run has, and what its numbers are of."""

import logging
from collections.abc import Sequence

from ..run.run_folder import RunFolder
from .settings import Settings
from .validation.whole_pictures import WHOLE_SCORES

logger = logging.getLogger("senga")


def columns(settings: Settings, domains: Sequence[str]) -> tuple[str, ...]:
    """Of curve.csv. The first validation condition has plain names, the others and the domains their own."""
    others = tuple(f"psnr_y_{name}" for name in (*settings.run.conditions[1:], *(domains if len(domains) > 1 else ())))
    whole = WHOLE_SCORES if settings.val.folder or settings.val.pairs else ()
    scores = ("psnr_y", "psnr_y_lanczos", "ssim_y", "ssimulacra2", "colour_shift", *others, *whole)
    terms = [f"loss_{name}" for name, weight in settings.loss.weights.items() if weight]
    if settings.gan.weight:
        terms += ["loss_gan", "loss_discriminator", "accuracy_fake", "accuracy_real"]
    return (
        "step",
        "loss",
        *scores,
        *terms,
        "gradient_norm",
        "learning_rate",
        "images_per_second",
        "waiting",
        "seconds",
    )


def warn_of_other_condition(folder: RunFolder, first: str, step: int) -> None:
    """Say it if a run that goes on is validated under another main condition: its curve then has two parts."""
    before = folder.read_json("settings.json").get("run", {}).get("conditions", [first])[0]
    if step and before != first:
        logger.warning("psnr_y and the other scores are under %s up to step %d, then under %s", before, step, first)
