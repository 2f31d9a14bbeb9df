"""Train a tagger: settings, data, model, one loop, validation, report, weights.

    senga train tagger training/configs/tagger_avatars.toml
    senga train tagger training/configs/danbooru2021.toml --set data.folder=/data/danbooru2021 --set data.fraction=0.25

A run lives in RUNS/NAME: checkpoint.pt (found again by itself: the same command goes on where it stopped), curve.csv,
settings.json, and at the end report.md and NAME.safetensors with the averaged weights.
"""

import argparse
import csv
import dataclasses
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..arch import TaggerModel, TagVocabulary
from ..arch.preprocessing import Preprocessing
from ..arch.precision import autocast
from .tag_metrics import Scored, average_precisions, global_threshold, tag_thresholds
from .tagger_losses import LOSSES
from .tagger_report import Findings, write_report
from .sr import learning_rate
from .tagger_data import TagPictures, batch
from .tagger_index import SPLITS, TagIndex, build_index
from .tagger_settings import TaggerSettings

log = logging.getLogger("senga")
EVALUATED = 64


def vocabulary_of(index: TagIndex, trained: np.ndarray, thresholds: Sequence[float] = ()) -> TagVocabulary:
    categories = np.array(index.categories)
    untrained = [name for name in dict.fromkeys(index.categories) if not trained[categories == name].any()]
    return TagVocabulary(
        index.names, index.categories, tuple(index.counts()[0].tolist()), tuple(thresholds), tuple(untrained)
    )


def begin_with_the_counts(net: nn.Module, index: TagIndex, trained: np.ndarray) -> None:
    """The last layer starts by saying each tag as often as it is seen: b = log(p / (1 - p)), after Lin et al. 2017.

    Outputs that are never taught say 0.5 and stay there: no gradient reaches them.
    """
    bearing, known = index.counts()
    p = torch.from_numpy((bearing + 0.5) / (known + 1)).float()
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.bias.copy_((p / (1 - p)).log())
        last.weight[~torch.from_numpy(trained)] = 0
        last.bias[~torch.from_numpy(trained)] = 0


def evenly(numbers: np.ndarray, amount: int) -> np.ndarray:
    """At most `amount` of them, spread over all."""
    return numbers if len(numbers) <= amount else numbers[np.arange(amount) * len(numbers) // amount]


def predict(net: nn.Module, pictures: TagPictures, numbers: np.ndarray, device: torch.device, precision: str) -> Scored:
    """The net's scores of whole pictures, prepared as the model's users will."""
    index, rows = pictures.index, []
    with ThreadPoolExecutor(pictures.data.workers) as pool, torch.inference_mode():
        for begin in range(0, len(numbers), EVALUATED):
            x = torch.stack(list(pool.map(pictures.whole, numbers[begin : begin + EVALUATED].tolist())))
            with autocast(device, precision):
                logits = net(x.to(device).contiguous(memory_format=torch.channels_last))
            rows.append(logits.float().sigmoid().cpu().numpy())
    truths = [index.truth(number) for number in numbers.tolist()]
    truth, known = (np.stack(column) for column in zip(*truths, strict=True))
    return Scored(numbers, np.concatenate(rows), truth, known)


def mean_ap(scored: Scored, trained: np.ndarray) -> float:
    """Over the tags that some of the pictures bear."""
    found = average_precisions(scored)[trained]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def train(settings: TaggerSettings, command: str) -> Path:
    """Run (or go on with) a training; returns the path of the weights file.

    Raises:
        SengaError: settings, data or checkpoint do not fit together, or the loss is no longer finite.
    """
    data, optim, run = settings.data, settings.optim, settings.run
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(run.folder) / settings.name
    folder.mkdir(parents=True, exist_ok=True)

    # Data
    index = build_index(data, folder)
    bearing, known = index.counts()
    trained = known > 0
    preprocessing = Preprocessing(**{k: tuple(v) if isinstance(v, list) else v for k, v in dataclasses.asdict(settings.preprocessing).items()})
    pictures = TagPictures(index, data, settings.augment, preprocessing)
    splits = {split: index.where(split) for split in ("val", "test", "unseen")}
    log.info(
        "%d tags; %s pictures", len(index.names), ", ".join(f"{len(index.where(s)):,} {s}" for s in SPLITS)
    )

    # Model
    torch.manual_seed(settings.seed)
    model = TaggerModel.create(
        settings.model.architecture, vocabulary_of(index, trained), preprocessing, **settings.model.hyperparameters
    )
    header = model.header
    net = model.model.requires_grad_(True).train()
    begin_with_the_counts(net, index, trained)
    net.to(device)
    ema = {key: value.detach().clone() for key, value in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=optim.weight_decay)
    precision = run.precision if run.precision != "auto" else "fp32"
    loss_of = LOSSES[optim.loss]

    def shadow() -> nn.Module:
        copy = TaggerModel(header, header.row().build(header.config())).to(device).model
        copy.load_state_dict(ema)
        return copy

    first = 0
    curve = (folder / "curve.csv").open("a", newline="", encoding="utf-8")
    writer = csv.writer(curve)
    if curve.tell() == 0:
        writer.writerow(["step", "loss", *(f"map_{s}" for s in splits if len(splits[s])), "seconds"])
    running, began, waited = 0.0, time.monotonic(), 0.0
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(data.workers) as pool:
        pending = ahead.submit(batch, pictures, pool, settings.seed, first)
        for step in range(first, optim.steps):
            waiting = time.monotonic()
            x, labels, told = pending.result()
            waited += time.monotonic() - waiting
            pending = ahead.submit(batch, pictures, pool, settings.seed, step + 1)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, optim)
            torch.manual_seed(settings.seed + 1000003 * (step + 1))
            with autocast(device, precision):
                logits = net(x)
            loss = loss_of(logits.float(), labels, told * torch.from_numpy(trained))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if optim.clip:
                nn.utils.clip_grad_norm_(net.parameters(), optim.clip)
            optimiser.step()
            decay = min(optim.ema, (1 + step) / (10 + step))
            for name, value in net.state_dict().items():
                if value.is_floating_point():
                    ema[name].lerp_(value, 1 - decay)
                else:
                    ema[name].copy_(value)
            value = loss.item()
            running = value if running == 0 else 0.98 * running + 0.02 * value
            last = step + 1 == optim.steps
            if (step + 1) % run.validate_every == 0 or last:
                scores = [mean_ap(predict(shadow(), pictures, evenly(v, run.validation_pictures), device, precision), trained) for v in splits.values() if len(v)]
                writer.writerow([step + 1, f"{running:.4f}", *(f"{s:.4f}" for s in scores), f"{time.monotonic() - began:.1f}"])
                curve.flush()
                log.info("step %d: loss %.3f, mAP %s, %.0f s, waited %.0f", step + 1, running, " ".join(f"{s:.3f}" for s in scores), time.monotonic() - began, waited)
    curve.close()
    scored = {split: predict(shadow(), pictures, numbers, device, "fp32") for split, numbers in splits.items() if len(numbers)}
    threshold = global_threshold(scored["val"])
    thresholds = tag_thresholds(scored["val"], threshold, run.min_positives)
    findings = Findings(scored, threshold, thresholds, trained, run.min_positives)
    page = write_report(folder, settings.name, {"command": command}, findings, pictures)
    log.info("%s", findings.metrics(index))
    return page
