"""`python -m senga.training.sr CONFIG.toml`, for torchrun."""

from ..run.entry import run_as_script
from .train import main

run_as_script(main)
