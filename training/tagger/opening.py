"""The pictures of a tagger's training, on every machine that takes part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..run.agreement import agree_on_pictures
from ..run.processes import Processes
from .index import Array, TagIndex, build_index
from .settings import DataSettings
from .vocabulary import add_up


@dataclass(frozen=True)
class TaggedPictures:
    """The index of this machine's pictures, and what all machines have."""

    index: TagIndex
    bearing: Array  # training pictures that have each tag, (T,)
    known: Array  # training pictures whose label for it is known, (T,)
    sha256: str
    licences: tuple[str, ...]
    place: int  # of this process among all: which part of a batch it makes


def open_index(processes: Processes, data: DataSettings, folder: Path) -> TaggedPictures:
    """Read the tagged pictures. With `data.per_host` the vocabulary is chosen by the counts of all machines' parts.

    Args:
        folder: for the database of each process.

    Raises:
        SengaError: as `build_index`; or machines have other pictures.
    """
    apart = data.per_host and processes.world > 1
    summed = (lambda part: add_up(processes.of_machines(part))) if apart else None
    index = processes.agreed(lambda: build_index(data, folder / f"index-{processes.rank}", summed))
    count = len(index.where("train"))
    every = agree_on_pictures(processes, index.sha256(), index.licences, count, per_host=data.per_host)
    counts = [index.counts()] if not apart else processes.of_machines(index.counts())
    bearing, known = (np.sum(column, axis=0) for column in zip(*counts, strict=True))
    return TaggedPictures(index, bearing, known, every.sha256, every.licences, every.place)
