"""What `senga upscale`, `senga tag` and `senga degrade` share."""

import os
from pathlib import Path

from ..errors import SengaError, one_line

MOST_WORKERS = 64
FAILURES = (SengaError, OSError, RuntimeError, MemoryError)  # of one picture; torch's own are RuntimeErrors


def default_workers() -> int:
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def workers_fault(workers: int) -> str:
    return "" if 1 <= workers <= MOST_WORKERS else f"--workers {workers}: 1 to {MOST_WORKERS} is wanted"


def named(source: Path, error: BaseException) -> str:
    """What went wrong on one line, with the file's name in it."""
    text = one_line(error)
    return text if str(source) in text else f"{source}: {text}"
