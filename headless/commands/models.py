"""`senga models`: the models that the load nodes list, and what of the user's files cannot be loaded, and why."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...arch import Header
from ...arch.borrowed.spandrel_table import code_licence
from ...arch.engines import engine
from ...arch.errors import file_label, printable
from ...arch.purpose import UNKNOWN, purpose, short_licence
from ...arch.weights import check_file
from ...nodes import host
from ..errors import SengaError, brief, one_line
from ..log import logger
from ..model_folders import add_models_dir, use_models_dirs
from ..stdout import say

COLUMNS = ("NAME", "ARCHITECTURE", "SCALE", "SIZE", "LICENCES", "FOR")
NUMBERS = ("SCALE", "SIZE")  # aligned to the right
LONGEST_REASON = 600  # characters
UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


@dataclass(frozen=True)
class Entry:
    """One file of the list: its header, or the reason why it cannot be read."""

    name: str
    path: Path
    size: int | None  # bytes
    header: Header | None
    error: str = ""
    default: bool = False  # what `senga` takes where no model is named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models_dir(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON, with hyperparameters and metrics (default: a table)"
    )


def run(args: argparse.Namespace) -> int:
    use_models_dirs(args.models_dir)
    found = entries()
    text = json.dumps([as_json(entry) for entry in found], indent=2) if args.json else as_table(found)
    say(text)
    logger.info(engine.summary(host.compute_device()))
    return 0


def entries() -> list[Entry]:
    lists = (
        ("upscale", host.upscale_model_names(), host.upscale_model_path),
        ("tag", host.tagger_names(), host.tagger_path),
    )
    usable = [
        _entry(name, find, default=name == host.default_name(task)) for task, names, find in lists for name in names
    ]
    return [*usable, *(Entry(file_label(path), path, None, None, reason) for path, reason in host.unusable_files())]


def _entry(name: str, find: Callable[[str], Path], *, default: bool) -> Entry:
    path, size = Path(name), None
    try:
        path = find(name)
        size = path.stat().st_size
        return Entry(name, path, size, check_file(path), default=default)
    except (SengaError, OSError) as error:
        return Entry(name, path, size, None, brief(one_line(error), LONGEST_REASON))
    except Exception as error:  # noqa: BLE001 (a file of a stranger: the others must be listed)
        logger.debug("%s:", name, exc_info=error)
        return Entry(name, path, size, None, f"cannot be read ({type(error).__name__}: {brief(one_line(error), 200)})")


def as_table(found: list[Entry]) -> str:
    """Columns as wide as their longest cell; a file that cannot be read has the reason after its name."""
    # Names and licences may come from strangers' files; a line feed in one must not begin a row.
    cells = [tuple(printable(" ".join(cell.split())) for cell in _cells(entry)) for entry in found]
    rows = [COLUMNS, *cells]
    whole = [row for row in rows if len(row) == len(COLUMNS)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(COLUMNS))]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join(_line(row, widths) for row in rows)


def _cells(entry: Entry) -> tuple[str, ...]:
    if entry.header is None:
        return entry.name, f"unreadable: {entry.error}"
    header = entry.header
    scale = f"x{header.scale}" if header.scale else "-"
    licences = short_licence(header)
    if code := code_licence(header.architecture):
        licences += f" (code: {code})"
    about = purpose(header)
    parts = ("the default" if entry.default else "", about.what if about.what != UNKNOWN else "", about.limits)
    use = "; ".join(part for part in parts if part)
    return entry.name, header.architecture, scale, readable_size(entry.size or 0), licences, use


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    numbers = [name in NUMBERS for name in COLUMNS]
    cells = zip(row, widths, numbers, strict=False)
    return "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells).rstrip()


def readable_size(size: int) -> str:
    """`1500` -> `1.5 kB`."""
    for factor, unit in UNITS:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def as_json(entry: Entry) -> dict[str, object]:
    shared: dict[str, object] = {"name": entry.name, "path": str(entry.path), "bytes": entry.size}
    if entry.header is None:
        return {**shared, "error": entry.error}
    header = entry.header
    return {
        **shared,
        "architecture": header.architecture,
        "hyperparameters": header.hyperparameters,
        "scale": header.scale,
        "default": entry.default,
        "for": purpose(header).what,
        **({"limits": limits} if (limits := purpose(header).limits) else {}),
        **({} if header.vocabulary is None else {"tags": len(header.vocabulary)}),
        **({"units": list(header.units)} if header.units else {}),
        "licences": list(header.provenance.licences),
        **({"code_licence": code} if (code := code_licence(header.architecture)) else {}),
        "metrics": header.provenance.metrics,
    }
