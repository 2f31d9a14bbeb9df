"""How good a model is on the fixed validation crops, and how good a plain filter is on the same ones."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...arch import Provenance, UpscaleModel, save_model
from ...arch.image import to_bhwc
from ...arch.precision import autocast
from ..run.sheet import SheetRow, contact_sheet
from .metrics import colour_shift, psnr_y, ssim_y, ssimulacra2
from .patches import Picture, to_tensor
from .picture_files import Row

logger = logging.getLogger("senga")

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}  # what a model is compared with

Pair = tuple[Row, Picture, Picture]  # where it is from, LR, HR


def outputs(model: UpscaleModel, pairs: Sequence[Pair], precision: str) -> list[Tensor]:
    """What the model makes of each LR crop: (1, 3, H, W) float32 in [0, 1], on the CPU."""
    made = []
    with torch.inference_mode():
        for _, lr, _ in pairs:
            x = to_tensor([lr]).to(model.device)
            with autocast(model.device, precision):
                made.append(model(x).float().cpu())
    return made


def filtered(pairs: Sequence[Pair], name: str) -> list[Tensor]:
    """The LR crops enlarged by a Pillow filter of FILTERS, as `outputs` gives them."""
    return [to_tensor([np.asarray(Image.fromarray(lr).resize(hr.shape[1::-1], FILTERS[name]))]) for _, lr, hr in pairs]


def psnr(made: Sequence[Tensor], pairs: Sequence[Pair], scale: int) -> list[float]:
    """PSNR_Y in dB of each crop."""
    return [float(psnr_y(y, to_tensor([hr]), scale)[0]) for y, (_, _, hr) in zip(made, pairs, strict=True)]


def baseline(pairs: Sequence[Pair], name: str, scale: int) -> list[float]:
    """PSNR_Y in dB of each crop enlarged by a Pillow filter of FILTERS."""
    return psnr(filtered(pairs, name), pairs, scale)


def score(made: Sequence[Tensor], pairs: Sequence[Pair], scale: int, slow: bool = False) -> dict[str, float]:
    """Means over the crops: psnr_y (dB), ssim_y, colour_shift (the colour that moved most, in levels of 255); slow:
    ssimulacra2 too."""
    both = [(y, to_tensor([hr])) for y, (_, _, hr) in zip(made, pairs, strict=True)]
    shift = torch.stack([colour_shift(y, hr)[0] for y, hr in both]).mean(0)
    scores = {
        "psnr_y": fmean(psnr(made, pairs, scale)),
        "ssim_y": fmean(float(ssim_y(y, hr, scale)[0]) for y, hr in both),
        "colour_shift": float(shift.abs().max()),
    }
    if slow:
        scores["ssimulacra2"] = fmean(value for y, hr in both for value in ssimulacra2(y, hr))
    return scores


def score_all(
    model: UpscaleModel, pairs: Mapping[str, Sequence[Pair]], precision: str, slow: bool = False
) -> tuple[dict[str, float], list[Tensor]]:
    """Scores under the first condition, psnr_y_NAME under each other one; and what the model made under the first."""
    first, *others = pairs
    made = outputs(model, pairs[first], precision)
    scores = score(made, pairs[first], model.scale, slow)
    for name in others:
        scores[f"psnr_y_{name}"] = fmean(psnr(outputs(model, pairs[name], precision), pairs[name], model.scale))
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
    metrics |= {f"psnr_y_{name}": fmean(baseline(pairs[first], name, model.scale)) for name in FILTERS}
    if model.supports_bfloat16:
        metrics["psnr_bf16"] = bf16_psnr(model, pairs[first])
    metrics = {name: round(value, 4) for name, value in metrics.items()}
    notes = f"validated on {len(pairs[first])} crops, LR by Pillow's bicubic, {first}"
    header = replace(model.header, provenance=replace(about, metrics=metrics, notes=notes))
    done = UpscaleModel(header, model.model).to("cpu", torch.bfloat16 if half else torch.float32)
    save_model(path, done)
    found = (metrics[name] for name in ("psnr_y", "psnr_y_lanczos", "psnr_y_bicubic"))
    logger.info("%s: PSNR_Y %.2f dB (Lanczos %.2f, bicubic %.2f)", path, *found)
    return metrics


def draw_sheet(path: Path, pairs: Sequence[Pair], made: Sequence[Tensor], scale: int, crops: int) -> None:
    """A contact sheet of `crops` of the pairs, spread evenly: LR, Lanczos, ours, HR."""
    chosen = [i * len(pairs) // min(crops, len(pairs)) for i in range(min(crops, len(pairs)))]
    few = [pairs[i] for i in chosen]
    lanczos = filtered(few, "lanczos")
    ours = [made[i] for i in chosen]
    rows = [
        SheetRow(
            name=Path(row.file).name,
            lr=lr,
            ours=levels(better),
            hr=hr,
            baseline=levels(plain),
            before=float(psnr_y(plain, to_tensor([hr]), scale)[0]),
            after=float(psnr_y(better, to_tensor([hr]), scale)[0]),
        )
        for (row, lr, hr), plain, better in zip(few, lanczos, ours, strict=True)
    ]
    contact_sheet(rows, path)


def levels(image: Tensor) -> Picture:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return to_bhwc(image * 255).round().clamp(0, 255).byte()[0].numpy()
