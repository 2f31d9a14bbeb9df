"""A lock between processes that ends with its holder: the system lets go of it even after SIGKILL or a power cut."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SengaError

POLL = 0.005  # seconds between two tries
PATIENCE = 60.0  # seconds; whoever holds a lock for one file's writing is done long before
# What systems answer that have no locks, such as some network drives: then there is none, as before.
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

if sys.platform == "win32":
    import msvcrt

    def _try(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # PermissionError while another one holds it
else:
    import fcntl

    def _try(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError while another one holds it


class HeldError(SengaError):
    """Another process, or another thread, holds the lock."""


@contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a file for the block. The file is made if it is missing, and stays: its content means nothing.

    Threads exclude each other as processes do. On a system without locks the block runs without one.

    Raises:
        HeldError: it is still held after `patience` seconds.
        OSError: the file cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(file, path, patience)
        yield
    finally:
        os.close(file)  # which lets go of the lock


def _acquire(file: int, path: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            _try(file)
            return
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() >= until:
                raise HeldError(f"{path}: another process holds it; wait for its end, or stop it") from error
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return
        time.sleep(POLL)
