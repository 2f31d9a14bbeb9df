"""How good a model is on the fixed validation crops, and how good a plain filter is on the same ones."""

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....arch import Provenance, UpscaleModel, save_model
from ....arch.image import to_bhwc
from ....arch.pictures.metrics import psnr_y, ssim_y
from ....arch.precision import autocast
from ...run.sheet import SheetRow, contact_sheet
from ..patches import to_tensor
from ..pictures.picture_files import Picture
from ..pictures.picture_set import evenly
from ..recipes import FIXED
from .metrics import colour_shift, ssimulacra2
from .validation_crops import FILTERS as REDUCED_BY
from .validation_crops import PAIRS, Pair, by_domain, count_text, mean_of_domains

logger = logging.getLogger("senga")

BF16_CROPS = 24  # that bfloat16 is compared on: processors without it emulate it, twenty times as slowly
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}  # what a model is compared with


def outputs(model: UpscaleModel, pairs: Sequence[Pair], precision: str) -> list[Tensor]:
    """What the model makes of each LR crop: (1, 3, H, W) float32 in [0, 1], on the CPU."""
    made = []
    with torch.inference_mode():
        for pair in pairs:
            x = to_tensor([pair.lr]).to(model.device)
            with autocast(model.device, precision):
                made.append(model(x).float().cpu())
    return made


def filtered(pairs: Sequence[Pair], name: str) -> list[Tensor]:
    """The LR crops enlarged by a Pillow filter of FILTERS, as `outputs` gives them."""
    sizes = [pair.hr.shape[1::-1] for pair in pairs]
    return [
        to_tensor([np.asarray(Image.fromarray(pair.lr).resize(size, FILTERS[name]))])
        for pair, size in zip(pairs, sizes, strict=True)
    ]


def psnr(made: Sequence[Tensor], pairs: Sequence[Pair], scale: int) -> list[float]:
    """PSNR_Y in dB of each crop."""
    return [float(psnr_y(y, to_tensor([pair.hr]), scale)[0]) for y, pair in zip(made, pairs, strict=True)]


def baseline(pairs: Sequence[Pair], name: str, scale: int) -> list[float]:
    """PSNR_Y in dB of each crop enlarged by a Pillow filter of FILTERS."""
    return psnr(filtered(pairs, name), pairs, scale)


def score(made: Sequence[Tensor], pairs: Sequence[Pair], scale: int, slow: bool = False) -> dict[str, float]:
    """Means of the domains' means: psnr_y (dB), ssim_y, and psnr_y of each domain where there are several; over all
    crops: colour_shift (the colour that moved most, in levels of 255); slow: ssimulacra2 too."""
    both = [(y, to_tensor([pair.hr])) for y, pair in zip(made, pairs, strict=True)]
    shift = torch.stack([colour_shift(y, hr)[0] for y, hr in both]).mean(0)
    decibels = psnr(made, pairs, scale)
    scores = {
        "psnr_y": mean_of_domains(decibels, pairs),
        "ssim_y": mean_of_domains([float(ssim_y(y, hr, scale)[0]) for y, hr in both], pairs),
        "colour_shift": float(shift.abs().max()),
    }
    if len(domains := by_domain(decibels, pairs)) > 1:
        scores |= {f"psnr_y_{domain}": value for domain, value in domains.items()}
    if slow:
        scores["ssimulacra2"] = mean_of_domains([ssimulacra2(y, hr)[0] for y, hr in both], pairs)
    return scores


def score_all(
    model: UpscaleModel, pairs: Mapping[str, Sequence[Pair]], precision: str, slow: bool = False
) -> tuple[dict[str, float], list[Tensor]]:
    """Scores under the first condition, psnr_y_NAME under each other one; and what the model made under the first."""
    first, *others = pairs
    made = outputs(model, pairs[first], precision)
    scores = score(made, pairs[first], model.scale, slow)
    for name in others:
        decibels = psnr(outputs(model, pairs[name], precision), pairs[name], model.scale)
        scores[f"psnr_y_{name}"] = mean_of_domains(decibels, pairs[name])
    return scores, made


def bf16_psnr(model: UpscaleModel, pairs: Sequence[Pair]) -> float:
    """How near bfloat16 comes to float32: PSNR in dB between the model's two outputs, over all values of all crops."""
    exact, fast = outputs(model, pairs, "fp32"), outputs(model, pairs, "bf16")
    mse = fmean(float((a - b).square().mean()) for a, b in zip(exact, fast, strict=True))
    return 100.0 if mse <= 1e-10 else -10 * math.log10(mse)


def write_weights(
    path: Path, model: UpscaleModel, about: Provenance, pairs: Mapping[str, Sequence[Pair]], half: bool
) -> dict[str, float]:
    """Score a model in float32, fill in its header and save it; returns the scores.

    Args:
        about: all of the provenance but metrics and notes.
        pairs: condition -> crops; the first is the main one.
        half: write bfloat16, for weights that were rounded to it.
    """
    first, *_ = pairs
    metrics, _ = score_all(model, pairs, "fp32", slow=True)
    metrics |= {
        f"psnr_y_{name}": mean_of_domains(baseline(pairs[first], name, model.scale), pairs[first]) for name in FILTERS
    }
    if model.supports_bfloat16:
        metrics["psnr_bf16"] = bf16_psnr(model, evenly(pairs[first], BF16_CROPS))
    metrics = {name: round(value, 4) for name, value in metrics.items()}
    crops = count_text([pair.crop for pair in pairs[first]])
    notes = (
        f"means of domains; validated on crops: {crops}; {lr_text(first, {pair.crop.domain for pair in pairs[first]})}"
    )
    header = replace(model.header, provenance=replace(about, metrics=metrics, notes=notes))
    done = UpscaleModel(header, model.model).to("cpu", torch.bfloat16 if half else torch.float32)
    save_model(path, done)
    found = (metrics[name] for name in ("psnr_y", "psnr_y_lanczos", "psnr_y_bicubic"))
    logger.info("%s: PSNR_Y %.2f dB (Lanczos %.2f, bicubic %.2f)", path, *found)
    return metrics


def lr_text(condition: str, domains: Collection[str]) -> str:
    """How the LR pictures of a validation came about, for a header."""
    others = "".join(f" ({domain}: {name})" for domain, name in REDUCED_BY.items() if domain in domains)
    fixed = condition in FIXED
    text = f"LR by Pillow's bicubic{others}, {condition}" if fixed else f"LR by {condition}{others}"
    return f"{text}; {PAIRS}: as given" if PAIRS in domains else text


def draw_sheet(path: Path, pairs: Sequence[Pair], made: Sequence[Tensor], scale: int, crops: int) -> Picture:
    """A contact sheet of `crops` of the pairs, spread evenly: LR, Lanczos, ours, HR."""
    few, ours = evenly(pairs, crops), evenly(made, crops)
    lanczos = filtered(few, "lanczos")
    rows = [
        SheetRow(
            name=Path(pair.crop.name).name,
            lr=pair.lr,
            ours=levels(better),
            hr=pair.hr,
            baseline=levels(plain),
            before=float(psnr_y(plain, to_tensor([pair.hr]), scale)[0]),
            after=float(psnr_y(better, to_tensor([pair.hr]), scale)[0]),
        )
        for pair, plain, better in zip(few, lanczos, ours, strict=True)
    ]
    return contact_sheet(rows, path)


def levels(image: Tensor) -> Picture:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return to_bhwc(image * 255).round().clamp(0, 255).byte()[0].numpy()
