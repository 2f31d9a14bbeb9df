"""The errors Senga raises on purpose: each message is a sentence that names the input and the way out.

Names and values that come from files go into it through `brief` and `quoted`.
"""

import logging
import reprlib
from pathlib import Path

# What a terminal or a log would obey instead of showing it: control characters but tabs and line feeds, line ends of
# other alphabets, and marks that reverse the direction of writing.
OBEYED = (
    *(*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029),
    *(0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
)


# Names that every repository of a hub gives its weights.
GENERIC = ("model", "pytorch_model", "open_clip_model")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


_ESCAPES = {code: _escaped(chr(code)) for code in OBEYED}


def printable(text: str) -> str:
    r"""A text whose names may come from files or servers, with `\x1b` and its like in place of control characters."""
    return text.translate(_ESCAPES)


class _Printable(logging.Filter):
    """The same for all that is logged, wherever it is shown: on a terminal, in ComfyUI, in a file."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        return True


logging.getLogger("senga").addFilter(_Printable())


class SengaError(ValueError):
    """Bad input: what was found, what was expected, and the way out. Its text is safe for a terminal."""

    def __init__(self, *texts: object) -> None:
        super().__init__(*(printable(text) if isinstance(text, str) else text for text in texts))


class Stopped(Exception):
    """The caller's `should_stop` returned True; nothing is wrong."""


class NotOurs(SengaError):
    """The tensors fit no network of ours; a borrowed library may know theirs."""


def install(extra: str) -> str:
    """The command that installs an extra of Senga's in its folder, as every message, help text and page has it."""
    return f'pip install -c constraints.txt ".[{extra}]"'


def amount(count: int, noun: str) -> str:
    """`1 picture`, `1200 pictures`: a number with a noun whose plural ends in s, for a message."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def file_label(path: Path) -> str:
    """A file's name for a message; a name that many files have gets its folder: `wd-vit-tagger-v3/model.onnx`.

    In Hugging Face's cache (models--OWNER--NAME/snapshots/HASH/model.onnx) the folder's name is the repository's.
    """
    if path.stem not in GENERIC:
        return path.name
    folder = path.parent
    if folder.parent.name == "snapshots":
        return f"{folder.parent.parent.name.rpartition('--')[2]}/{path.name}"
    return f"{folder.name}/{path.name}" if folder.name else path.name


def brief(text: object, most: int = 80) -> str:
    """A name from elsewhere for a message: on one line, without control characters, at most `most` characters."""
    shown = "".join(c if c.isprintable() else _escaped(c) for c in str(text)[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def quoted(value: object, most: int = 80) -> str:
    """A value from elsewhere for a message, as Python writes it: 'text', [1, 2]. A large one takes no time."""
    if isinstance(value, str | bytes):
        return brief(repr(value[:most]), most)
    return brief(repr(value) if isinstance(value, int | float) else reprlib.repr(value), most)
