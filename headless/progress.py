"""One line on the error stream that shows what runs and how far it is; standard output is for results."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..arch.errors import printable
from ..nodes import host
from .log import logger
from .stdout import say
from .stream import Waits

REDRAW = 0.1  # seconds between two drawings of a line that counts through everything
LAYOUT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


class ProgressLine:
    """Shown on a terminal only."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar
        self._shown = 0.0  # when it was last drawn by at()

    def start(self, label: str) -> None:
        """Something new begins; its length is not known yet."""
        self._bar.reset()
        self._bar.total = None
        self._bar.set_description_str(printable(label))

    def part(self, done: int, total: int) -> None:
        """`done` of `total` of what runs is done; called after each tile."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def whole(self, total: float) -> None:
        """The length of everything, for a line that counts through all of it."""
        self._bar.reset()
        self._bar.total = total

    def at(self, place: float, label: str) -> None:
        """`place` of the whole is done."""
        self._bar.set_description_str(printable(label), refresh=False)
        self._bar.n = place  # not update(), which waits for whole steps
        now = time.monotonic()
        if now - self._shown >= REDRAW:
            self._shown = now
            self._bar.refresh()

    def skip(self, length: float) -> None:
        """So much of what is done was done before: it says nothing about the time that the rest takes."""
        if not self._bar.disable:
            self._bar.initial += length

    def result(self, text: str) -> None:
        """One result to standard output, clear of the line."""
        with self._bar.external_write_mode(file=sys.stdout):
            say(text)


class BatchLine:
    """One line for many pictures: files done, tiles of the one that runs, and the time left for all of them."""

    def __init__(self, line: ProgressLine, files: int) -> None:
        self.waits = Waits()
        self._line = line
        self._files = files
        self._done = 0
        self._name = ""
        self._frame, self._frames, self._tiles = 0, 1, 0
        line.whole(files)

    def start(self, name: str, frames: int) -> None:
        """A picture of `frames` frames begins with its first."""
        self._name, self._frame, self._frames, self._tiles = name, 0, frames, 0
        self._draw(0, 0)

    def part(self, done: int, total: int) -> None:
        """One more tile is done; `done` of the frame's `total` pixels."""
        self._tiles += 1
        self._draw(done, total)

    def _draw(self, done: int, total: int) -> None:
        share = (self._frame + (done / total if total else 0)) / self._frames
        frame = f" frame {self._frame + 1}/{self._frames}" if self._frames > 1 else ""
        # Tiles have nearly one size, so those done give their number.
        tiles = f" tile {self._tiles}/{round(self._tiles * total / done)}" if done else ""
        self._line.at(self._done + share, f"{self._done + 1}/{self._files} {self._name}{frame}{tiles}")

    def next_frame(self) -> None:
        self._frame += 1
        self._tiles = 0

    def skip(self, frames: int) -> None:
        """So many frames of the picture were made by an earlier run."""
        self._frame += frames
        self._line.skip(frames / self._frames)
        self._draw(0, 0)

    def end(self) -> None:
        """The picture is done, or has failed."""
        self._done += 1
        self._line.at(self._done, f"{self._done}/{self._files}")


@contextmanager
def progress_line() -> Iterator[ProgressLine]:
    """Progress of the nodes and log messages go through this line while it is open."""
    before = host.standalone.progress
    with logging_redirect_tqdm([logger]), tqdm(bar_format=LAYOUT, leave=False, disable=None, file=sys.stderr) as bar:
        line = ProgressLine(bar)
        host.standalone.progress = line.part
        try:
            yield line
        finally:
            host.standalone.progress = before
