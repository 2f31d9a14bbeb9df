"""The files that hold tensors, read and written: safetensors and torch's checkpoints. The only safetensors import.

A file is read in two steps. Its index (names, kinds and sizes of the tensors) is checked against the size of the file
and against limits; then, for a network that is known, the tensors are read.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ..errors import SengaError, brief, quoted
from .atomic import replacing
from .checkpoints import SMALL, UNPACKED, read_checkpoint
from .reading import parse_json, why_unreadable
from .state_keys import check_names, unwrapped, without_prefixes

METADATA_KEY = "senga"
SAFETENSORS = (".safetensors", ".sft")
ONNX = (".onnx",)  # taggers
PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pk", ".pkl")
ENDINGS = SAFETENSORS + PICKLES + ONNX

MOST_HEADER = 16 * 2**20  # bytes: a tagger's with 70,000 tags has 5 MB
MOST_TENSORS = 2**15
MOST_BYTES = 16 * 2**30  # of a file; the largest upscalers and taggers that are known have 2.5 GB
MOST_AXES = 8
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
# The last parts of names of what networks compute with; other tensors may be counters, tables of indices, marks.
NUMBERS = ("weight", "bias", "running_mean", "running_var")

State = dict[str, Tensor]


@dataclass(frozen=True)
class Index:
    """What a file holds, before its tensors are read."""

    text: str | None  # Senga's header, if there is one
    state: State  # on the device meta; under the file's own names without the prefixes of wrappers

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(value.shape) for name, value in self.state.items()}


def existing(path: str | Path) -> Path:
    """The path of a file with an ending of ours. Raises SengaError where it cannot be opened; opens nothing."""
    path = Path(path)
    if reason := why_unreadable(path):
        raise SengaError(f"{brief(path, 300)}: {reason}")
    if path.suffix.lower() not in ENDINGS:
        raise SengaError(
            f"{brief(path.name)}: ends in {quoted(path.suffix)}; weights files end in {', '.join(ENDINGS)}"
        )
    if (size := path.stat().st_size) > MOST_BYTES:
        raise SengaError(
            f"{brief(path.name)}: has {size / 1e9:.0f} GB; no upscaler or tagger is larger than {MOST_BYTES / 1e9:.0f}"
        )
    return path


def read_index(path: Path) -> Index:
    """The index of a file, checked. No tensor is read.

    Raises:
        SengaError: the file is damaged or of another kind, or holds what no network is made of.
    """
    try:
        if path.suffix.lower() in SAFETENSORS:
            text, found = _safetensors_index(path)
            state = found if text is not None else _unprefixed(found)
        else:
            text, state = None, _tensors_of(read_checkpoint(path, index=True), path.stat().st_size)
    except (OSError, RuntimeError) as error:  # torch opens the file once more, which may be one file too many
        raise _unreadable(error) from error
    check_names(state)
    _check_kinds(state)
    return Index(text, state)


def read_tensors(path: Path, index: Index) -> State:
    """The tensors of a file whose index was read, on the CPU, in the file's own precision.

    Raises:
        SengaError: the file is cut short, or was replaced since.
    """
    try:
        if path.suffix.lower() in SAFETENSORS:
            # Copies: load_file maps the file, which a download or a training may write over while the model is in use.
            found = {name: value.clone() for name, value in load_file(path).items()}
            state = found if index.text is not None else _unprefixed(found)
        else:
            state = _tensors_of(read_checkpoint(path, index=False), path.stat().st_size)
    except SafetensorError as error:
        raise _not_safetensors(path, error) from error
    except (OSError, RuntimeError) as error:  # torch opens the file once more, which may be one file too many
        raise _unreadable(error) from error
    if {name: value.shape for name, value in state.items()} != {n: v.shape for n, v in index.state.items()}:
        raise SengaError("has changed while it was read; load it again")
    return state


def _unreadable(error: OSError | RuntimeError) -> SengaError:
    return SengaError(f"cannot be read ({brief(getattr(error, 'strerror', None) or error, 200)})")


def in_float32(state: State) -> State:
    """The same with all numbers in float32; counters (of batch normalisation) stay integers.

    Raises:
        SengaError: a tensor holds NaN, or Inf where that is not a mask.
    """
    return {name: _finite(name, value.float()) if value.is_floating_point() else value for name, value in state.items()}


def check_values(state: State) -> None:
    """Raises SengaError as `in_float32` does, without a second copy of them all."""
    for name, value in state.items():
        if value.is_floating_point():
            _finite(name, value.float())


def _finite(name: str, value: Tensor) -> Tensor:
    masks = "mask" in name.rpartition(".")[2]  # in attention, -Inf means "not here"
    if not (value.isnan().logical_not() if masks else value.isfinite()).all():
        what = "NaN" if value.isnan().any() else "Inf"
        raise SengaError(
            f"its tensor {brief(name)} holds {what}, so every picture would come out black or white; the network was"
            " trained or converted badly: take another file"
        )
    return value


def write_safetensors(path: Path, state: State, header: str | None) -> None:
    """Write tensors, and Senga's header if there is one. The file appears whole or not at all. Raises OSError."""
    with replacing(path) as temporary:
        # Not save_file: it makes files that only their owner may read.
        temporary.write_bytes(save(state, metadata=None if header is None else {METADATA_KEY: header}))


def _tensors_of(found: Any, size: int) -> State:
    """The tensors in a checkpoint's tables, under their names in the network."""
    found = unwrapped(found)
    if isinstance(found, dict):  # Real-CUGAN's pro files hold a mark besides the tensors
        found = {key: _as_tensor(value) for key, value in found.items()}
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise SengaError(f"holds a {type(found).__name__}, not the tensors of a network; save its state_dict()")
    check_names(found)
    found = _unprefixed(found)
    for name, value in found.items():
        if value.layout != torch.strided or value.is_quantized:
            kind = "quantised" if value.is_quantized else "sparse"
            raise SengaError(f"its tensor {brief(name)} is {kind}; expected float numbers: convert the file")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise SengaError(
                f"its tensor {brief(name)} of shape {quoted(tuple(value.shape))} repeats a few stored numbers; save the"
                " file again with contiguous tensors"
            )
    total = sum(value.numel() * value.element_size() for value in found.values())
    if total > max(UNPACKED * size, SMALL):
        raise SengaError(
            f"its tensors take {total} bytes, the file has {size}; save it again with tensors of their own"
        )
    return found


def _unprefixed(state: State) -> State:
    return {new: state[old] for old, new in without_prefixes(state).items()}


def _as_tensor(value: Any) -> Any:
    if type(value) in (bool, int) and -(2**63) <= value < 2**63:
        return torch.tensor(value)
    return value


def _check_count(tensors: int) -> None:
    if tensors > MOST_TENSORS:
        raise SengaError(f"has {tensors} tensors; expected at most {MOST_TENSORS}: it is not a network of ours")


def _check_kinds(state: State) -> None:
    """Refuse tensors that no network computes with, before any of them is read."""
    if not any(value.numel() for value in state.values()):
        raise SengaError("holds no numbers; expected the tensors of a network")
    _check_count(len(state))
    for name, value in state.items():
        kind = str(value.dtype).removeprefix("torch.")
        # Small attention networks have matrices with a side of 0; kernels of convolutions never do.
        if value.ndim > MOST_AXES or (value.ndim > 2 and 0 in value.shape):
            raise SengaError(
                f"its tensor {brief(name)} has the shape {quoted(tuple(value.shape))}; expected one without zeros, of"
                f" at most {MOST_AXES} sides"
            )
        if value.is_complex() or (name.rpartition(".")[2] in NUMBERS and not value.is_floating_point()):
            raise SengaError(f"its tensor {brief(name)} is {kind}; expected float numbers: convert the file")


def _safetensors_index(path: Path) -> tuple[str | None, State]:
    """Senga's header, if any, and every tensor on the device meta. Reads the index of the file only."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise _not_safetensors(path, "its index is missing")
        if length > MOST_HEADER:
            raise SengaError(f"has an index of {length} bytes; expected at most {MOST_HEADER}: it is not a network")
        raw = file.read(length)
    text, state = parse_safetensors_header(raw, size - 8 - length)
    try:
        with safe_open(path, framework="pt"):  # the library's own checks, such as of gaps between tensors
            pass
    except SafetensorError as error:
        raise _not_safetensors(path, error) from error
    return text, state


def parse_safetensors_header(raw: bytes, room: int) -> tuple[str | None, State]:
    """Senga's header, if any, and every tensor on the device meta, from the JSON at the beginning of a file.

    Args:
        raw: the JSON, without the eight bytes of its length.
        room: bytes of tensors that follow.

    Raises:
        SengaError: it is not such an index, or its tensors are not in the file.
    """
    try:
        found = parse_json(raw)
    except SengaError as error:
        raise SengaError(f"is not a safetensors file: its index {error}; fetch or copy it again") from error
    if not isinstance(found, dict):
        raise SengaError(f"is not a safetensors file: its index is a {type(found).__name__}; expected a table")
    metadata = found.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not isinstance(metadata.get(METADATA_KEY, ""), str):
        raise SengaError(f"is not a safetensors file: its metadata is {quoted(metadata)}; expected a table of texts")
    _check_count(len(found))
    return metadata.get(METADATA_KEY), {name: _entry(name, entry, room) for name, entry in found.items()}


def _entry(name: str, entry: Any, room: int) -> Tensor:
    entry = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    dtype = DTYPES.get(kind) if isinstance(kind, str) else None
    if dtype is None:
        raise SengaError(f"its tensor {brief(name)} is {quoted(kind)}; expected one of {', '.join(DTYPES)}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise SengaError(
            f"its tensor {brief(name)} has the shape {quoted(shape)} at {quoted(offsets)}; expected whole numbers"
        )
    begin, end = offsets
    fits = begin <= end <= room and math.prod(shape) * dtype.itemsize == end - begin
    if not fits or math.prod(max(side, 1) for side in shape) >= 2**60:  # torch multiplies the others, too
        raise SengaError(
            f"its tensor {brief(name)} of shape {quoted(shape)} is at the bytes {quoted(offsets)} of {room}; the file"
            " is cut short or made up: fetch or copy it again"
        )
    return torch.empty(shape, dtype=dtype, device="meta")


def _are_sizes(value: Any) -> bool:
    """Lists of whole numbers that fit 63 bits; few, since their product is taken."""
    return isinstance(value, list) and len(value) <= 64 and all(type(v) is int and 0 <= v < 2**63 for v in value)


def _not_safetensors(path: Path, error: object) -> SengaError:
    size = path.stat().st_size
    return SengaError(
        f"is not a safetensors file or is cut short ({size} bytes; {brief(error, 200)}); fetch or copy it again"
    )
