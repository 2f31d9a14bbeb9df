"""Files that appear whole or not at all. The one way that weights, pictures, texts and checkpoints are written."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import SengaError

TEMPORARY = ".senga_*.tmp"  # names of files that are being written, or were when their program was killed
TRIES = 5  # on Windows a virus scanner or a viewer may hold a file for a moment
WAIT = 0.1  # seconds between two tries


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of `path`, whose file replaces `path` at the end of the block.

    If the block fails or is interrupted, `path` keeps what it holds, and the temporary file is removed. Several threads
    and processes may write the same path: the last one wins.

        with replacing(path) as temporary:
            temporary.write_bytes(content)

    Raises:
        SengaError: another program has `path` open (Windows).
        OSError: the folder is missing or cannot be written.
    """
    temporary = path.with_name(TEMPORARY.replace("*", uuid.uuid4().hex))
    try:
        yield temporary
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """Rename. Windows refuses while another program has `path` open: try again a few times, then say so."""
    for _ in range(TRIES - 1):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            time.sleep(WAIT)
    try:
        temporary.replace(path)
    except PermissionError as error:
        raise SengaError(
            f"{path}: it cannot be replaced ({error.strerror}); close the program that has it open"
        ) from error
