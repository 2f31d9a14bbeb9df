"""Ray Data deals out units of pictures to actors that hold the model, and brings back what became of them.

Names and summaries travel, pictures do not: each machine reads and writes its own. The list is made by one task as the
actors take from it, so that neither it nor the driver holds all names; results are small and taken as they arrive.
"""

import logging
import math
import re
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import SengaError, UsageError, amount, one_line
from ..log import logger
from .extra import needed
from .units import Item, Outcome, items_of, outcome_of, to_text

LOCAL, AUTO = "local", "auto"
STORE = 256 * 2**20  # bytes of a local cluster's object store; only names and summaries go through it
THREADS = 4  # of a network on a CPU, where machines have so many
TRIES = 4  # of a unit whose worker was lost, after the first
PATIENCE = 10.0  # seconds until a cluster's first machine answers; Ray itself would try for ten minutes

ListUnits = Callable[[], Iterator[list[Item]]]
Do = Callable[[list[Item]], Outcome]


@dataclass(frozen=True)
class Share:
    """What each worker takes of a machine."""

    cpus: int
    gpus: int

    @classmethod
    def of(cls, nodes: list[dict[str, float]], asked: int | None, *, network: bool, gpu: bool) -> "Share":
        """From what the machines have. Raises UsageError where none has so much, SengaError where none has CPUs."""
        able = [node for node in nodes if node.get("CPU")]
        if not able:
            raise SengaError(
                "no machine of the cluster has CPUs to work with; start another with `ray start --address`"
            )
        with_gpu = [node for node in able if node.get("GPU")] if network and gpu else []
        smallest = int(min(node["CPU"] for node in able))
        cpus = asked or (max(1, min(THREADS, smallest)) if network and not with_gpu else 1)
        largest = int(max(node["CPU"] for node in with_gpu or able))
        if cpus > largest:
            raise UsageError(f"--cluster-cpus {cpus}: no machine that can work has more than {largest}")
        return cls(cpus, int(bool(with_gpu)))

    def workers(self, nodes: list[dict[str, float]]) -> int:
        """How many fit, at least one."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        fit = [min(int(node.get(kind, 0) // count) for kind, count in wanted.items() if count) for node in nodes]
        return max(1, sum(fit))


@contextmanager
def connected(address: str) -> Generator[Any, None, None]:
    """Ray, connected to a cluster, or to one of this machine alone that ends with the block. Raises SengaError."""
    folder = tempfile.mkdtemp(prefix="sg") if address == LOCAL else None  # short: sockets' paths have 107 bytes
    try:
        ray = _begun(address, folder)
        try:
            yield ray
        except ray.exceptions.RayError as error:  # a machine without Senga, say
            raise SengaError(
                f"--cluster {address}: Ray cannot go on ({innermost(str(error))}); each machine needs the same versions"
                " of Senga and of Ray"
            ) from error
        finally:
            ray.shutdown()
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _begun(address: str, folder: str | None) -> Any:
    """Ray, connected; its own files go into `folder` where that is given. Raises SengaError."""
    try:
        if address not in (LOCAL, AUTO):
            check_answers(address)
        ray = needed("ray")
        needed("ray.data")
        # What the machine's last `ray start` has left may be the address of a cluster that is gone.
        if address == AUTO and (known := needed("ray._private.services").canonicalize_bootstrap_address(AUTO)):
            check_answers(known)
    except SengaError:
        raise
    except (ValueError, OSError) as error:
        raise SengaError(
            f"--cluster {address}: Ray cannot be reached there ({one_line(error)}); start it with `ray start --head`,"
            f" give its address as HOST:6379, or use `--cluster {LOCAL}`"
        ) from error
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    own = {"include_dashboard": False, "object_store_memory": STORE, "_temp_dir": folder} if folder else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, **quiet, **own)
    except Exception as error:  # RuntimeError, and Ray's own of a token
        way_out = (
            "free memory, or leave --cluster out"
            if folder
            else "this machine needs the cluster's version of Ray, its token, and RAY_AUTH_MODE=token where it has one"
        )
        raise SengaError(f"--cluster {address}: Ray cannot begin ({innermost(str(error))}); {way_out}") from error
    return ray


def innermost(text: str) -> str:
    """The last error that Ray's words name, on one line: the others are those of its own parts, with tracebacks."""
    found = re.findall(r"(?m)^ *(?:\w+\.)*\w*(?:Error|Exception): .+$", text)
    return one_line(Exception(found[-1] if found else text))


def check_answers(address: str) -> None:
    """Raises OSError where nothing listens at HOST:PORT within PATIENCE, ValueError for what is not one."""
    place = urlsplit(f"//{address.rpartition('://')[2]}")
    if not place.hostname or not place.port:
        raise ValueError("expected HOST:PORT")
    with socket.create_connection((place.hostname, place.port), PATIENCE):
        pass


class Worker:
    """What an actor runs."""

    def __init__(self, begin: Callable[[int], Do], threads: int) -> None:
        self._do = begin(threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"outcome": [to_text(self._do(items_of(str(text)))) for text in batch["unit"]]}


def _source(list_units: ListUnits) -> Any:
    """A source for Ray Data of one task, which lists units as they are taken."""
    source = needed("ray.data.datasource")
    block = needed("ray.data.block")
    arrow = needed("pyarrow")

    class Units(source.Datasource):
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, **_: Any) -> list[Any]:
            def read() -> Iterator[Any]:
                for unit in list_units():
                    yield arrow.table({"unit": [to_text(unit)]})

            unknown = block.BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
            return [source.ReadTask(read, unknown)]

    return Units()


def outcomes(ray: Any, list_units: ListUnits, begin: Callable[[int], Do], share: Share) -> Iterator[Outcome]:
    """What became of each unit, in the order in which they are done. A unit whose worker is lost is done by another.

    One that cost TRIES more workers is left out: its pictures are missing from the outcomes.
    """
    data = ray.data
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # a unit is a block of its own: else they are collected up to 128 MB
    context.max_errored_blocks = -1
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    nodes = machines(ray)
    count = share.workers(nodes)
    logger.info("%s on %s", amount(count, "worker"), amount(len(nodes), "machine"))
    pool = data.ActorPoolStrategy(min_size=1, initial_size=count, max_tasks_in_flight_per_actor=2)
    # Listing counts as no work, and stays with the driver: the loss of another machine does not end it.
    here = needed("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of arguments for which this version of Ray has no other place
        rows = data.read_datasource(
            _source(list_units), override_num_blocks=1, num_cpus=0, ray_remote_args={"scheduling_strategy": here}
        ).map_batches(
            Worker,
            fn_constructor_args=(begin, share.cpus),
            batch_size=1,
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            compute=pool,
            max_task_retries=TRIES,
        )
    for row in rows.iter_rows():
        yield outcome_of(row["outcome"])


def machines(ray: Any) -> list[dict[str, float]]:
    """The resources of each machine that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def counted(ray: Any, list_units: ListUnits) -> Callable[[], int | None]:
    """How many pictures there are, None until another task has counted them. Raises SengaError for a faulty list."""

    def count() -> int:
        return sum(map(len, list_units()))

    ref = ray.remote(num_cpus=0)(count).remote()

    def found() -> int | None:
        ready, _ = ray.wait([ref], timeout=0)
        try:
            return ray.get(ref) if ready else None
        except ray.exceptions.RayTaskError as error:  # its own words are a traceback
            raise SengaError(one_line(error.cause)) from error

    return found


def rest(done: int, seconds: float, total: int | None) -> str:
    """How fast it goes, and how long the rest takes."""
    rate = done / seconds if seconds else math.inf
    if total is None or not done:
        return f"{amount(done, 'picture')}, {rate:.1f}/s"
    left = int((total - done) / rate)
    return f"{done}/{amount(total, 'picture')}, {rate:.1f}/s, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
