"""What `senga upscale --cluster` costs beside the plain command, and what a folder of millions would take.

    python -m benchmarks.cluster
    python -m benchmarks.cluster --count 128 --rounds 2 --write-docs

Run it from the repository root, with the extra `cluster`. Each call is a process of its own; for each number of workers
Ray is started anew on this machine, so on two cores the table shows overhead, not scaling. Rates are taken from the
times of the results, while all workers have a unit in hand: starting is a column of its own, and what the last units
leave idle does not grow with the count. Calls take turns, and a row is compared with the plain command of the same
round.

The driver's memory is read while it deals out small pictures, more and more of them. The last table is arithmetic: the
rate of one worker, the bytes of a picture and of its result, and the names on the network, times 4.9 million.
"""

import argparse
import logging
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from senga.headless.cluster.listing import listed
from senga.headless.cluster.units import Item, Outcome, to_text, units
from senga.headless.errors import amount

from .command import exit_code
from .docs_tables import write_docs
from .memory import PAGE, resident_pages
from .quality_contenders import ROOT
from .speed_page import processor
from .speed_pictures import dense

logger = logging.getLogger("senga")

PAGE_OF_DOCS = ROOT / "docs" / "cluster.md"
SIDE, SMALL = 512, 32  # pixels
EVERY = 0.2  # seconds between two readings of the driver's memory
MILLIONS = 4_900_000  # pictures: Danbooru's order of size
WORKERS = (1, 2, 4)
FLEETS = (1, 16, 128, 1024)  # workers
DAY = 86_400  # seconds
FAST = ("--preset", "bicubic")  # of `senga degrade`: the driver is to be the slower one
LINK = 1.25e9  # bytes per second: 10 Gbit/s


@dataclass(frozen=True)
class Call:
    """What one call took."""

    rate: float  # pictures per second while all workers had a unit in hand
    start: float  # seconds until the first result, less that of one picture
    mb: list[float]  # resident memory of the process that was called, from the first result on
    load: float  # the machine's load average at the end
    size: float  # bytes of a result


@dataclass(frozen=True)
class Row:
    name: str
    threads: int  # of the plain command, or of the one that it is compared with
    workers: int  # 0 for the plain command


def rows(cores: int) -> list[Row]:
    """Each number of workers after the plain command with as many threads, or with as many as there are cores."""
    found: dict[Row, None] = {}
    for workers in WORKERS:
        threads = min(workers, cores)
        found[Row(f"plain command, {amount(threads, 'thread')}", threads, 0)] = None
        found[Row(amount(workers, "worker"), threads, workers)] = None
    return list(found)


def main(arguments: Sequence[str] | None = None) -> int:
    return exit_code(run, read_arguments(arguments))


def run(args: argparse.Namespace) -> None:
    cores = os.cpu_count() or 1
    # Short, since Ray's sockets are below; Ray may still write into its logs when the folder goes.
    with tempfile.TemporaryDirectory(prefix="sgb", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        draw(folder / "in", args.count, SIDE)
        calls: dict[Row, list[Call]] = {row: [] for row in rows(cores)}
        for turn in range(args.rounds):
            for row in list(calls)[:: -1 if turn % 2 else 1]:
                words = ["upscale", "in", "--model", args.model, "--precision", "fp32"]
                calls[row].append(timed(words, folder, row.threads, row.workers))
                logger.warning("round %d, %s: %.2f pictures/s", turn + 1, row.name, calls[row][-1].rate)
        memory: list[tuple[int, Call]] = []
        for count in args.small:
            draw(folder / f"small{count}", count, SMALL)
            memory.append((count, timed(["degrade", f"small{count}", *FAST], folder, 1, 2)))
        dealt = units_of(folder / "in")
        size = sum(item.size for unit in dealt for item in unit) / args.count
        names = sum(map(bytes_of, dealt)) / args.count
    one = next(found for row, found in calls.items() if row.workers == 1)
    millions = extrapolated(median_rate(one), one[0].size, memory[-1][1].rate, size, names)
    text = "\n".join([*rates(calls, cores, args), "", *driver(memory), "", *millions])
    sys.stdout.write(f"{text}\n")
    if args.write_docs:
        write_docs(PAGE_OF_DOCS, f"python -m benchmarks.cluster --count {args.count} --rounds {args.rounds}", text)


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The cost of --cluster beside the plain command.")
    parser.add_argument("--count", type=int, default=256, help=f"pictures of {SIDE} px (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--model", default="senga_espcn_7_x2", help="a fast one shows most (default: %(default)s)")
    parser.add_argument(
        "--small",
        type=int,
        nargs="+",
        default=[500, 2000, 8000],
        help="counts of small pictures (default: %(default)s)",
    )
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/cluster.md (default: no)")
    return parser.parse_args(arguments)


def draw(folder: Path, count: int, side: int) -> None:
    """Pictures that are cut out of a dense painting, each at another place; a thousand in a folder."""
    large = (dense(2 * SIDE)[0] * 255).round().astype(np.uint8)
    for number in range(count):
        top, left = np.random.default_rng(number).integers(0, 2 * SIDE - side, 2)
        below = folder / f"{number // 1000}"
        below.mkdir(parents=True, exist_ok=True)
        Image.fromarray(large[top : top + side, left : left + side]).save(below / f"{number:06}.png")


def timed(words: Sequence[str], folder: Path, threads: int, workers: int) -> Call:
    """Run a call in a folder, on a Ray with so many workers of one thread each, or without Ray for 0."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": str(1 if workers else threads),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_worker_niceness": "0",  # as the plain command has; Ray's own is 15
        "RAY_agent_register_timeout_ms": "240000",  # after 30 s, Ray's own, a node of a busy machine ends
        "RAY_raylet_start_wait_time_s": "240",
    }
    with tempfile.TemporaryDirectory(dir=folder) as out, ray(workers, environment, folder) as options:
        begin = time.time()
        process = subprocess.Popen(
            [sys.executable, "-m", "senga.headless", *words, "-o", out, *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log.txt").open("w"),
        )
        mb: list[tuple[float, float]] = []  # when, how much
        while process.poll() is None:
            mb.append((time.time(), resident_pages(process.pid) * PAGE / 1e6))
            time.sleep(EVERY)
        if process.returncode:
            raise SystemExit(f"senga ended with {process.returncode}: {(folder / 'log.txt').read_text()[-2000:]}")
        made = {path.relative_to(out).as_posix(): path.stat() for path in Path(out).rglob("*.png")}
    times = [[made[item.own].st_mtime for item in unit] for unit in units_of(folder / words[1])]
    first = min(map(min, times))
    rate = rate_of(times, workers or len(times))
    size = sum(stat.st_size for stat in made.values()) / len(made)
    working = [value for when, value in mb if when >= first] or [mb[-1][1]]
    return Call(rate, first - begin - max(1, workers) / rate, working, os.getloadavg()[0], size)


def units_of(folder: Path) -> list[list[Item]]:
    """How the pictures of a folder are dealt out."""
    return list(units(listed([str(folder)], None, (".png",), recursive=True)))


def bytes_of(unit: list[Item]) -> int:
    """What goes over the network for a unit: its names, and what became of it."""
    return len(to_text(unit)) + len(to_text(Outcome(len(unit), len(unit), results=[item.source for item in unit])))


def rate_of(times: Sequence[Sequence[float]], workers: int) -> float:
    """Results per second from the first moment at which so many units are in hand until the last one.

    Args:
        times: of the results of each unit. Where fewer are ever in hand, from the first result until the last.
    """
    begins, ends = [min(unit) for unit in times], [max(unit) for unit in times]

    def in_hand(moment: float) -> bool:
        return sum(begin <= moment <= end for begin, end in zip(begins, ends, strict=True)) >= workers

    begin = min(filter(in_hand, begins), default=min(begins))
    end = max(filter(in_hand, ends), default=max(ends))
    return (sum(begin <= one <= end for unit in times for one in unit) - 1) / (end - begin)


@contextmanager
def ray(workers: int, environment: dict[str, str], folder: Path) -> Generator[list[str], None, None]:
    """Options of a call for a Ray of its own with so many CPUs, which ends with the block; none for 0."""
    if not workers:
        yield []
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = str(Path(sys.executable).with_name("ray"))
    words = ["--head", "--block", "--node-ip-address", "127.0.0.1", "--port", port, "--num-cpus", str(workers)]
    quiet = ["--include-dashboard=false", "--object-store-memory", "200000000", "--temp-dir", str(folder / "ray")]
    node = subprocess.Popen(
        [program, "start", *words, *quiet], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"127.0.0.1:{port}"
    try:
        status = [program, "status", "--address", address]
        while subprocess.run(status, env=environment, capture_output=True).returncode:
            if node.poll() is not None:
                raise SystemExit(f"`ray start` ended with {node.returncode}")
        yield ["--cluster", address, "--cluster-cpus", "1"]
    finally:
        node.terminate()  # it ends its own processes
        node.wait()


def rates(calls: dict[Row, list[Call]], cores: int, args: argparse.Namespace) -> list[str]:
    """The table of rates: the median of the rounds; what is lost is that of each round."""
    plain = {row.threads: row for row in calls if not row.workers}
    text = [
        f"{args.count} pictures of {SIDE} px, {args.model}, fp32, {cores} cores ({processor()}). A worker has one"
        " thread. What is lost is lost to the plain command with as many threads as workers, or as cores.",
        "",
        f"| | pictures/s | lost | start (s) | load average |\n|{'---|' * 5}",
    ]
    for row, found in calls.items():
        against = calls[plain[row.threads]]
        lost = [100 * (1 - one.rate / other.rate) for one, other in zip(found, against, strict=True)]
        share = f"{statistics.median(lost):.0f} % ({', '.join(f'{one:.0f}' for one in lost)})" if row.workers else ""
        load = ", ".join(f"{call.load:.1f}" for call in found)
        start = statistics.median(call.start for call in found)
        text.append(f"| {row.name} | {median_rate(found):.2f} | {share} | {start:.0f} | {load} |")
    return text


def median_rate(calls: Sequence[Call]) -> float:
    return statistics.median(call.rate for call in calls)


def driver(memory: Sequence[tuple[int, Call]]) -> list[str]:
    """The table of the driver's memory."""
    text = [
        f"The driver's memory, and how fast 2 workers take pictures of {SMALL} px (`senga degrade`):",
        "",
        f"| pictures | pictures/s | MB after a tenth | MB at the most |\n|{'---|' * 4}",
    ]
    for count, call in memory:
        tenth = max(call.mb[: max(1, len(call.mb) // 10)])
        text.append(f"| {count:,} | {call.rate:.0f} | {tenth:.0f} | {max(call.mb):.0f} |")
    return text


def extrapolated(rate: float, result: float, dealt: float, size: float, names: float) -> list[str]:
    """4.9 million pictures on paper.

    Args:
        rate: of one worker, pictures per second.
        result, size: bytes of a result, of a picture.
        dealt: pictures per second that the driver has dealt out.
        names: bytes on the network for each picture.
    """
    text = [
        f"{MILLIONS:,} such pictures on paper: {MILLIONS * size / 1e12:.1f} TB are read ({size / 1e3:.0f} kB each) and"
        f" {MILLIONS * result / 1e12:.1f} TB written ({result / 1e3:.0f} kB each). A storage at 10 Gbit/s feeds"
        f" {LINK / (rate * (size + result)):,.0f} workers. Names and results are {names:.0f} bytes of the driver's"
        f" network for each picture, {MILLIONS * names / 1e9:.1f} GB in all. The driver is known to deal out"
        f" {dealt:.0f} pictures/s (the table above, where it shares its cores with the workers); what a fleet takes of"
        " that is the last column, and a fleet with more than 100 % may have to wait for it.",
        "",
        f"| workers | pictures/s | days | read (MB/s) | written (MB/s) | driver (kB/s) | driver (%) |\n|{'---|' * 7}",
    ]
    for workers in FLEETS:
        speed = rate * workers
        flows = f"{speed * size / 1e6:.1f} | {speed * result / 1e6:.1f} | {speed * names / 1e3:.1f}"
        text.append(f"| {workers} | {speed:.1f} | {MILLIONS / speed / DAY:.2f} | {flows} | {100 * speed / dealt:.1f} |")
    return text


if __name__ == "__main__":
    sys.exit(main())
