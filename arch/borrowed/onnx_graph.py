"""What an ONNX file takes and gives, read from the file itself in a moment: no library, and weights are skipped.

The format is protocol buffers (onnx.proto of the ONNX project): a message is a row of fields, each a key (number and
wire type), then a varint, 8 or 4 bytes, or a length and so many bytes, which may be a message again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import SengaError

FLOAT, FLOAT16 = 1, 10  # TensorProto.DataType
MOST_FIELDS = 200_000  # of all messages; a graph of 10,000 nodes takes about 80,000
MOST_TEXT = 2**16  # bytes of a name
PASS_ON = ("Identity", "Cast", "Squeeze", "Reshape", "Flatten")  # operators that leave probabilities probabilities

Shape = tuple[int | str, ...]  # a name where an axis may have any length


@dataclass(frozen=True)
class Value:
    """An input or output of a graph."""

    name: str
    kind: int  # of its numbers: FLOAT, FLOAT16, others
    shape: Shape


@dataclass(frozen=True)
class Graph:
    inputs: tuple[Value, ...]  # without weights
    outputs: tuple[Value, ...]
    made_by: dict[str, tuple[str, str]]  # value -> (the operator that makes it, that operator's first input)

    def ends_with_sigmoid(self, output: str) -> bool:
        """Whether an output holds probabilities, not logits."""
        for _ in range(len(self.made_by)):
            operator, source = self.made_by.get(output, ("", ""))
            if operator not in PASS_ON:
                return operator == "Sigmoid"
            output = source
        return False


def read_graph(path: Path) -> Graph:
    """Raises SengaError where the file is not an ONNX model or is cut short, OSError where it cannot be read."""
    size = path.stat().st_size
    try:
        with path.open("rb") as opened:
            file = _Fields(opened)
            for number, end in _fields(file, size):
                if number == 7:  # ModelProto.graph
                    return _graph(file, end)
    except (EOFError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise SengaError(f"is not an ONNX model or is cut short ({size} bytes); fetch or copy it again") from error
    raise SengaError(f"holds no ONNX graph ({size} bytes); fetch or copy it again")


def _graph(file: "_Fields", end: int) -> Graph:
    inputs: list[Value] = []
    outputs: list[Value] = []
    weights: set[str] = set()
    made_by: dict[str, tuple[str, str]] = {}
    for number, stop in _fields(file, end):
        if number == 1:  # GraphProto.node
            texts = _texts(file, stop, (1, 2, 4))  # input, output, op_type
            first = texts[1][0] if texts[1] else ""
            made_by |= dict.fromkeys(texts[2], (texts[4][0] if texts[4] else "", first))
        elif number == 5:  # initializer
            weights |= {*_texts(file, stop, (8,))[8]}
        elif number == 11:
            inputs.append(_value(file, stop))
        elif number == 12:
            outputs.append(_value(file, stop))
    return Graph(tuple(value for value in inputs if value.name not in weights), tuple(outputs), made_by)


def _value(file: "_Fields", end: int) -> Value:
    name, kind, shape = "", 0, ()
    for number, stop in _fields(file, end):
        if number == 1:
            name = _text(file, stop)
        elif number == 2:  # TypeProto
            for inner, inner_stop in _fields(file, stop):
                if inner == 1:  # tensor_type
                    kind, shape = _tensor_type(file, inner_stop)
    return Value(name, kind, shape)


def _tensor_type(file: "_Fields", end: int) -> tuple[int, Shape]:
    kind, shape = 0, ()
    for number, stop in _fields(file, end):
        if number == 1:
            kind = stop  # a varint: the number itself
        elif number == 2:
            shape = tuple(_side(file, inner) for found, inner in _fields(file, stop) if found == 1)
    return kind, shape


def _side(file: "_Fields", end: int) -> int | str:
    side: int | str = ""
    for number, stop in _fields(file, end):
        side = stop if number == 1 else _text(file, stop) if number == 2 else side
    return side


def _texts(file: "_Fields", end: int, numbers: tuple[int, ...]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {number: [] for number in numbers}
    for number, stop in _fields(file, end):
        if number in found:
            found[number].append(_text(file, stop))
    return found


def _text(file: "_Fields", end: int) -> str:
    length = end - file.tell()
    if length > MOST_TEXT:
        raise ValueError(f"a name of {length} bytes")
    return file.exactly(length).decode("utf-8")


def _fields(file: "_Fields", end: int) -> Iterator[tuple[int, int]]:
    """(field number, where its bytes end) for each field; of a varint, (number, value). What is not read is skipped."""
    while file.tell() < end:
        file.count()
        key = _varint(file)
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, _varint(file)
            continue
        length = {1: 8, 5: 4}.get(wire)
        if length is None:
            if wire != 2:
                raise ValueError(f"wire type {wire}")
            length = _varint(file)
        stop = file.tell() + length
        if length < 0 or stop > end:
            raise EOFError
        yield number, stop
        file.seek(stop)


def _varint(file: "_Fields") -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.exactly(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value - (1 << 64) if value >= 1 << 63 else value  # -1 is written as 64 bits
    raise ValueError("a number of more than 64 bits")


class _Fields:
    """A file and how many of its fields were read: a made-up one could have millions."""

    def __init__(self, file: BinaryIO) -> None:
        self.tell, self.seek = file.tell, file.seek
        self._read = file.read
        self._left = MOST_FIELDS

    def count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {MOST_FIELDS} fields")

    def exactly(self, count: int) -> bytes:
        found = self._read(count)
        if len(found) != count:
            raise EOFError
        return found
