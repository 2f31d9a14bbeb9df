"""What `senga upscale`, `senga tag` and `senga degrade` share: options, what is left to do, the loop, the summary.

Exit codes: 0 all done or skipped, 1 some pictures failed. A wrong call raises UsageError, which the program makes 2.
"""

import argparse
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...arch.errors import printable
from ...nodes import host
from ...training.run.pictures import MAX_PIXELS
from ..errors import SengaError, UsageError, one_line
from ..files.journal import Content, Journal, State, content_of, state_of
from ..files.plan import Job, listed
from ..files.results import Files, Signature, signature, write_files
from ..log import logger
from ..progress import BatchLine, ProgressLine, progress_line
from ..stream import Stream, Waits

MOST_WORKERS = 64
LARGE = 256 * 2**20  # bytes of a file, which take a while to be hashed
FAILURES = (SengaError, OSError, RuntimeError, MemoryError)  # of one picture; torch's own are RuntimeErrors

Read = TypeVar("Read")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Output:
    """What a picture became."""

    text: str  # its line on standard output
    files: Files


@dataclass(frozen=True)
class Work(Generic[Read, Made]):
    """How a command makes its results. `read`, `encode` and its writing run in threads while `make` computes.

    A result may be a stream, whose values are made after `make` has returned, in the same thread, while it is written.
    """

    read: Callable[[Job], Read]
    make: Callable[[Sequence[tuple[Job, Read]], BatchLine], Sequence[Made]]  # one result for each picture given
    encode: Callable[[Job, Made], Output]
    at_once: int = 1  # pictures in one call of `make`
    frames: Callable[[Read], int] = lambda _: 1  # for the progress line
    stream: Callable[[Made], Stream[Any] | None] = lambda _: None


THREADS = "threads that read and write pictures while the network runs"


def add_arguments(parser: argparse.ArgumentParser, *, workers: str = THREADS, count: int | None = None) -> None:
    """`workers` says what --workers are, `count` is how many there are without the option."""
    parser.add_argument(
        "-r",
        "--recursive",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go into the sub-folders of folders (default: yes)",
    )
    parser.add_argument(
        "--force",
        "--overwrite",
        action="store_true",
        help="make everything again; replace other files (default: no)",
    )
    parser.add_argument(
        "-j",
        "--workers",
        type=int,
        default=count or max(1, min(4, (os.cpu_count() or 1) // 2)),
        metavar="N",
        help=f"{workers} (1 to {MOST_WORKERS}; default here: %(default)s)",
    )
    add_max_pixels(parser)


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="refuse larger pictures; frames that are held in memory count together (1 or more; default:"
        f" {MAX_PIXELS})",
    )


def max_pixels(args: argparse.Namespace) -> int:
    """The option's value. Raises UsageError for less than 1."""
    if args.max_pixels is not None and args.max_pixels < 1:
        raise UsageError(f"--max-pixels {args.max_pixels}: expected 1 or more")
    return args.max_pixels or MAX_PIXELS


def check_workers(count: int) -> None:
    """Raises UsageError for a number of --workers that there cannot be."""
    if not 1 <= count <= MOST_WORKERS:
        raise UsageError(f"--workers {count}: expected 1 to {MOST_WORKERS}")


def run_batch(jobs: Sequence[Job], begin: Callable[[], Work[Any, Any]], *, force: bool, workers: int) -> int:
    """Do what is left of the jobs, report it, and return the exit code.

    `begin` is called only where something is left: it may load a model. Raises UsageError for a bad number of workers.
    """
    check_workers(workers)
    journal = Journal()
    # Before anything is decided: what is written in between by somebody else is not replaced.
    seen = {} if force else {path: signature(path) for job in jobs if job.recorded for path in job.results}
    found = Left(list(jobs)) if force else left_of(jobs, journal, workers)
    if found.done:
        logger.info(
            "%d of %d skipped: made before from the same picture with the same settings; --force repeats them",
            found.done,
            len(jobs),
        )
    if found.foreign:
        logger.warning("%d of %d skipped: %s", len(found.foreign), len(jobs), not_ours(found.foreign))
    left, failed = found.jobs, list[Path]()
    if left:
        work = begin()
        with progress_line() as line:
            failed = list(run_jobs(left, work, journal, line, workers, seen))
    if len(jobs) > 1:
        replaced = len(found.outdated - set(failed))
        done = f"{len(left) - len(failed)} done" + (f" ({replaced} replaced)" if replaced else "")
        counts = f"{len(jobs)} pictures: {done}, {len(jobs) - len(left)} skipped"
        if failed:
            logger.error("%s, %d failed (%s)", counts, len(failed), listed(failed))
        else:
            logger.info("%s, 0 failed", counts)
    return int(bool(failed))


@dataclass(frozen=True)
class Left:
    """What is to do, and what is not."""

    jobs: list[Job]
    outdated: frozenset[Path] = frozenset()  # sources of those with an older result, which is replaced
    done: int = 0  # jobs whose result is there
    foreign: Sequence[Path] = ()  # results that are not ours


def left_of(jobs: Sequence[Job], journal: Journal, workers: int) -> Left:
    """The jobs by what is there."""

    def state(job: Job) -> State:
        return state_of(job, journal) if job.recorded else State.ABSENT

    with ThreadPoolExecutor(workers, thread_name_prefix="senga") as pool:
        states = list(pool.map(state, jobs))
    found = list(zip(jobs, states, strict=True))
    return Left(
        [job for job, state in found if state in (State.ABSENT, State.OUTDATED)],
        frozenset(job.source for job, state in found if state is State.OUTDATED),
        states.count(State.DONE),
        [job.target for job, state in found if state is State.FOREIGN],
    )


def not_ours(files: Sequence[Path]) -> str:
    return f"the file there was not made by this command, or was edited ({listed(files)}); --force replaces it"


def run_jobs(
    jobs: Sequence[Job],
    work: Work[Read, Made],
    journal: Journal,
    line: ProgressLine,
    workers: int,
    seen: Mapping[Path, Signature | None],
) -> dict[Path, str]:
    """Make one result after the other while `workers` threads read the next pictures and write the last results.

    A file that is not as it was `seen`, None for absent, is kept; one that `seen` lacks is replaced whatever it is.
    Prints each result in the order of `jobs`, logs each failure, and returns the sources that failed, with why.
    """
    begin = time.perf_counter()
    batch = BatchLine(line, len(jobs))
    failed: dict[Path, str] = {}
    running: deque[tuple[Job, Future[str]]] = deque()

    def settle(most: int) -> None:
        """Wait until no more than `most` results are being written."""
        while len(running) > most:
            job, written = running.popleft()
            with batch.waits.on("writing"):
                wait([written])
            try:
                line.result(written.result())
            except FAILURES as error:
                failed[job.source] = named(job.source, error)
                logger.error("%s", failed[job.source])

    pool = ThreadPoolExecutor(workers, thread_name_prefix="senga")
    before = host.standalone.progress
    host.standalone.progress = batch.part
    try:
        reading = _read_ahead(pool, jobs, work, workers + work.at_once - 1)
        while group := list(islice(reading, work.at_once)):
            with batch.waits.on("reading"):
                wait(read for _, read in group)
            ready = [(job, read.result()[1]) for job, read in group if read.exception() is None]
            made = iter(_make(ready, work, batch))
            for job, read in group:
                result: Future[Any] = next(made) if read.exception() is None else read
                if result.exception() is None:
                    value = result.result()
                    result = pool.submit(_write, job, read.result()[0], value, work, journal, seen)
                    if (stream := work.stream(value)) is not None:
                        stream.pump(batch.waits)
                running.append((job, result))
                batch.end()
            settle(workers + work.at_once - 1)  # a group is written while the network takes the next
        settle(0)
    finally:
        host.standalone.progress = before
        pool.shutdown()  # after Ctrl-C too: what has been made is written, no temporary file is left
    _report(batch.waits, time.perf_counter() - begin)
    return failed


def _report(waits: Waits, seconds: float) -> None:
    logger.debug(
        "the network waited %.1f %% of %.1f s for pictures to be read, and %.1f %% for results to be written",
        100 * waits.reading / seconds,
        seconds,
        100 * waits.writing / seconds,
    )


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: Sequence[Job], work: Work[Read, Any], ahead: int
) -> "Iterator[tuple[Job, Future[tuple[Content | None, Read]]]]":
    """Each job with its picture on the way, at most `ahead` pictures being held before their turn."""

    def read(job: Job) -> tuple[Content | None, Read]:
        # Its content is taken first: a picture that changes in the meantime is made again the next time.
        if not (job.recorded and job.source.is_file()):
            return None, work.read(job)
        if job.source.stat().st_size > LARGE:
            work.read(job)  # whether it can be read at all
        return content_of(job.source), work.read(job)

    rest = iter(jobs)
    waiting = deque((job, pool.submit(read, job)) for job in islice(rest, ahead))
    while waiting:
        first = waiting.popleft()
        waiting.extend((job, pool.submit(read, job)) for job in islice(rest, 1))
        yield first


def _make(ready: Sequence[tuple[Job, Read]], work: Work[Read, Made], batch: BatchLine) -> "list[Future[Made]]":
    """The results of a group; where it fails, each picture is tried alone, to fail alone."""
    if not ready:
        return []
    (job, picture), *others = ready
    batch.start(job.source.name, work.frames(picture))
    try:
        return [_finished(made) for made in work.make(ready, batch)]
    except FAILURES as error:
        if others:
            return [made for one in ready for made in _make([one], work, batch)]
        failure: Future[Made] = Future()
        failure.set_exception(error)
        return [failure]


def _write(
    job: Job,
    source: Content | None,
    made: Made,
    work: Work[Any, Made],
    journal: Journal,
    seen: Mapping[Path, Signature | None],
) -> str:
    """Write a job's files, each whole or not at all, and note them. Returns the line that reports it.

    Raises SengaError where another run has written one of them since the beginning, and made something else.
    """
    try:
        output = work.encode(job, made)
        write_files(job, source, output.files, journal, seen)
        return output.text
    finally:
        if (stream := work.stream(made)) is not None:
            stream.close()  # where writing has failed, no more frames are made


def _finished(value: Made) -> "Future[Made]":
    future: Future[Made] = Future()
    future.set_result(value)
    return future


def named(source: Path, error: BaseException) -> str:
    """What went wrong on one line, with the file's name in it."""
    text = one_line(error)
    return text if str(source) in text or printable(str(source)) in text else f"{source}: {text}"
