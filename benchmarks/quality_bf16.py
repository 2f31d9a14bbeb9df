"""How far bfloat16 inference is from float32 inference of the same weights."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from senga.arch import SengaError, UpscaleModel, load_model, upscale
from tqdm import tqdm

from .peer_weights import PEERS, read_peer
from .quality_pictures import Pair
from .quality_table import Table, mean

logger = logging.getLogger("senga")


@dataclass(frozen=True)
class Difference:
    """Of one picture. `db` is a PSNR over RGB before rounding; the rest after it."""

    db: float
    changed: float  # share of the 8-bit values that differ
    far: float  # share of them that differ by more than one level
    worst: float  # levels of 255


def difference(a: torch.Tensor, b: torch.Tensor) -> Difference:
    """Of two pictures in [0, 1] of any equal shape. Equal ones have 100 dB."""
    mse = float((a - b).double().square().mean())
    levels = ((a * 255).round() - (b * 255).round()).abs()
    return Difference(
        100.0 if mse <= 1e-10 else -10 * float(torch.tensor(mse).log10()),
        float((levels > 0).float().mean()),
        float((levels > 1).float().mean()),
        float(levels.max()),
    )


def measure(model: Any, pairs: Sequence[Pair]) -> list[Difference]:
    found = []
    for pair in pairs:
        image = torch.from_numpy(pair.small.astype("float32") / 255)[None]
        full, short = (upscale(model, image, precision=precision) for precision in ("fp32", "bf16"))
        found.append(difference(short, full))
    return found


def table(paths: Sequence[Path], peers: Sequence[str], pairs: dict[int, list[Pair]]) -> Table:
    """Rows: our files, and Real-ESRGAN's own weights in our network, each on the pairs of its scale.

    Those weights are left out, with a word, where their package is not installed.
    """
    rows = []
    for name in tqdm([*map(str, paths), *peers], unit="model", leave=False, desc="bf16"):
        try:
            model = read_peer(name) if name in PEERS else load_model(name)
        except SengaError as error:
            if name not in PEERS:
                raise
            logger.warning("left out: %s", error)
            continue
        assert isinstance(model, UpscaleModel)
        found = measure(model, pairs[model.scale])
        db = [d.db for d in found]
        rows.append(
            [
                f"realesrgan-{name}" if name in PEERS else Path(name).stem,
                f"{mean(db):.1f}",
                f"{min(db):.1f}",
                f"{mean([d.changed for d in found]):.1%}",
                f"{mean([d.far for d in found]):.2%}",
                f"{max(d.worst for d in found):.0f}",
            ]
        )
    header = ["", "PSNR (dB)", "worst picture", "8-bit values that differ", "by more than 1", "most (of 255)"]
    return Table("bfloat16 against float32 inference, clean pictures", header, rows)
