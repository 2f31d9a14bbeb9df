"""A video in the making: parts of it in a hidden folder beside its result, so that a run that was killed goes on."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ...arch.files.atomic import replacing
from ...arch.files.locking import HeldError, locked
from ...arch.files.reading import read_json
from ..errors import SengaError
from ..log import logger
from .deep import AnyLevels
from .video import pyav
from .video_read import Clip
from .video_write import Encoding, join, packets_in, write_part

FRAMES = 96  # of a part: what a killed run loses at the most
FOLDER = ".senga_parts_"
ABANDONED = 14 * 86400.0  # seconds without a change, after which nobody goes on with a video


class Parts:
    """The frames of one result that are encoded already. Nobody else works on them until `close`."""

    def __init__(self, target: Path, clip: Clip, encoding: Encoding, made_from: Mapping[str, Any]) -> None:
        """`made_from` is all that the frames depend on: JSON. Raises SengaError where another run is at it, OSError."""
        versions = [pyav().__version__, pyav().library_versions["libavcodec"]]
        text = json.dumps([target.name, made_from, vars(encoding), versions], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
        self.target, self.clip, self.encoding = target, clip, encoding
        self.folder = target.parent / f"{FOLDER}{key}"
        self.folder.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, self.folder)
        self._held = ExitStack()
        try:
            self._held.enter_context(locked(self.folder / "lock", patience=0))
        except HeldError as error:
            raise SengaError(f"{target}: another run is making it; wait for its end, or stop it") from error
        self.times: list[int] = []
        self._files = list(self._whole())
        if self.times:
            logger.info("%s: goes on after %d of %d frames", target, len(self.times), clip.count)

    def _whole(self) -> Iterator[Path]:
        """The parts that are there without a gap; what comes after one is removed."""
        found = self.folder / _name(0)
        number = 0
        with suppress(SengaError, OSError):
            while found.is_file():
                times = read_json(found.with_suffix(".json"))
                if packets_in(found) != len(times) or not times:
                    break
                self.times += times
                yield found
                number += 1
                found = self.folder / _name(number)
        for late in self.folder.glob("*.nut"):
            if late.name >= found.name:
                late.unlink()

    def write(self, frames: Iterable[tuple[int, AnyLevels]], path: Path, *, strip: bool) -> None:
        """Encode the frames that are missing, and write the whole video. Raises SengaError, OSError."""
        rest = iter(frames)
        while (first := next(rest, None)) is not None:
            part = self.folder / _name(len(self._files))
            with replacing(part) as temporary:
                times = write_part(temporary, chain((first,), islice(rest, FRAMES - 1)), self.encoding, self.target)
                part.with_suffix(".json").write_text(json.dumps(times), encoding="utf-8")
            self.times += times
            self._files.append(part)
        if not self._files:
            raise SengaError(f"{self.clip.path}: no frame of it can be decoded; fetch or save it again")
        if len(self.times) < self.clip.count:
            logger.warning("%s: %d of its %d frames can be decoded", self.clip.path, len(self.times), self.clip.count)
        join(self._files, self.times, self.clip.last, self.encoding, self.clip.path, path, self.target, strip=strip)

    def close(self, *, done: bool) -> None:
        """Let others work on it; `done` removes the parts."""
        self._held.close()
        if done:
            shutil.rmtree(self.folder, ignore_errors=True)


def _name(number: int) -> str:
    return f"{number:06}.nut"


def _sweep(folder: Path, own: Path) -> None:
    """Remove parts that nobody has gone on with for long."""
    for left in folder.glob(f"{FOLDER}*"):
        with suppress(OSError):
            if left != own and time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left)
