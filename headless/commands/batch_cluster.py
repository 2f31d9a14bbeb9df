"""`--cluster`: the same work on many machines. Workers run `run_jobs` on units; the driver counts and reports."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import torch
from tqdm import tqdm

from ..cluster.engine import AUTO, LOCAL, Share, connected, counted, machines, outcomes, rest
from ..cluster.listing import check_inputs, listed
from ..cluster.places import is_url
from ..cluster.staging import staged
from ..cluster.units import Item, Outcome, units
from ..errors import SengaError, UsageError, amount, one_line
from ..files.journal import Journal
from ..files.plan import Job, checked
from ..files.results import signature
from ..log import logger
from ..progress import ProgressLine, progress_line
from .batch import FAILURES, Left, Work, left_of, named, not_ours, run_jobs

Shown = dict[Path, str]  # other names of pictures, for what is written about them
REPORT = "senga_failed.jsonl"  # in the folder of the results: a line for each picture that failed
FOLDERS = 64  # whose journals a worker holds


@dataclass(frozen=True)
class Prepared:
    """A command with its options. Made anew on each machine: `settings` say whether all have the same model."""

    job: Callable[[Path, str, bool, Path | None], Job]  # source, name below its folder, alone of its stem, output
    begin: Callable[[], Work[Any, Any]]
    settings: Mapping[str, Any]  # all that results depend on besides their pictures


Prepare = Callable[[argparse.Namespace, Shown], Prepared]


def add_cluster(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many machines")
    group.add_argument(
        "--cluster",
        metavar="WHERE",
        help=f"share the work out by Ray: {AUTO} (the cluster of this machine), HOST:PORT, or {LOCAL} (this machine"
        " alone); IN may then be @FILE too, a list of pictures (default: no cluster)",
    )
    group.add_argument(
        "--cluster-cpus",
        type=int,
        metavar="N",
        help="CPUs, and threads, of each worker of --cluster (1 or more; default: 4, or what the machines have)",
    )


def run_on_cluster(args: argparse.Namespace, prepare: Prepare, endings: Sequence[str]) -> int:
    """Do all pictures on the machines of `--cluster`, and return the exit code. Raises UsageError, SengaError."""
    if args.cluster_cpus is not None and args.cluster_cpus < 1:
        raise UsageError(f"--cluster-cpus {args.cluster_cpus}: expected 1 or more")
    check_inputs(args.pictures)
    settings = prepare(args, {}).settings  # a fault in the options is said here, once
    out = None if args.output is None else str(args.output)
    if out is None and any(map(is_url, args.pictures)):
        raise UsageError("--cluster: pictures in an object store need an output; name a folder or a URL with -o")
    if out is not None and Path(out).is_file():
        raise UsageError(f"-o {out}: this is a file; with --cluster name a folder")
    plain = argparse.Namespace(**{key: value for key, value in vars(args).items() if key not in ("command", "parser")})
    here = str(Path.cwd())
    list_units = partial(_units, here, tuple(args.pictures), out, tuple(endings), args.recursive)
    begin = partial(PictureWorker, here, prepare, plain, _as_text(settings))
    network, device = "device" in vars(args), vars(args).get("device")
    results = sys.stdout  # Ray's own messages, of lost machines say, go to the error stream
    with redirect_stdout(sys.stderr), connected(args.cluster) as ray:
        share = Share.of(machines(ray), args.cluster_cpus, network=network, gpu=device != "cpu")
        total = counted(ray, list_units)
        with progress_line() as line, _Report(Path("." if out is None or is_url(out) else out, REPORT)) as report:
            tally = Tally(line, total, report, results)
            for outcome in outcomes(ray, list_units, begin, share):
                tally.add(outcome)
            return tally.end()


def _units(
    where: str, inputs: Sequence[str], out: str | None, endings: Sequence[str], recursive: bool
) -> Iterator[list[Item]]:
    _enter(where)
    yield from units(listed(inputs, out, endings, recursive=recursive))


def _enter(folder: str) -> None:
    """Paths are those of the driver's folder, where that is shared; a machine without it knows whole paths alone."""
    with suppress(OSError):
        os.chdir(folder)


def _as_text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


class _Report:
    """The pictures that failed, in a file that is there where some have. Lines are JSON with "file" and "error"."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0

    def __enter__(self) -> "_Report":
        self._path.unlink(missing_ok=True)  # of an earlier run
        return self

    def add(self, failed: Sequence[tuple[str, str]]) -> None:
        self.count += len(failed)
        if failed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.writelines(json.dumps({"file": name, "error": error}) + "\n" for name, error in failed)

    def __exit__(self, *_: object) -> None:
        if self.count:
            logger.error("%s failed; see %s for names and reasons", amount(self.count, "picture"), self._path)


class Tally:
    """What the driver keeps: numbers, however many pictures there are."""

    def __init__(self, line: ProgressLine, total: Callable[[], int | None], report: _Report, results: TextIO) -> None:
        self._line, self._total, self._report, self._results = line, total, report, results
        self._sum = Outcome()
        self._begin = time.monotonic()
        self._known: int | None = None

    def add(self, outcome: Outcome) -> None:
        """Raises SengaError where a worker cannot work at all."""
        if outcome.fault:
            raise SengaError(outcome.fault)
        for level, text in outcome.said:
            logger.log(level, "%s", text)
        with redirect_stdout(self._results):
            for text in outcome.results:
                self._line.result(text)
        self._report.add(outcome.failed)
        for name in ("pictures", "done", "replaced", "skipped"):
            setattr(self._sum, name, getattr(self._sum, name) + getattr(outcome, name))
        if self._known is None and (known := self._total()) is not None:
            self._known = known
            self._line.whole(known)
        seen = self._sum.pictures
        self._line.at(seen, rest(seen, time.monotonic() - self._begin, self._known))

    def end(self) -> int:
        """Report, and return the exit code."""
        while self._known is None:
            self._known = self._total()
            time.sleep(0.01)
        total, failed = self._sum, self._report.count
        replaced = f" ({total.replaced} replaced)" if total.replaced else ""
        counts = (
            f"{amount(self._known, 'picture')}: {total.done} done{replaced}, {total.skipped} skipped, {failed} failed"
        )
        lost = self._known - total.pictures
        seconds = time.monotonic() - self._begin
        logger.info("%s in %.1f s (%.1f/s)", counts, seconds, total.pictures / seconds)
        if not self._known:
            raise UsageError("no picture was found; check the names of the folders")
        if lost > 0:
            gone = amount(lost, "picture")
            logger.error("%s lost with workers that ended again and again, for want of memory?", gone)
        return int(bool(failed) or lost > 0)


class _Said(logging.Handler):
    """Log messages of a worker, for the driver."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.taken: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.taken.append((record.levelno, record.getMessage()))


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
        self._args, self._expected = args, expected
        self._shown: Shown = {}
        self._work: Work[Any, Any] | None = None
        self._journal, self._folders = Journal(), set[Path]()
        self._fault = ""
        _enter(where)
        torch.set_num_threads(threads)
        try:
            self._prepared = prepare(args, self._shown)
            if _as_text(self._prepared.settings) != expected:
                self._fault = "the model is another file there; copy the same to each"
        except (SengaError, OSError) as error:
            self._fault = one_line(error)
        if self._fault:
            self._fault = f"a machine of the cluster cannot do the work: {self._fault}"

    def __call__(self, unit: list[Item]) -> Outcome:
        if self._fault:
            return Outcome(fault=self._fault)
        self._said.taken = []
        outcome = Outcome(pictures=len(unit))
        out = self._args.output
        try:
            if any(is_url(text) for text in (str(out), *(item.source for item in unit))):
                self._staged(unit, str(out), outcome)
            else:
                jobs = self._jobs([(item, Path(item.source)) for item in unit], out, outcome)
                self._do([job for _, job in jobs], self._journal, outcome)
        except FAILURES as error:  # the model cannot be loaded here, the store cannot be written...
            outcome.fault = f"a machine of the cluster cannot do the work: {one_line(error)}"
        outcome.said += self._said.taken
        return outcome

    def _jobs(
        self, unit: Sequence[tuple[Item, Path]], out: str | Path | None, outcome: Outcome
    ) -> list[tuple[Item, Job]]:
        found: list[tuple[Item, Job]] = []
        for item, source in unit:
            try:
                job = self._prepared.job(source, item.own, item.lone, None if out is None else Path(out))
                found += [(item, one) for one in checked([job])]
            except FAILURES as error:
                _fail(outcome, item.source, named(source, error))
        return found

    def _staged(self, unit: Sequence[Item], out: str, outcome: Outcome) -> None:
        with staged(unit, out, self._expected, force=self._args.force) as stage:
            left = stage.left(unit)
            outcome.skipped += len(unit) - len(left)
            here = list(zip(left, stage.fetch(left), strict=True))
            for item, found in here:
                if isinstance(found, str):
                    _fail(outcome, item.source, found)
            files = [(item, found) for item, found in here if isinstance(found, Path)]
            self._shown.clear()
            self._shown.update({path: item.source for item, path in files})
            own = Outcome()
            jobs = self._jobs(files, stage.results, own)
            failed = self._do([job for _, job in jobs], Journal(), own)
            done = [(item, job) for item, job in jobs if job.source not in failed and job.recorded]
            if done:
                stage.send([(item, job) for item, job in done if job.target.is_file()], self._expected)
            names = {str(path): item.source for item, path in files}
            if is_url(out):
                names[str(stage.results)] = stage.out

            def said(text: str) -> str:
                for path, name in names.items():
                    text = text.replace(path, name)
                return text

            outcome.results += map(said, own.results)
            outcome.failed += [(said(name), said(why)) for name, why in own.failed]
            outcome.said += [(level, said(text)) for level, text in self._said.taken]
            self._said.taken = []
            for name in ("done", "replaced", "skipped"):
                setattr(outcome, name, getattr(outcome, name) + getattr(own, name))

    def _do(self, jobs: list[Job], journal: Journal, outcome: Outcome) -> dict[Path, str]:
        """As the plain command does its jobs. Returns the sources that failed, with why."""
        force, workers = self._args.force, self._args.workers
        if journal is self._journal:
            self._refresh({job.target.parent for job in jobs if job.recorded})
        seen = {} if force else {path: signature(path) for job in jobs if job.recorded for path in job.results}
        found = Left(jobs) if force else left_of(jobs, journal, workers)
        if found.foreign:
            logger.warning("%d skipped: %s", len(found.foreign), not_ours(found.foreign))
        outcome.skipped += found.done + len(found.foreign)
        if not found.jobs:
            return {}
        if self._work is None:
            self._work = self._prepared.begin()
        line = _Results()
        failed = run_jobs(found.jobs, self._work, journal, line, workers, seen)
        outcome.results += line.taken
        outcome.failed += [(str(source), why) for source, why in failed.items()]
        outcome.done += len(found.jobs) - len(failed)
        outcome.replaced += len(found.outdated - set(failed))
        return failed

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
