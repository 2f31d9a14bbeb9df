"""Files that appear whole or not at all. The one way that weights, pictures, texts and checkpoints are written."""

import errno
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SengaError

TEMPORARY = ".senga_*.tmp"  # names of files that are being written, or were when their program was killed
TRIES = 5  # on Windows a virus scanner or a viewer may hold a file for a moment
WAIT = 0.1  # seconds between two tries
# What systems answer that have no hard links (FAT, some network drives), in the folder or for this user.
NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)


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
    with temporary_in(path.parent) as temporary:
        yield temporary
        replace(temporary, path)


@contextmanager
def temporary_in(folder: Path) -> Iterator[Path]:
    """A name for a file that is removed at the end of the block, unless it was renamed."""
    temporary = folder / TEMPORARY.replace("*", uuid.uuid4().hex)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file on the same drive its name, unless that name is taken: of several processes one gets it.

    `path` is never there unfinished. On drives without hard links an empty file is there for a moment.

    Raises:
        FileExistsError: something has the name, a dangling link too.
        OSError: the folder cannot be written.
    """
    try:
        os.link(temporary, path)
        temporary.unlink()
        return
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        replace(temporary, path)
    except BaseException:
        path.unlink(missing_ok=True)  # the empty file of ours
        raise


def replace(temporary: Path, path: Path) -> None:
    """Rename. Windows refuses while another program has `path` open: try again a few times, then say so.

    Raises SengaError, OSError.
    """
    for left in reversed(range(TRIES)):
        try:
            temporary.replace(path)
            return
        except PermissionError as error:
            if not left:
                raise SengaError(
                    f"{path}: it cannot be replaced ({error.strerror}); close the program that has it open"
                ) from error
            time.sleep(WAIT)
