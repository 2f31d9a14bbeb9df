"""What the driver keeps of the units that are done: numbers, however many pictures there are, and a report."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO

from ..errors import SengaError, UsageError, amount
from ..log import logger
from ..progress import ProgressLine
from .engine import rest
from .units import Outcome

REPORT = "senga_failed.jsonl"  # in the folder of the results: a line for each picture that failed


class Report:
    """The pictures that failed, in a file that is there where some have. Lines are JSON with "file" and "error"."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / REPORT
        self.count = 0

    def __enter__(self) -> "Report":
        self._path.unlink(missing_ok=True)  # of an earlier run
        return self

    def add(self, failed: Sequence[tuple[str, str]]) -> None:
        self.count += len(failed)
        if failed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.writelines(json.dumps({"file": name, "error": error}) + "\n" for name, error in failed)

    def __exit__(self, *_: object) -> None:
        if self.count:
            logger.error("%s failed; see %s for names and reasons", amount(self.count, "picture"), self._path)


class Tally:
    """Sums of what became of the units."""

    def __init__(self, line: ProgressLine, total: Callable[[], int | None], report: Report, results: TextIO) -> None:
        self._line, self._total, self._report, self._results = line, total, report, results
        self._sum = Outcome()
        self._begin = time.monotonic()
        self._known: int | None = None
        self.shards: set[str] = set()  # one for hundreds of pictures
        self.lost = 0  # pictures whose workers ended again and again

    def add(self, outcome: Outcome) -> None:
        """Raises SengaError where a worker cannot work at all."""
        if outcome.fault:
            raise SengaError(outcome.fault)
        for level, text in outcome.said:
            logger.log(level, "%s", text)
        with redirect_stdout(self._results):
            for text in outcome.results:
                self._line.result(text)
        self._report.add(outcome.failed)
        self._sum.count(outcome)
        if outcome.shard:
            self.shards.add(outcome.shard)
        if self._known is None and (known := self._total()) is not None:
            self._known = known
            self._line.whole(known)
        seen = self._sum.pictures
        self._line.at(seen, rest(seen, time.monotonic() - self._begin, self._known))

    def end(self) -> int:
        """Report, and return the exit code. Raises UsageError where there was no picture."""
        while self._known is None:
            self._known = self._total()
            time.sleep(0.01)
        total, failed = self._sum, self._report.count
        replaced = f" ({total.replaced} replaced)" if total.replaced else ""
        counts = (
            f"{amount(self._known, 'picture')}: {total.done} done{replaced}, {total.skipped} skipped, {failed} failed"
        )
        seconds = time.monotonic() - self._begin
        logger.info("%s in %.1f s (%.1f/s)", counts, seconds, total.pictures / seconds)
        if not self._known:
            raise UsageError("no picture was found; check the names of the folders")
        self.lost = max(0, self._known - total.pictures)
        if self.lost:
            gone = amount(self.lost, "picture")
            logger.error("%s lost with workers that ended again and again, for want of memory?", gone)
        return int(bool(failed) or self.lost > 0)
