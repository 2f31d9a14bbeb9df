"""The folder of one run: what it was asked to do and where, its curve, and its checkpoints."""

import csv
import errno
import io
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ...arch import SengaError
from ...arch.files.atomic import TEMPORARY, replacing
from ...arch.files.locking import HeldError, locked
from ...arch.files.reading import open_text
from .identity import differences

logger = logging.getLogger("senga")

LOCK = ".senga_lock"
HANDOVER = 60.0  # seconds that a restarted run waits for the lock of the process that it takes over from
BEST = "best.pt"  # the averaged weights of the best validation, beside the checkpoints
PACKAGES = ("torch", "numpy", "pillow", "safetensors", "einops", "lightning-fabric")


def commit() -> str:
    """The repository's commit, with "-dirty" where files differ from it; "" outside a checkout of ours."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # else it is somebody else's repository around us
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""  # provenance must not stop a training


def versions() -> dict[str, str]:
    """Of the packages that a training runs on; "" for one that is not there."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    return found


def environment(device: torch.device, precision: str, processes: int) -> dict[str, Any]:
    """What a run ran on: versions, device, precision, threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "device": f"{device.type} ({name})",
        "precision": precision,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "commit": commit(),
    }


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space, over the quota, over the size that a file may have


class _Counter(io.BytesIO):
    """Counts what is written to it, and keeps nothing."""

    bytes = 0

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        self.bytes += size
        return size


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a run's folder for the block, which is made if it is not there; under torchrun the first process does.

    Raises SengaError where another process trains that run. A process that was killed holds nothing.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0  # on other machines, too
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path / LOCK, patience=HANDOVER if restarts else 0))
        except HeldError as error:
            raise SengaError(
                f"{path}: another process trains this run; wait for its end or stop it, or give this run another name"
            ) from error
        yield


class RunFolder:
    """FOLDER/NAME: settings.json, environment.json, curve.csv, checkpoint-STEP.pt.

    Args:
        path: made if it is not there.
        columns: of curve.csv, the first of them `step`.
        keep: how many checkpoints stay, the newest ones.
        defaults: of the run's settings; see `differences`.
    """

    def __init__(
        self, path: Path, columns: tuple[str, ...], keep: int, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.path, self.columns, self.keep, self.defaults = path, columns, keep, defaults or {}
        path.mkdir(parents=True, exist_ok=True)
        self.curve = path / "curve.csv"

    def write_json(self, name: str, data: Any) -> None:
        with replacing(self.path / name) as temporary:
            temporary.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def read_json(self, name: str) -> dict[str, Any]:
        """What `write_json` wrote; {} where there is no such file or no object in it."""
        try:
            data = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def add_to_curve(self, step: int, **values: float) -> None:
        """A line of the curve; what is not given stays empty."""
        new = not self.curve.is_file()
        with self.curve.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(self.columns)
            cells = [f"{values[name]:.6g}" if name in values else "" for name in self.columns[1:]]
            writer.writerow([step, *cells])

    def cut_curve(self, step: int) -> None:
        """Remove what comes after a step that the run rolled back to, so that the curve has each step once.

        Columns that the curve does not have yet are added, empty so far; others are kept.
        """
        if not self.curve.is_file():
            return
        with open_text(self.curve) as file:
            table = csv.DictReader(file)
            rows = [row for row in table if int(row["step"]) <= step]
            self.columns = tuple(dict.fromkeys((*(table.fieldnames or ()), *self.columns)))
        with replacing(self.curve) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="", lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoints(self) -> dict[int, Path]:
        """Step -> file, rising."""
        found = {}
        for path in self.path.glob("checkpoint-*.pt"):
            if match := re.fullmatch(r"checkpoint-(\d+)\.pt", path.name):
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all, then remove those beyond `keep`. `state` holds `step`.

        Raises SengaError where it cannot be written, on a full disk with the bytes that are needed.
        """
        self._write(self.path / f"checkpoint-{state['step']:07d}.pt", state)
        for old in list(self.checkpoints().values())[: -self.keep]:
            old.unlink()

    def save_best(self, state: dict[str, Any]) -> None:
        """Write BEST in place of what it was; `state` holds `step`, `identity`, `average` and `score`. As `save`."""
        self._write(self.path / BEST, state)

    def _write(self, path: Path, state: dict[str, Any]) -> None:
        for left in self.path.glob(TEMPORARY):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())  # a power cut must not leave a name without its bytes
        except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of a failed write
            raise self._not_saved(path, state, error) from error

    def _not_saved(self, path: Path, state: dict[str, Any], error: Exception) -> SengaError:
        system: BaseException | None = error
        while system is not None and not isinstance(system, OSError):
            system = system.__context__
        counter = _Counter()
        torch.save(state, counter)
        free = shutil.disk_usage(self.path).free
        if counter.bytes <= free and (system is None or system.errno not in FULL):
            reason = (system and system.strerror) or " ".join(str(error).split())
            return SengaError(f"{path}: the checkpoint cannot be written ({reason}); see to the folder, start again")
        kept = max(self.checkpoints(), default=None)
        on = "from the beginning" if kept is None else f"from step {kept}"
        return SengaError(
            f"{path}: the disk is full: the checkpoint needs {counter.bytes:,} bytes and {free:,} are free; free space"
            f" (a lower run.keep takes less), then start the run again: it goes on {on}"
        )

    def newest(self) -> int:
        """The step of the newest checkpoint that can be read; -1 for none."""
        return max((step for step, path in self.checkpoints().items() if zipfile.is_zipfile(path)), default=-1)

    def load(self, identity: str, step: int | None = None) -> dict[str, Any] | None:
        """The newest state that can be read, or that of `step`; None if there is no checkpoint.

        Raises:
            SengaError: the run was made with other settings or data, or there is no checkpoint of that step.
        """
        found = self.checkpoints()
        if step is not None and step not in found:
            raise SengaError(
                f"{self.path}: has no checkpoint of step {step}; it has {', '.join(map(str, found)) or 'none'}"
            )
        for path in [found[step]] if step is not None else reversed(found.values()):
            if not zipfile.is_zipfile(path):  # torch's checkpoints are; one that is cut short is not
                logger.warning("%s: is damaged (%d bytes); trying the one before", path, path.stat().st_size)
                continue
            return self._read(path, identity)
        if found:
            raise SengaError(f"{self.path}: no checkpoint can be read; remove them to begin anew")
        return None

    def load_best(self, identity: str) -> dict[str, Any] | None:
        """What `save_best` wrote; None if it did not yet, or if it cannot be read.

        Raises:
            SengaError: the run was made with other settings or data.
        """
        path = self.path / BEST
        return self._read(path, identity) if zipfile.is_zipfile(path) else None

    def _read(self, path: Path, identity: str) -> dict[str, Any]:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if found := differences(state["identity"], identity, self.defaults):
            raise SengaError(f"{path}: belongs to another run ({found}); set them back, or give this run another name")
        return state


def check_scratch() -> None:
    """Raises SengaError where no folder for temporary files can be written, which a score at the end would need."""
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise SengaError(
            f"no folder for temporary files can be written ({error}); set TMPDIR to one that can"
        ) from error
