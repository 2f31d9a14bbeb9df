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

    source: str  # a path or a URL; in a shard, its name behind that of the shard
    own: str  # its name below the folder that was given: "sub/a.png"
    lone: bool = True  # no other picture beside it has its stem
    size: int = 0  # bytes
    time: int = 0  # of its last change, or that of its shard, nanoseconds
    shard: str = ""  # the path or URL of the WebDataset shard that holds it
    offset: int = 0  # where it begins there, bytes
    fault: str = ""  # why it cannot be read: of a shard that is damaged


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
    shard: str = ""  # the name of the one that holds the results
    fault: str = ""  # why the worker cannot work at all

    def count(self, other: "Outcome") -> None:
        """Add another's numbers."""
        self.pictures += other.pictures
        self.done += other.done
        self.replaced += other.replaced
        self.skipped += other.skipped


def to_text(value: "Outcome | list[Item]") -> str:
    """In ASCII: file names need not be UTF-8."""
    return json.dumps([asdict(item) for item in value] if isinstance(value, list) else asdict(value))


def items_of(text: str) -> list[Item]:
    return [Item(**item) for item in json.loads(text)]


def outcome_of(text: str) -> Outcome:
    return Outcome(**json.loads(text))


def units(items: Iterable[Item], most: int = MOST) -> Iterator[list[Item]]:
    """Pictures in units of at most `most`, fewer where they are large.

    One in 2 * `most` names ends its unit: where pictures are added or removed, units further on stay as they were.
    """
    largest = LARGEST * max(1, most // MOST // 4)
    unit: list[Item] = []
    size = 0
    for item in items:
        unit.append(item)
        size += item.size
        full = len(unit) == most or size >= largest
        if full or zlib.crc32(item.own.encode(errors="surrogateescape")) % (2 * most) == 0:
            yield unit
            unit, size = [], 0
    if unit:
        yield unit
