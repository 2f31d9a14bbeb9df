"""The folder of one run: what it was asked to do and where, its curve, and its checkpoints."""

import csv
import json
import logging
import os
import platform
import re
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ...arch import SengaError
from ...arch.atomic import TEMPORARY, replacing

log = logging.getLogger("senga")

PACKAGES = ("torch", "numpy", "pillow", "safetensors", "einops", "lightning-fabric")
SAID = 80  # characters of two values that a message repeats


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


def environment(device: torch.device, precision: str, processes: int) -> dict[str, Any]:
    """What a run ran on: versions, device, precision, threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = ""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "device": f"{device.type} ({name})",
        "precision": precision,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "commit": commit(),
    }


# What a run may change when it goes on: its length, and what does not reach the weights. Whoever asks for an identity
# adds a hash of the pictures, which says what is in the folder.
FREE = ("name", "optim.steps", "optim.decay", "data.folder", "data.memory_gib", "data.cache_gib", "data.workers")
FREE_SECTION = "run."


def run_identity(settings: Mapping[str, Any], **others: Any) -> str:
    """What makes a run this run, as JSON of one level (`optim.ema`), so that two can be compared name by name."""

    def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if isinstance(value, Mapping) and value:
                yield from flat(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value

    kept = {name: value for name, value in flat(settings) if name not in FREE and not name.startswith(FREE_SECTION)}
    return json.dumps(kept | others, sort_keys=True)


def differences(kept: str, wanted: str) -> str:
    """What sets two identities apart, in words; long values (recipes, hashes) by their name alone."""
    then, now = json.loads(kept), json.loads(wanted)
    names = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    pairs = {name: (json.dumps(then.get(name)), json.dumps(now.get(name))) for name in names}
    return ", ".join(name + (f" was {a}, is {b}" if len(a + b) < SAID else "") for name, (a, b) in pairs.items())


class RunFolder:
    """FOLDER/NAME: settings.json, environment.json, curve.csv, checkpoint-STEP.pt.

    Args:
        path: made if it is not there.
        columns: of curve.csv, the first of them `step`.
        keep: how many checkpoints stay, the newest ones.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], keep: int) -> None:
        self.path, self.columns, self.keep = path, columns, keep
        path.mkdir(parents=True, exist_ok=True)
        self.curve = path / "curve.csv"

    def write_json(self, name: str, data: Any) -> None:
        (self.path / name).write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")

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
        """Forget what lies beyond a step that the run went back to, so that the curve has each step once."""
        if not self.curve.is_file():
            return
        with self.curve.open(newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file))
        if tuple(head) != self.columns:
            raise SengaError(f"{self.curve}: its columns are not {', '.join(self.columns)}; give this run another name")
        with self.curve.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *(row for row in rows if int(row[0]) <= step)])

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoints(self) -> dict[int, Path]:
        """Step -> file, rising."""
        found = {}
        for path in self.path.glob("checkpoint-*.pt"):
            if match := re.fullmatch(r"checkpoint-(\d+)\.pt", path.name):
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all, then let go of those beyond `keep`. `state` holds `step`."""
        path = self.path / f"checkpoint-{state['step']:07d}.pt"
        for left in self.path.glob(TEMPORARY):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave a name without its bytes
        for old in list(self.checkpoints().values())[: -self.keep]:
            old.unlink()

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
                log.warning("%s: is damaged (%d bytes); trying the one before", path, path.stat().st_size)
                continue
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["identity"] != identity:
                found = differences(state["identity"], identity)
                raise SengaError(
                    f"{path}: belongs to another run ({found}); set them back, or give this run another name"
                )
            return state
        if found:
            raise SengaError(f"{self.path}: no checkpoint can be read; remove them to begin anew")
        return None
