"""Put what a benchmark printed into a page of docs/, between the markers of that benchmark."""

import re
from pathlib import Path

from senga.arch import SengaError

from .quality_contenders import ROOT

QUALITY, TRAINING = (ROOT / "docs" / name for name in ("quality.md", "training.md"))


def markers(program: str) -> tuple[str, str]:
    """What the first marker begins with, and the last marker, of a program: "python -m benchmarks.NAME"."""
    return f"<!-- made by {program} ", f"<!-- end of what {program} made -->"


def write_docs(path: Path, command: str, text: str) -> None:
    """Replace what is between a benchmark's markers.

    Args:
        command: begins with "python -m benchmarks.NAME", as both markers do.

    Raises:
        SengaError: the markers are not there.
    """
    begin, end = markers(" ".join(command.split()[:3]))
    page = path.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise SengaError(f"{path}: has no lines {begin!r} ... and {end!r}; put them where the tables belong")
    path.write_text(
        pattern.sub(lambda _: f"<!-- made by {command} -->\n\n{text}\n{end}", page),
        encoding="utf-8",
    )
