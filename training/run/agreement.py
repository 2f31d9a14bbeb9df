"""What the processes of a run must have in common before they begin: versions, code, settings and pictures."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...arch import SengaError
from .identity import QUOTED, flat
from .processes import Processes
from .run_folder import versions

# Where things are and how much memory they may take is each machine's own business.
OWN = (
    "data.cache_gib",
    "data.folder",
    "data.memory_gib",
    "data.metadata",
    "data.more",
    "data.pairs",
    "data.table",
    "data.workers",
    "loss.dists_network",
    "loss.dists_weights",
    "loss.feature_network",
    "model.start_from",
    "run.folder",
    "run.threads",
)
VALIDATION = "val."  # what is validated on is on the first machine


@dataclass(frozen=True)
class Pictures:
    """Of all machines together."""

    sha256: str
    licences: tuple[str, ...]
    place: int  # of this process among all: which part of a batch it makes


@cache
def code_sha256() -> str:
    """Of the package's own Python files that a training runs."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for room in ("arch", "training") for path in (root / room).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def programs() -> dict[str, str]:
    """What runs here, by version; Senga by its code, since checkouts have none."""
    return {"python": platform.python_version(), **versions(), "Senga's code": code_sha256()[:12]}


def check_alike(processes: Processes, settings: Mapping[str, Any]) -> None:
    """Raises SengaError where versions, code or settings differ between processes, naming what and where."""
    if processes.world == 1:
        return
    chosen = {
        name: json.dumps(value) for name, value in flat(settings) if name not in OWN and not name.startswith(VALIDATION)
    }
    found = processes.gather((processes.name, programs(), chosen))
    compare([(name, one) for name, one, _ in found], "install the same versions on every machine")
    compare([(name, one) for name, _, one in found], "start every machine with the same settings")


def compare(found: Sequence[tuple[str, Mapping[str, str]]], way_out: str) -> None:
    """Raises SengaError that names what of one process, (its name, name -> value), is not as that of the first."""
    first, expected = found[0]
    for where, values in found:
        different = sorted(name for name in expected.keys() | values.keys() if expected.get(name) != values.get(name))
        if different:
            named = [_named(name, expected.get(name, "missing"), values.get(name, "missing")) for name in different[:4]]
            more = f" and {len(different) - 4} more" if len(different) > 4 else ""
            raise SengaError(f"{where} differs from {first}: {', '.join(named)}{more}; {way_out}")


def _named(name: str, expected: str, found: str) -> str:
    return f"{name} is {found}, not {expected}" if len(expected + found) < QUOTED else name


def agree_on_pictures(
    processes: Processes, sha256: str, licences: Sequence[str], count: int, *, per_host: bool
) -> Pictures:
    """The same pictures on all machines; with `data.per_host` the parts of all, each machine drawing from its own.

    Args:
        count: pictures to train on, for messages.

    Raises:
        SengaError: they differ without `data.per_host`, or are the same with it.
    """
    if processes.world == 1:
        return Pictures(sha256, tuple(licences), 0)
    found = processes.gather((processes.name, processes.machine, sha256, tuple(licences), count))
    hashes = {machine: digest for _, machine, digest, _, _ in found}
    where, first, own, _, expected = found[0]
    if not per_host:
        for other, _, digest, _, counted in found:
            if digest != own:
                raise SengaError(
                    f"the pictures differ: {where} has {expected} to train on (hash {own[:12]}), {other} has"
                    f" {counted} ({digest[:12]}); give every machine the same files, or set data.per_host = true where"
                    " each has its own part"
                )
        return Pictures(sha256, tuple(licences), processes.rank)
    if len(hashes) > 1 and len(set(hashes.values())) < len(hashes):
        twin = next(one for one in found if one[1] != first and list(hashes.values()).count(one[2]) > 1)
        raise SengaError(
            f"data.per_host is true, but {twin[0]} has the same pictures as another machine; give each its own part, or"
            " leave data.per_host out"
        )
    together = hashlib.sha256("\n".join(sorted(hashes.values())).encode()).hexdigest()
    every = tuple(sorted({licence for _, _, _, some, _ in found for licence in some}))
    return Pictures(together if len(hashes) > 1 else sha256, every, processes.place(sha256))
