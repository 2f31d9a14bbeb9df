"""`python -m senga.training.sr CONFIG.toml`, for torchrun."""

import sys

from .train import main

sys.exit(main())
