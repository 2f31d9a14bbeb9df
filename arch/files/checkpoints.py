"""torch's checkpoints: what is in one is known before anything is allocated, and nothing that it carries is run.

A checkpoint is a zip archive of a pickle (`data.pkl`, which names the tensors) and a file of bytes for each storage.
Before 2020 it was pickles followed by the bytes.
"""

import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ..errors import SengaError, brief

MOST_PICKLE = 2**20  # bytes: a large network of 3,000 tensors takes 300 kB. torch reads 1 MiB in about two seconds
MOST_LEGACY = 2**18  # bytes, in a file from before 2020, which is read more slowly: RRDB with 23 blocks takes 90 kB
MOST_ENTRIES = 2**15  # of an archive
MOST_DIRECTORY = 2**22  # bytes of its list of entries
UNPACKED = 4  # times as large as the archive; torch does not compress, and numbers do not compress that well
SMALL = 16 * 2**20  # bytes that may be unpacked from any archive
LOCAL = b"PK\x03\x04"  # the beginning of an archive
END, END_BYTES = b"PK\x05\x06", 22  # the record at the end of an archive, followed by a comment
COMMENT = 2**16
BLOCK = tarfile.BLOCKSIZE
END_64, WHERE_64 = b"PK\x06\x06", b"PK\x06\x07"  # the same for large ones, and where that is
# Functions that a pickle names to make what is not a plain tensor.
ODD_KINDS = {
    b"_rebuild_qtensor": "quantised",
    b"_rebuild_sparse_tensor": "sparse",
    b"_rebuild_sparse_csr_tensor": "sparse",
    b"_rebuild_meta_tensor_no_storage": "without values (saved from the device meta)",
    b"_rebuild_nested_tensor": "nested",
    b"_rebuild_wrapper_subclass": "of another class than torch's own",
    b"_rebuild_device_tensor_from_numpy": "of another device",
}


def read_checkpoint(path: Path, *, index: bool) -> Any:
    """What a checkpoint holds, on the CPU; with `index`, on the device meta: no tensor is read.

    Raises:
        SengaError: it holds more than tensors, plain numbers and tables, or more than its size allows; it is damaged or
            of another kind.
        OSError: it cannot be opened.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        zipped = file.read(len(LOCAL)) == LOCAL  # as torch decides it
        pickled = _check_archive(file, size) if zipped else _head(file)
        if not zipped and _is_tar(pickled[:BLOCK]):
            raise SengaError(
                "begins with zeros or is a tar archive, not a torch checkpoint; torch would unpack it to the disk: copy"
                " it again, or save it with a newer torch"
            )
        if kind := next((kind for name, kind in ODD_KINDS.items() if name in pickled), ""):
            raise SengaError(f"has a tensor that is {kind}; expected plain ones of float numbers: convert the file")
        file.seek(0)
        try:
            with warnings.catch_warnings(), _storages_skipped() if index else nullcontext():
                warnings.simplefilter("ignore")  # about forms of pickles, which nobody here can change
                found = torch.load(
                    file if zipped else _Metered(file),  # type: ignore[arg-type]
                    map_location="meta" if index else "cpu",
                    weights_only=True,
                )
            if not zipped and index and file.tell() + _bytes_of(found) > size:
                raise EOFError
            return found
        except SengaError:
            raise
        except pickle.UnpicklingError as error:
            raise SengaError(
                "holds Python objects besides tensors, or is not a torch checkpoint; Senga never runs what a pickle"
                " carries: ask its author for a safetensors file, or save only its state_dict()"
            ) from error
        except Exception as error:
            raise _cut_short(size) from error


def _is_tar(block: bytes) -> bool:
    """Whether torch would take a file that begins so for an archive of its first versions."""
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return len(block) == BLOCK and not any(block)  # an archive of nothing
    return True


def _storages_skipped() -> AbstractContextManager[None]:
    """Leaves the bytes of checkpoints from before 2020 unread; older versions of torch read them all the same."""
    skip = getattr(torch.serialization, "skip_data", None)
    return nullcontext() if skip is None else skip()


def _bytes_of(found: Any) -> int:
    """Bytes that the storages of all tensors take in a file from before 2020, each with its length."""
    storages: dict[int, int] = {}
    seen: set[int] = set()
    rest = [found]
    while rest:
        item = rest.pop()
        if isinstance(item, torch.Tensor):
            storages[item.untyped_storage()._cdata] = item.untyped_storage().nbytes() + 8
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            rest += item.values() if isinstance(item, dict) else item
    return sum(storages.values())


def _head(file: io.BufferedReader) -> bytes:
    file.seek(0)
    return file.read(MOST_LEGACY)


class _Metered(io.BufferedIOBase):
    """A file of pickles of at most MOST_LEGACY bytes. The bytes of storages are read past it, from its descriptor."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.left = MOST_LEGACY
        file.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        size = self.left + 1 if size is None or size < 0 else size
        self._spend(size)
        return self.file.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self.file.readline(self.left + 1)
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _too_long(MOST_LEGACY)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def fileno(self) -> int:
        return self.file.fileno()


def _too_long(most: int) -> SengaError:
    return SengaError(
        f"lists more than {most} bytes of names and objects; no network has as many: save only its state_dict()"
    )


def _cut_short(size: int) -> SengaError:
    return SengaError(f"is not a torch checkpoint or is cut short ({size} bytes); fetch or copy it again")


def _check_archive(file: io.BufferedReader, size: int) -> bytes:
    """The pickle of an archive whose entries are no larger than its size allows."""
    count, directory = _directory(file, size)
    if count > MOST_ENTRIES or directory > MOST_DIRECTORY:
        raise SengaError(f"has {count} tensors and other entries; expected at most {MOST_ENTRIES}: it is not a network")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if any(entry.filename.endswith("/constants.pkl") for entry in entries):
                raise SengaError("is a TorchScript program, which Senga does not run; ask its author for a state_dict")
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > max(UNPACKED * size, SMALL):
                raise SengaError(
                    f"unpacks to {unpacked} bytes from {size}; no network compresses like that: fetch it elsewhere"
                )
            pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
            if not pickles:
                listed = brief(", ".join(entry.filename for entry in entries[:3])) or "empty"
                raise SengaError(f"is an archive without a network ({listed}); unpack it, or fetch another file")
            if sum(entry.file_size for entry in pickles) > MOST_PICKLE:
                raise _too_long(MOST_PICKLE)
            return b"".join(archive.read(entry) for entry in pickles)
    except SengaError:
        raise
    except Exception as error:  # zipfile's own, a decompressor's own, whatever damaged lengths lead to
        raise _cut_short(size) from error


def _directory(file: io.BufferedReader, size: int) -> tuple[int, int]:
    """(entries, bytes of their list), as the end of the archive says. zipfile would read a list of any length."""
    file.seek(max(0, size - END_BYTES - COMMENT))
    tail = file.read(END_BYTES + COMMENT)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES:
        raise _cut_short(size)
    count, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    where = at - 20
    if where >= 0 and tail[where : where + 4] == WHERE_64:
        (begin,) = struct.unpack("<Q", tail[where + 8 : where + 16])
        if begin < size:
            file.seek(begin)
            record = file.read(56)
            if len(record) == 56 and record.startswith(END_64):
                count, length = struct.unpack("<QQ", record[32:48])
    return count, length
