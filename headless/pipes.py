"""`-` for standard input and output: the bytes go through files of a temporary folder."""

import argparse
import copy
import io
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path

from .errors import SengaError, UsageError
from .log import logger
from .stdout import writing

PIPE = "-"
STDIN, STDOUT = "standard input", "standard output"


@contextmanager
def piped(args: argparse.Namespace, ending: str, *, text: bool = False) -> Iterator[argparse.Namespace]:
    """The arguments with files in place of `-` in `pictures` and `output`; the result goes out when the block ends.

    `ending` is that of the result, a `text` or not fit for a terminal. While a result is piped, no names of
    results are printed. Raises UsageError for `-` beside other pictures, or a terminal that would show bytes.
    """
    reads, writes = PIPE in args.pictures, str(args.output) == PIPE
    if not reads and not writes:
        yield args
        return
    if args.cluster is not None:
        raise UsageError("--cluster: standard input and output are one picture; name files and folders")
    if reads and len(args.pictures) > 1:
        raise UsageError("-: standard input is one picture; give it alone")
    if writes and not text and sys.stdout.isatty():
        raise UsageError("-o -: standard output is a terminal, which cannot show a picture; redirect it to a file")
    with tempfile.TemporaryDirectory(prefix="senga_") as folder:
        source, target = Path(folder, "stdin"), Path(folder, f"stdout{ending}")
        changed = copy.copy(args)
        if reads:
            with source.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            changed.pictures = [str(source)]
        if writes:
            changed.output = type(args.output)(target)
        hidden = redirect_stdout(io.StringIO()) if writes else nullcontext()
        with _named({str(target): STDOUT, str(source): STDIN}), hidden:
            yield changed
        if writes and target.is_file():
            _send(target)


@contextmanager
def _named(names: dict[str, str]) -> Iterator[None]:
    """Say `standard input` for a temporary file's name, in messages and errors."""

    def said(message: str) -> str:
        for path, name in names.items():
            message = message.replace(path, name)
        return message

    def rename(record: logging.LogRecord) -> bool:
        record.msg, record.args = said(record.getMessage()), ()
        return True

    logger.addFilter(rename)
    try:
        yield
    except SengaError as error:
        raise type(error)(said(str(error))) from error
    finally:
        logger.removeFilter(rename)


def _send(result: Path) -> None:
    with writing(), result.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
