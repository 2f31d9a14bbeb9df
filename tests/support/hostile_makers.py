"""What writes weights files as strangers might make them: functions for the rows of hostile_weights.HOSTILE."""

import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from sample_taggers import small_tagger
from sample_upscalers import small_model, state_of

Write = Callable[[Path], object]
GIGABYTE = 10**9
ESCAPES = "\x1b[2J\x1b[31m\n\r\t\x00"


def rrdb() -> dict[str, torch.Tensor]:
    return state_of(small_model("rrdb"))


# --- safetensors: the index


def index(table: Any, size: int = 4) -> Write:
    raw = table if isinstance(table, bytes) else json.dumps(table).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(size))


def entry(shape: Any = (1,), offsets: Any = (0, 4), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def one(shape: Any = (1,), offsets: Any = (0, 4), dtype: Any = "F32", size: int = 4) -> Write:
    return index({"a.weight": entry(shape, offsets, dtype)}, size)


def sparse(size: int, begin: bytes = b"") -> Write:
    def write(path: Path) -> None:
        path.write_bytes(begin)
        os.truncate(path, size)

    return write


def sparse_tensor(size: int) -> Write:
    raw = json.dumps({"a.weight": entry([size // 4], [0, size])}).encode()
    begin = struct.pack("<Q", len(raw)) + raw
    return sparse(len(begin) + size, begin)


# --- tensors, in both kinds of file


def tensors(change: Callable[[dict[str, Any]], dict[Any, Any] | None], header: str | None = None) -> Write:
    """A small RRDB whose tensors are changed, in the kind of file that the name says."""

    def write(path: Path) -> None:
        state = rrdb()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch has some about kinds of tensors that it gives up
            state = change(state) or state
        if path.suffix == ".safetensors":
            path.write_bytes(save(state, metadata=None if header is None else {"senga": header}))
        else:
            torch.save(state, path)

    return write


def each(function: Callable[[torch.Tensor], Any]) -> Callable[[dict[str, Any]], dict[Any, Any]]:
    return lambda state: {key: function(value) for key, value in state.items()}


def put(value: Any, key: str = "conv_first.weight") -> Callable[[dict[str, Any]], dict[Any, Any]]:
    return lambda state: {**state, key: value}


def spoiled(value: float, kind: torch.dtype = torch.float32) -> Callable[[dict[str, Any]], dict[Any, Any]]:
    def change(state: dict[str, Any]) -> dict[Any, Any]:
        state = {key: tensor.to(kind) for key, tensor in state.items()}
        state["conv_hr.bias"][3] = value
        return state

    return change


def views(count: int) -> Callable[[dict[str, Any]], dict[Any, Any]]:
    whole = torch.zeros(2**20)
    return lambda state: {f"layer{i}.weight": whole for i in range(count)}


# --- Senga's header


def header(**changes: Any) -> Write:
    def write(path: Path) -> None:
        raw = json.loads(small_model("rrdb").header.to_json())
        hyperparameters = raw["hyperparameters"] | changes.pop("hyperparameters", {})
        text = json.dumps(raw | {"hyperparameters": hyperparameters} | changes)
        tensors(lambda state: None, text)(path)

    return write


def raw_header(text: str) -> Write:
    return tensors(lambda state: None, text)


def tagger_header(field: str, value: Any) -> Write:
    """A small tagger with another value in its header, at "a.b"."""

    def write(path: Path) -> None:
        model = small_tagger()
        raw = json.loads(model.header.to_json())
        table, _, last = field.rpartition(".")
        (raw[table] if table else raw)[last] = value
        path.write_bytes(save(state_of(model), metadata={"senga": json.dumps(raw)}))

    return write


# --- pickles


class Call:
    """Unpickled by a careless program, it calls the function with a name of a file that must not appear."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = (function, arguments)

    def __reduce__(self) -> Any:
        return self.made


COMMAND = "touch executed"


def archive(pickled: bytes, **others: bytes) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("archive/data.pkl", pickled)
            made.writestr("archive/version", "3\n")
            for name, content in others.items():
                made.writestr(f"archive/{name}", content)

    return write


def payload(function: Any, *arguments: Any) -> Write:
    return archive(pickle.dumps({"params": Call(function, *arguments)}, protocol=2))


def legacy(value: Any) -> Write:
    return lambda path: torch.save(value, path, _use_new_zipfile_serialization=False)


def bomb(path: Path) -> None:
    """3 GB by its directory, 60 kB on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        made.writestr("archive/data/0", bytes(2**24))
        made.filelist[-1].file_size = 3 * 2**30


def crowd(path: Path) -> None:
    """A directory that says it has two million entries."""
    archive(pickle.dumps({}, protocol=2))(path)
    content = path.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    where = len(content[:end])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2_000_000, 2_000_000, 10**8, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, where, 1)
    path.write_bytes(content[:end] + record + locator + content[end:])


def shortened(share: float, new: bool = True) -> Write:
    def write(path: Path) -> None:
        torch.save(rrdb(), path, _use_new_zipfile_serialization=new)
        os.truncate(path, int(path.stat().st_size * share))

    return write


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as made:
        entry = tarfile.TarInfo("../../executed")
        entry.size = 4
        made.addfile(entry, io.BytesIO(b"evil"))


def itself() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["state_dict"] = made
    return made


# --- ONNX


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = b""
    while value >= 0x80:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
