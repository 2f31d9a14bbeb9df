"""`python -m senga.headless` is the `senga` command."""

import sys

from .cli import main

sys.exit(main())
