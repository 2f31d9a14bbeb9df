"""Which processes share a run's folder, and what comes to those that do not."""

import logging
import uuid
from pathlib import Path

from ...arch import SengaError
from ...arch.files.atomic import replacing
from .processes import Processes
from .run_folder import BEST

logger = logging.getLogger("senga")

MOVED = ("curve.csv", "settings.json", "environment.json", BEST)  # what a run that goes on elsewhere needs


def owners(processes: Processes, folder: Path) -> list[int]:
    """For each process the lowest one that sees the same folder: 0 for all where the storage is shared.

    Found out by files that each makes there under a name never looked up before, since network drives remember what was
    not there.

    Raises:
        SengaError: the folder cannot be written.
    """
    if processes.world == 1:
        return [0]
    run = processes.broadcast(uuid.uuid4().hex)
    marks = [folder / f".senga_{run}_{rank}.tmp" for rank in range(processes.world)]

    def mark() -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            marks[processes.rank].touch()
        except OSError as error:
            raise SengaError(
                f"run.folder: {folder} cannot be written ({error.strerror}); every machine needs a run folder, its own"
                " or a shared one"
            ) from error

    processes.agreed(mark)
    found = processes.gather(next(rank for rank, path in enumerate(marks) if path.exists()))
    marks[processes.rank].unlink(missing_ok=True)
    return found


def bring(processes: Processes, folder: Path, holder: int) -> None:
    """What the run folder of `holder` has besides checkpoints, into that of the first process."""
    held = [folder / name for name in MOVED if (folder / name).is_file()] if processes.rank == holder else []
    files, where = processes.broadcast(({path.name: path.read_bytes() for path in held}, processes.name), holder)
    if processes.rank == 0:
        logger.warning(
            "%s: the newest checkpoint is with %s; the run goes on here with its curve and settings", folder, where
        )
        for name, content in files.items():
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)
