"""`python -m senga.training.tagger CONFIG.toml`, for torchrun."""

import sys

from .train import main

sys.exit(main())
