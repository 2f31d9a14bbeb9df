"""What each machine of `--cluster` does: the plain command's own functions on units of pictures."""

import argparse
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..cluster.places import is_url
from ..cluster.staging import Staged, staged, with_times
from ..cluster.units import Item, Outcome
from ..errors import SengaError, one_line
from ..files.journal import Journal
from ..files.plan import Job, checked
from ..files.results import signature
from ..log import logger
from ..progress import ProgressLine
from .batch import FAILURES, Left, Work, left_of, named, not_ours, run_jobs

Shown = dict[Path, str]  # other names of pictures, for what is written about them
FOLDERS = 64  # whose journals a worker holds
FILES = ("format", "report", "shards")  # options that say which files a picture becomes


@dataclass(frozen=True)
class Prepared:
    """A command with its options. Made anew on each machine: `settings` say whether all have the same model."""

    job: Callable[[Path, str, bool, Path | None], Job]  # source, name below its folder, alone of its stem, output
    begin: Callable[[], Work[Any, Any]]
    settings: Mapping[str, Any]  # all that results depend on besides their pictures


Prepare = Callable[[argparse.Namespace, Shown], Prepared]


def enter(folder: str) -> None:
    """Paths are those of the driver's folder, where that is shared; a machine without it knows whole paths alone."""
    with suppress(OSError):
        os.chdir(folder)


def as_text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


class _Said(logging.Handler):
    """Log messages of a worker, for the driver."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._taken: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._taken.append((record.levelno, record.getMessage()))

    def take(self) -> list[tuple[int, str]]:
        """What was said since the last call."""
        taken, self._taken = self._taken, []
        return taken


class _Results(ProgressLine):
    """Results of a worker, for the driver."""

    def __init__(self) -> None:
        super().__init__(tqdm(disable=True))
        self.taken: list[str] = []

    def result(self, text: str) -> None:
        self.taken.append(text)


class PictureWorker:
    """Does units with the functions of the plain command; the model is loaded once, for the first picture to do."""

    def __init__(self, where: str, prepare: Prepare, args: argparse.Namespace, expected: str, threads: int) -> None:
        self._said = _Said()
        logger.addHandler(self._said)
        logger.setLevel(logging.INFO)
        self._args = args
        self._noted = as_text({"settings": expected, **{name: vars(args).get(name) for name in FILES}})
        self._shown: Shown = {}
        self._work: Work[Any, Any] | None = None
        self._journal, self._folders = Journal(), set[Path]()
        self._fault = ""
        enter(where)
        torch.set_num_threads(threads)
        try:
            self._prepared = prepare(args, self._shown)
            if as_text(self._prepared.settings) != expected:
                self._fault = "the model is another file there; copy the same to each"
        except (SengaError, OSError) as error:
            self._fault = one_line(error)

    def __call__(self, unit: list[Item]) -> Outcome:
        self._said.take()
        outcome = Outcome(pictures=len(unit))
        try:
            if not self._fault:
                self._unit(unit, outcome)
        except FAILURES as error:  # the model cannot be loaded here, the store cannot be written...
            self._fault = one_line(error)
        except Exception as error:  # noqa: BLE001 (a fault of Senga's: Ray would leave the unit out without a word)
            outcome = Outcome(pictures=len(unit))
            for item in unit:
                _fail(outcome, item.source, f"{item.source}: {type(error).__name__}: {one_line(error)}")
        if self._fault:
            outcome.fault = f"a machine of the cluster cannot do the work: {self._fault}"
        outcome.said += self._said.take()
        return outcome

    def _unit(self, unit: list[Item], outcome: Outcome) -> None:
        out, kind = self._args.output, self._args.shards or ""
        far = any(item.shard or item.fault or is_url(item.source) for item in unit)
        if not far and not kind and not is_url(str(out)):
            jobs = self._jobs([(item, Path(item.source)) for item in unit], out, outcome)
            self._do([job for _, job in jobs], self._journal, outcome)
            return
        if out is None:
            raise SengaError("pictures in shards or an object store need an output; name a folder or a URL with -o")
        unit = with_times(unit)
        with staged(unit, str(out), kind, self._noted, force=self._args.force) as stage:
            self._staged(stage, unit, outcome)

    def _jobs(
        self, unit: Sequence[tuple[Item, Path]], out: str | Path | None, outcome: Outcome
    ) -> list[tuple[Item, Job]]:
        found: list[tuple[Item, Job]] = []
        for item, source in unit:
            try:
                job = self._prepared.job(source, item.own, item.lone, None if out is None else Path(out))
                found += [(item, one) for one in checked([job])]
            except FAILURES as error:
                _fail(outcome, str(source), named(source, error))
        return found

    def _staged(self, stage: Staged, unit: Sequence[Item], outcome: Outcome) -> None:
        """A unit through a folder of this machine."""
        left = stage.left(unit)
        outcome.shard = stage.shard if stage.note.shard and not left else ""
        for item in unit if not left else ():
            if why := stage.note.fault(item):
                _fail(outcome, item.source, why)
        outcome.skipped += len(unit) - len(left) - len(outcome.failed)
        if not left:
            return
        fetched = list(zip(left, stage.fetch(left), strict=True))
        for item, found in fetched:
            if isinstance(found, str):
                _fail(outcome, item.source, found)
        files = {found: item for item, found in fetched if isinstance(found, Path)}
        self._shown.clear()
        self._shown.update({path: item.source for path, item in files.items()})
        own = Outcome()
        jobs = self._jobs([(item, path) for path, item in files.items()], stage.results, own)
        self._do([job for _, job in jobs], Journal(), own)
        names = {str(path): item.source for path, item in files.items()}
        if stage.results.is_relative_to(stage.folder):
            names[str(stage.results)] = stage.out

        def said(text: str) -> str:
            for path, name in names.items():
                text = text.replace(path, name)
            return text

        why = {Path(name): said(text) for name, text in own.failed}
        failed = [(item, why[path]) for path, item in files.items() if path in why]
        done = [(item, job) for item, job in jobs if job.source not in why and job.recorded and job.target.is_file()]
        if done or failed:
            stage.send(done, [*failed, *((item, item.fault) for item in left if item.fault)])
        if stage.kind:
            outcome.shard = stage.shard if done else ""
            own.results = [f"{stage.out}/{stage.shard}"] if done else []
        outcome.count(own)
        outcome.results += map(said, own.results)
        outcome.failed += [(item.source, text) for item, text in failed]
        outcome.said += [(level, said(text)) for level, text in self._said.take()]

    def _do(self, jobs: list[Job], journal: Journal, outcome: Outcome) -> None:
        """As the plain command does its jobs."""
        force, workers = self._args.force, self._args.workers
        if journal is self._journal:
            self._refresh({job.target.parent for job in jobs if job.recorded})
        seen = {} if force else {path: signature(path) for job in jobs if job.recorded for path in job.results}
        found = Left(jobs) if force else left_of(jobs, journal, workers)
        if found.foreign:
            logger.warning("%d skipped: %s", len(found.foreign), not_ours(found.foreign))
        outcome.skipped += found.done + len(found.foreign)
        if not found.jobs:
            return
        if self._work is None:
            self._work = self._prepared.begin()
        line = _Results()
        failed = run_jobs(found.jobs, self._work, journal, line, workers, seen)
        outcome.results += line.taken
        outcome.failed += [(str(source), why) for source, why in failed.items()]
        outcome.done += len(found.jobs) - len(failed)
        outcome.replaced += len(found.outdated - set(failed))

    def _refresh(self, folders: set[Path]) -> None:
        """Other workers write into the same folders, and one that was lost has."""
        if len(self._folders | folders) > FOLDERS:
            self._journal, self._folders = Journal(), set()
        self._folders |= folders
        for folder in folders:
            self._journal.refresh(folder)


def _fail(outcome: Outcome, source: str, why: str) -> None:
    outcome.failed.append((source, why))
    logger.error("%s", why)
