"""Pictures inside WebDataset shards: tar files, of which the headers are read, and each picture where it is.

A shard counts as a folder with its name: `a/000.tar` holds `a/000/1.png`.
"""

import io
import tarfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...arch.files.reading import below
from ..errors import SengaError, one_line
from ..files.plan import stem_key
from . import places
from .units import Item

ENDING = ".tar"
AHEAD = 8  # shards whose headers are read at once
BLOCK = 4096  # bytes read for a header


def is_shard(text: str) -> bool:
    return text.lower().endswith(ENDING)


def with_members(items: Iterable[Item], endings: Sequence[str]) -> Iterator[Item]:
    """The items, and in place of each shard its pictures. The names of AHEAD shards are held at a time."""
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="senga") as pool:
        waiting: deque[Item | Future[list[Item]]] = deque()
        for item in items:
            waiting.append(pool.submit(members, item, endings) if is_shard(item.source) else item)
            if len(waiting) > AHEAD:
                yield from _found(waiting.popleft())
        while waiting:
            yield from _found(waiting.popleft())


def _found(item: "Item | Future[list[Item]]") -> list[Item]:
    return [item] if isinstance(item, Item) else item.result()


def members(shard: Item, endings: Sequence[str]) -> list[Item]:
    """The pictures of a shard, in their order; of one that is damaged, those before the damage and an item with why."""
    found: list[Item] = []
    try:
        with places.opened(shard.source) as file:
            # Buffered: tarfile reads a byte before each header too, which is a request of its own in a store.
            buffered = io.BufferedReader(file, BLOCK)
            with tarfile.TarFile(fileobj=buffered) as tar:
                found += (_item(shard, member) for member in tar if _is_picture(member, endings))
                buffered.seek(tar.offset)
                rest = buffered.read(tarfile.BLOCKSIZE)
            if rest.strip(b"\0"):  # tarfile ends there without a word
                raise tarfile.ReadError(f"no header at byte {tar.offset}")
    except (OSError, SengaError, tarfile.TarError) as error:
        fault = f"{shard.source}: the shard cannot be read to its end ({one_line(error)}); {len(found)} pictures found"
        found.append(Item(shard.source, shard.own, fault=fault))
    alike = Counter(stem_key(Path(item.own)) for item in found)
    return [replace(item, lone=alike[stem_key(Path(item.own))] == 1) for item in found]


def _is_picture(member: tarfile.TarInfo, endings: Sequence[str]) -> bool:
    path = PurePosixPath(member.name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in path.parts)
    return member.isreg() and not member.issparse() and not hidden and path.suffix.lower() in endings


def _item(shard: Item, member: tarfile.TarInfo) -> Item:
    return Item(
        f"{shard.source}/{member.name}",
        f"{shard.own[: -len(ENDING)]}/{below(member.name)}",
        size=member.size,
        time=shard.time,
        shard=shard.source,
        offset=member.offset_data,
    )
