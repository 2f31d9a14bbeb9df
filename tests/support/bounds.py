"""What a stranger's file may cost: time and memory within bounds, no program started, nothing written elsewhere.

One process measures case after case. Time is the processor's, for all threads, so that a busy machine does not count;
memory is the peak of the resident set above what is there when a case begins.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 2
BYTES = 500 * 2**20
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile")
CHANGES = ("os.remove", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
OWN = ("__pycache__", os.sep + "dev" + os.sep)  # Python's own files, and /dev/null
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
OURS = "senga_"  # begins the names of temporary folders
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_seen: list[tuple[str, tuple[Any, ...]]] | None = None  # events while a case runs, else None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is not None and (event in STARTS or event in CHANGES or event in ("open", "socket.connect")):
        _seen.append((event, arguments))


sys.addaudithook(_watch)  # such a hook cannot be taken away again


@contextmanager
def within_bounds(*writable: Path, seconds: float = SECONDS, size: int = BYTES) -> Iterator[None]:
    """Fails where the block takes more, starts a program, connects to another machine, or changes a file elsewhere.

    `writable` are the folders in which files may be made; a temporary folder of ours, too, that is gone at the end.
    """
    global _seen
    if RESET.exists():
        RESET.write_text("5")  # the peak becomes what is there now; elsewhere it is the highest so far
    rest, began = _peak(), time.process_time()
    _seen = events = []
    try:
        yield
    finally:
        _seen = None
    took, held = time.process_time() - began, _peak() - rest
    assert took < seconds, f"{took:.1f} s of the processor's time"
    assert held < size, f"{held / 2**20:.0f} MiB above the process at rest"
    assert [fault for event in events if (fault := _fault(*event, writable))] == []
    paths = [os.fsdecode(path) for event in events for path in _paths(*event)]
    assert not [path for path in paths if _is_temporary(Path(path)) and Path(path).exists()]


def _peak() -> int:
    if not STATUS.exists():
        used = pytest.importorskip("resource").getrusage(0).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024


def _paths(event: str, arguments: tuple[Any, ...]) -> list[str | bytes | os.PathLike[str]]:
    """The files that an event makes or changes."""
    if event == "open":
        path, mode, flags = arguments
        changes = flags & WRITING if isinstance(flags, int) else mode
        return [path] if changes and isinstance(path, str | bytes | os.PathLike) else []
    return [value for value in arguments[:2] if event in CHANGES and isinstance(value, str | bytes | os.PathLike)]


def _is_temporary(path: Path) -> bool:
    above = Path(tempfile.gettempdir())
    return path.is_relative_to(above) and any(part.startswith(OURS) for part in path.relative_to(above).parts[:1])


def _fault(event: str, arguments: tuple[Any, ...], writable: tuple[Path, ...]) -> str:
    """What an event did that it may not; "" for nothing."""
    if event in STARTS:
        return f"started {arguments[0]!r}"
    if event == "socket.connect":
        address = arguments[1]
        return "" if isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1") else f"connected to {address!r}"
    allowed = [folder.resolve() for folder in writable]
    for path in map(os.fsdecode, _paths(event, arguments)):
        here = Path(path).absolute()
        if any(own in path for own in OWN) or _is_temporary(here):
            continue
        if not any(here.is_relative_to(folder) for folder in allowed):
            return f"{event}: {path}"
    return ""
