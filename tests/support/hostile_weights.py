"""Weights files as strangers might make them: each tiny to write, and none may be loaded.

HOSTILE is one row a file: (name, what writes it, words of the sentence that refuses it).
"""

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
from senga.arch.tensor_files import MOST_HEADER

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


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 67040989\n"
PAGE = b"<!DOCTYPE html><html><head><title>404</title></head><body>" + b"x" * 500 + b"</body></html>"

HOSTILE: list[tuple[str, Write, str]] = [
    # the index of safetensors
    ("empty.safetensors", lambda path: path.touch(), "0 bytes"),
    ("page.safetensors", lambda path: path.write_bytes(PAGE), "not a safetensors file"),
    ("pointer.safetensors", lambda path: path.write_bytes(POINTER), "not a safetensors file"),
    ("nothing.safetensors", index({}, 0), "holds no numbers"),
    ("endless.safetensors", lambda path: path.write_bytes(struct.pack("<Q", 2**63) + b"{}"), "index is missing"),
    ("long.safetensors", sparse(2 * MOST_HEADER, struct.pack("<Q", MOST_HEADER + 1)), "has an index of 16777217 bytes"),
    ("deep.safetensors", index(b"[" * 500_000), "nested too deeply"),
    ("deeper.safetensors", index(b'{"a":' * 200_000), "nested too deeply"),
    ("digits.safetensors", index(b'{"a":' + b"9" * 5000 + b"}"), "is not JSON"),
    ("sizes.safetensors", one([10**4000]), "expected whole numbers"),
    ("offsets.safetensors", one(offsets=[0, 10**4000]), "expected whole numbers"),
    ("negative.safetensors", one([-1]), "expected whole numbers"),
    ("fraction.safetensors", one([1.5]), "expected whole numbers"),
    ("truth.safetensors", one([True]), "expected whole numbers"),
    ("axes.safetensors", one([1] * 10_000), "expected whole numbers"),
    ("backwards.safetensors", one(offsets=[4, 0]), "cut short or made up"),
    ("outside.safetensors", one([2], [0, 8]), "cut short or made up"),
    ("product.safetensors", one([3]), "cut short or made up"),
    ("overflow.safetensors", one([2**62, 2**62]), "cut short or made up"),
    ("kind.safetensors", one(dtype="F33"), "is 'F33'; expected one of F64"),
    ("kinds.safetensors", one(dtype=["F32"]), "expected one of F64"),
    ("entry.safetensors", index({"a": 3}), "expected one of F64"),
    ("list.safetensors", index([1, 2]), "its index is a list"),
    ("metadata.safetensors", index({"__metadata__": [1]}), "its metadata is [1]"),
    ("number.safetensors", index({"__metadata__": {"senga": 1}}), "its metadata is"),
    ("latin.safetensors", index(b'{"\xff": 1}'), "is not JSON"),
    ("twice.safetensors", index({"a": entry(), "b": entry()}), "not a safetensors file"),
    ("gap.safetensors", one([1], [4, 8], size=8), "not a safetensors file"),
    ("crowd.safetensors", index({f"l{i}.weight": entry() for i in range(40_000)}), "has 40000 tensors"),
    ("names.safetensors", index({"x" * 200_000: entry()}), "has a name of 200000 characters"),
    ("escapes.safetensors", index({ESCAPES: entry()}), r"\x1b[2J"),
    ("layers.safetensors", index({"model.1.sub.999999999.weight": entry()}), "numbers a layer 999999999"),
    ("layer.safetensors", index({f"body.{'9' * 400}.weight": entry()}), "numbers a layer 999"),
    ("huge.safetensors", sparse(64 * GIGABYTE), "has 64 GB"),
    ("sparse.safetensors", sparse_tensor(12 * GIGABYTE), "no known network has its keys (a.weight"),
    # tensors
    ("nan.safetensors", tensors(spoiled(float("nan"))), "conv_hr.bias holds NaN"),
    ("inf.safetensors", tensors(spoiled(float("inf"))), "conv_hr.bias holds Inf"),
    ("half.safetensors", tensors(spoiled(float("-inf"), torch.float16)), "conv_hr.bias holds Inf"),
    ("nan.pth", tensors(spoiled(float("nan"), torch.bfloat16)), "conv_hr.bias holds NaN"),
    ("integers.safetensors", tensors(each(lambda v: v.to(torch.int32))), "is int32; expected float"),
    ("bytes.pth", tensors(each(lambda v: v.to(torch.uint8))), "is uint8; expected float"),
    ("bool.safetensors", tensors(each(lambda v: v > 0)), "is bool; expected float"),
    ("bool.pth", tensors(each(lambda v: v > 0)), "is bool; expected float"),
    ("complex.pth", tensors(each(lambda v: v.to(torch.complex64))), "is complex64; expected float"),
    ("scalars.safetensors", tensors(each(lambda v: v.flatten()[0].clone())), "other shapes"),
    ("scalars.pth", tensors(each(lambda v: v.flatten()[0].clone())), "other shapes"),
    ("zeros.safetensors", tensors(put(torch.zeros(0, 3, 3, 3))), "has the shape (0, 3, 3, 3)"),
    ("zeros.pth", tensors(put(torch.zeros(8, 0, 3, 3))), "has the shape (8, 0, 3, 3)"),
    ("axes.pth", tensors(put(torch.zeros([1] * 60))), "of at most 8 sides"),
    ("expanded.pth", tensors(put(torch.zeros(1).expand(50_000, 50_000))), "repeats a few stored numbers"),
    ("strided.pth", tensors(put(torch.zeros(9).as_strided((9, 9), (1, 0)))), "repeats a few stored numbers"),
    ("views.pth", tensors(views(2000)), "its tensors take 8388608000 bytes"),
    ("sparse.pth", tensors(put(torch.eye(9).to_sparse())), "a tensor that is sparse"),
    ("rows.pth", tensors(lambda state: {**state, "q.weight": torch.eye(9).to_sparse_csr()}), "a tensor that is sparse"),
    (
        "quantised.pth",
        tensors(lambda state: {**state, "q.weight": torch.quantize_per_tensor(torch.ones(9), 0.1, 0, torch.qint8)}),
        "a tensor that is quantised",
    ),
    ("meta.pth", tensors(put(torch.empty(10**6, 10**6, device="meta"))), "without values"),
    ("legacy_meta.pth", legacy({"a.weight": torch.empty(9, device="meta")}), "without values"),
    # Senga's header
    ("blocks.safetensors", header(hyperparameters={"blocks": 10**9}), "expected at most 512"),
    ("many.safetensors", header(hyperparameters={"blocks": 10**4000}), "expected at most 512"),
    ("wide.safetensors", header(hyperparameters={"features": 2**20}), "do not fit the network"),
    ("wider.safetensors", header(hyperparameters={"features": 2**40}), "expected at most"),
    ("scale.safetensors", header(scale=[10**4000]), "the header says scale ["),
    ("named.safetensors", header(architecture="x" * 200_000), "is unknown"),
    ("coloured.safetensors", header(architecture=ESCAPES), "is unknown"),
    ("field.safetensors", header(**{ESCAPES: 1}), "missing or unknown fields"),
    ("licences.safetensors", header(provenance={"licences": [1, 2]}), "licences is not a list of names"),
    ("source.safetensors", header(provenance={"source": {"a": 1}}), "source is not text"),
    ("nested.safetensors", raw_header("[" * 100_000), "nested too deeply"),
    ("long_number.safetensors", raw_header('{"format": ' + "1" * 5000 + "}"), "is not JSON"),
    ("broad.safetensors", tagger_header("hyperparameters.width", 1e308), "expected at most"),
    ("nameless.safetensors", tagger_header("hyperparameters.width", float("nan")), "expected at most"),
    ("size.safetensors", tagger_header("preprocessing.size", 10**9), "size is 1000000000"),
    ("deviation.safetensors", tagger_header("preprocessing.std", [float("nan")] * 3), "std is [nan"),
    ("mean.safetensors", tagger_header("preprocessing.mean", [10**4000] * 3), "mean is ["),
    ("tags.safetensors", tagger_header("vocabulary.names", [1, 2]), "expected equal numbers"),
    ("thresholds.safetensors", tagger_header("vocabulary.thresholds", [10**4000] * 9), "has the threshold"),
    # pickles
    ("system.pth", payload(os.system, COMMAND), "never runs what a pickle carries"),
    ("eval.pth", payload(eval, "open('executed', 'w')"), "never runs what a pickle carries"),
    ("exec.ckpt", payload(exec, "open('executed', 'w')"), "never runs what a pickle carries"),
    ("open.bin", payload(open, "executed", "w"), "never runs what a pickle carries"),
    ("import.pt", payload(__import__, "antigravity"), "never runs what a pickle carries"),
    ("bare.pkl", lambda path: path.write_bytes(pickle.dumps(Call(os.system, COMMAND))), "never runs"),
    ("text.pth", lambda path: path.write_bytes(pickle.dumps(Call(os.system, COMMAND), protocol=0)), "never runs"),
    ("legacy.pth", legacy({"state_dict": Call(os.system, COMMAND)}), "never runs what a pickle carries"),
    ("bomb.pth", bomb, "unpacks to 3"),
    ("crowd.pth", crowd, "has 2000000 tensors"),
    ("objects.pth", archive(b"\x80\x02](" + b"}" * 2**21 + b"e."), "lists more than 1048576 bytes"),
    ("legacy_objects.pth", lambda path: path.write_bytes(b"\x80\x02](" + b"}" * 2**19 + b"e."), "lists more than"),
    ("bytearray.pth", archive(pickle.dumps({"a": Call(bytearray, 2**45)}, protocol=2)), "torch checkpoint"),
    ("script.pt", archive(pickle.dumps({}, protocol=2), **{"constants.pkl": b"\x80\x02}."}), "TorchScript program"),
    ("photos.pth", lambda path: zipfile.ZipFile(path, "w").writestr("a.jpg", b"x"), "without a network (a.jpg)"),
    ("tar.pth", tar, "not a torch checkpoint"),
    ("page.pth", lambda path: path.write_bytes(PAGE), "torch checkpoint"),
    ("pointer.pth", lambda path: path.write_bytes(POINTER), "torch checkpoint"),
    ("empty.pth", lambda path: path.touch(), "0 bytes"),
    ("short.pth", shortened(0.7), "cut short"),
    ("shorter.pth", shortened(0.01), "cut short"),
    ("old_short.pth", shortened(0.7, new=False), "cut short"),
    ("huge.pth", sparse(64 * GIGABYTE), "has 64 GB"),
    ("zeros_inside.pth", sparse(8 * GIGABYTE), "torch checkpoint"),
    ("numbered.pth", tensors(lambda state: dict(enumerate(state.values()))), "has the key 0, a int"),
    ("encoded.pth", tensors(lambda state: {k.encode(): v for k, v in state.items()}), "a bytes"),
    ("pairs.pth", tensors(lambda state: {(1, 2): torch.zeros(3)}), "has the key (1, 2), a tuple"),
    ("text_inside.pth", tensors(lambda state: {"a": "x" * 200_000}), "not the tensors of a network"),
    ("large_number.pth", tensors(lambda state: {"a": 10**600}), "not the tensors of a network"),
    ("itself.pth", lambda path: torch.save(itself(), path), "not the tensors of a network"),
    ("nothing.pth", lambda path: torch.save({}, path), "not the tensors of a network"),
    ("coloured.pth", tensors(lambda state: {ESCAPES: torch.zeros(3, 3)}), r"\x1b[2J"),
    # ONNX
    ("empty.onnx", lambda path: path.touch(), "holds no ONNX graph"),
    ("backwards.onnx", lambda path: path.write_bytes(b"\x3a\xf6" + b"\xff" * 8 + b"\x01"), "not an ONNX model"),
    ("fields.onnx", lambda path: path.write_bytes(field(7, b"\x10\x01" * 250_000)), "not an ONNX model"),
    ("name.onnx", lambda path: path.write_bytes(field(7, field(11, field(1, b"x" * 10**6)))), "not an ONNX model"),
    ("page.onnx", lambda path: path.write_bytes(PAGE), "not an ONNX model"),
    ("huge.onnx", sparse(64 * GIGABYTE), "has 64 GB"),
    ("folder.pth", lambda path: path.mkdir(), "is a folder; expected a file"),
    ("gone.pth", lambda path: None, "there is no such file"),
]
