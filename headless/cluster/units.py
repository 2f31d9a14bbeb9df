"""What goes over the network: units of pictures to the machines, what became of them back. As JSON, small."""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

MOST = 32  # pictures of a unit: what a machine that is lost has to do again at most
LARGEST = 64 * 2**20  # bytes of a unit's files, after which it takes no more


@dataclass(frozen=True)
class Item:
    """One picture."""

    source: str  # a path or a URL
    own: str  # its name below the folder that was given: "sub/a.png"
    lone: bool = True  # no other picture beside it has its stem
    size: int = 0  # bytes
    time: int = 0  # of its last change, nanoseconds


@dataclass
class Outcome:
    """What became of a unit. `said` are log messages with their levels, `failed` names of pictures with why."""

    pictures: int = 0
    done: int = 0
    replaced: int = 0
    skipped: int = 0
    results: list[str] = field(default_factory=list)
    said: list[tuple[int, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    fault: str = ""  # why the worker cannot work at all


def to_text(value: "Outcome | list[Item]") -> str:
    """In ASCII: file names need not be UTF-8."""
    return json.dumps([asdict(item) for item in value] if isinstance(value, list) else asdict(value))


def items_of(text: str) -> list[Item]:
    return [Item(**item) for item in json.loads(text)]


def outcome_of(text: str) -> Outcome:
    return Outcome(**json.loads(text))


def units(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Pictures in units of at most MOST, fewer where they are large.

    One in 2 * MOST names ends its unit: where pictures are added or removed, units further on stay as they were.
    """
    unit: list[Item] = []
    for item in items:
        unit.append(item)
        full = len(unit) == MOST or sum(one.size for one in unit) >= LARGEST
        if full or zlib.crc32(item.own.encode(errors="surrogateescape")) % (2 * MOST) == 0:
            yield unit
            unit = []
    if unit:
        yield unit
