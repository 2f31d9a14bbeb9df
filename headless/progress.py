"""One line on the error stream that says what runs and how far it is; standard output stays the results'."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..nodes import host
from .log import logger

LAYOUT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


class ProgressLine:
    """Shown on a terminal only."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def start(self, label: str) -> None:
        """Something new begins; how much it has to do is not known yet."""
        self._bar.reset()
        self._bar.total = None
        self._bar.set_description_str(label)

    def part(self, done: int, total: int) -> None:
        """So much of what runs is done; called after each tile."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def result(self, text: str) -> None:
        """One result to standard output, clear of the line."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()


@contextmanager
def progress_line() -> Iterator[ProgressLine]:
    """What the nodes report, and log messages, go through this line while it lasts."""
    before = host.standalone.progress
    with logging_redirect_tqdm([logger]), tqdm(bar_format=LAYOUT, leave=False, disable=None, file=sys.stderr) as bar:
        line = ProgressLine(bar)
        host.standalone.progress = line.part
        try:
            yield line
        finally:
            host.standalone.progress = before
