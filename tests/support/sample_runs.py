"""A training of a few steps, for tests of what a run does around its steps."""

from pathlib import Path

import torch

TINY = """
name = "tiny"
seed = 5
[model]
architecture = "compact"
hyperparameters = {{ scale = 2, features = 8, layers = 1 }}
[data]
folder = "{art}"
patch = 16
batch = 2
[optim]
steps = 6
warmup = 2
[run]
folder = "{runs}"
precision = "fp32"
validate_every = 2
validation_crops = 1
save_every = 3
keep = 9
sheet_every = 0
"""


def tiny_config(folder: Path, art: Path) -> Path:
    """FOLDER/tiny.toml, whose runs go to FOLDER/runs."""
    path = folder / "tiny.toml"
    path.write_text(TINY.format(art=art.as_posix(), runs=(folder / "runs").as_posix()), encoding="utf-8")
    return path


def checkpoint(folder: Path, step: int) -> dict:
    return torch.load(folder / f"checkpoint-{step:07d}.pt", weights_only=True)


def equal(a: object, b: object) -> bool:
    """Bit for bit, of nested dictionaries and lists of tensors."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b
