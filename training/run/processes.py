"""The processes of one run, on one machine or many: what they tell each other, and how they wait for each other.

Gradients and checkpoints are waited for `run.timeout` seconds at most, since a machine without power says nothing. What
else one process does alone (a first look at the pictures, a validation) takes as long as it takes: it is waited for in
a group of its own, which still notices a process that ends, and a machine that is gone.
"""

import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from lightning_fabric import Fabric
from torch import distributed

from ...arch import SengaError

logger = logging.getLogger("senga")

PATIENCE = timedelta(days=2)
# What gloo, NCCL and torch's store say of a process that is gone, is late or was never there.
GONE = re.compile(
    r"(connection (closed|reset) by peer|connection refused|broken pipe|timed out|application timeout|socket timeout"
    r"|failed to (connect|recv)|NCCL|connection.*(closed|aborted))[^\n]{0,60}",
    re.IGNORECASE,
)

T = TypeVar("T")


class AgreedError(SengaError):
    """An error of one process that all of them raise."""


@dataclass(frozen=True)
class _Fault:
    """What a process sends in place of what the others expect of it."""

    where: str
    text: str


class Processes:
    """The processes of a run. Alone, every call returns at once.

    All of them make the same calls in the same order.

    Attributes:
        rank, world: the number of this process and of all.
        local, machine: its number on its machine, and the number of that machine.
        name: what it is called in messages.

    Args:
        timeout: `run.timeout`.
    """

    _group: Any = None  # of torch's, in which they exchange values
    _prompt: Any = None

    def __init__(self, fabric: Fabric, timeout: int) -> None:
        self.rank, self.world = fabric.global_rank, fabric.world_size
        self.local = int(os.environ.get("LOCAL_RANK", "0")) if self.world > 1 else 0
        self.machine = int(os.environ.get("GROUP_RANK", "0")) if self.world > 1 else 0
        self.name = f"process {self.rank} on {socket.gethostname()}"
        if self.world > 1:
            self._group = distributed.new_group(backend="gloo", timeout=PATIENCE)
            self._prompt = distributed.new_group(backend="gloo", timeout=timedelta(seconds=timeout))
            end_connections_to_lost_machines(timeout)

    @contextmanager
    def promptly(self) -> Iterator[None]:
        """In the block the others are waited for `run.timeout` seconds at most."""
        patient, self._group = self._group, self._prompt
        try:
            yield
        finally:
            self._group = patient

    def _exchange(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value, group=self._group)
        return found

    def gather(self, value: T) -> list[T]:
        """Everybody's value, by rank.

        Raises AgreedError where a process has come to an error instead (see `agreed`).
        """
        if self.world == 1:
            return [value]
        found = self._exchange(value)
        faults = [one for one in found if isinstance(one, _Fault)]
        if faults:
            everywhere = len(faults) == self.world and len({one.text for one in faults}) == 1
            raise AgreedError(faults[0].text if everywhere else f"{faults[0].where}: {faults[0].text}")
        return found

    def of_machines(self, value: T) -> list[T]:
        """The value of each machine's first process."""
        return [one for local, one in self.gather((self.local, value)) if local == 0]

    def broadcast(self, value: T, source: int = 0) -> T:
        """The value of one of them."""
        if self.world == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, source, group=self._group)
        return held[0]

    def meet(self) -> None:
        """Return once all of them are here, however long that takes."""
        self.gather(None)

    def meet_after_the_first(self) -> None:
        """`meet` where process 0 alone has worked: it is waited for however long that takes, the others
        `run.timeout` seconds."""
        self.broadcast(None)
        with self.promptly():
            self.meet()

    def agreed(self, work: Callable[[], T]) -> T:
        """What `work` returns. A SengaError in one of the processes is raised by all, so that none waits in vain."""
        try:
            result = work()
        except AgreedError:
            raise
        except SengaError as error:
            if self.world > 1:
                self.gather(_Fault(self.name, str(error)))
            raise
        self.meet()
        return result

    def in_turns(self, work: Callable[[], T], *, apart: bool) -> T:
        """`agreed`, but first on process 0, then on the first one of each machine, then on the rest: what one has noted
        on the disk is not looked at again.

        Args:
            apart: machines have nothing in common, so the first of each begin together.
        """
        turn = 0 if self.rank == 0 or (apart and self.local == 0) else 1 if self.local == 0 else 2
        found: list[T] = []
        for now in range(3 if self.world > 1 else 1):
            self.agreed(lambda here=now == turn: found.append(work()) if here else None)
        return found[0]

    def place(self, content: str) -> int:
        """This process's number among all, machines in the order of what they hold: whichever machine is the first,
        each draws the same patches from its part of the pictures."""
        each = sorted(set(self.gather((content, self.machine))))
        return each.index((content, self.machine)) * (self.world // len(each)) + self.local


@contextmanager
def lost_peers(command: str) -> Iterator[None]:
    """What torch raises where another process is gone or does not come, as a sentence."""
    try:
        yield
    except RuntimeError as error:  # as torch's errors of communication are
        found = GONE.search(str(error))
        if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not found:
            raise
        rank, host = os.environ.get("RANK", "?"), socket.gethostname()
        raise SengaError(
            f"process {rank} on {host}: another process of this run has ended, cannot be reached or has not answered"
            f" within run.timeout ({found[0].strip()}); its own log says why. Started again on every machine, this goes"
            f" on from the last checkpoint: {command}"
        ) from error


def end_connections_to_lost_machines(seconds: int) -> None:
    """Let the kernel probe each connection of this process, and end it where the other machine is silent for so long.

    Who waits in gloo sends nothing, and would not notice that a machine has lost its power: nothing closes the
    connection. On Linux alone; elsewhere it is noticed after PATIENCE.
    """
    if sys.platform == "linux":
        often = max(1, seconds // 4)
        for path in filter(Path.is_socket, Path("/proc/self/fd").iterdir()):
            # What is not TCP refuses the options. The copy is closed, the connection stays.
            with suppress(OSError), socket.fromfd(int(path.name), socket.AF_INET, socket.SOCK_STREAM) as one:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, often)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, often)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * seconds)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def leave() -> None:
    """End the communication at the end of a run: gloo's threads would else abort the process now and then."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def choose_interface() -> None:
    """Let gloo listen where the machine that leads is reached from, unless GLOO_SOCKET_IFNAME names an interface.

    By itself it listens where the machine's own name points, which is often 127.0.1.1: no other machine reaches that.
    Does nothing where the way cannot be found out.
    """
    if "GLOO_SOCKET_IFNAME" in os.environ or int(os.environ.get("GROUP_WORLD_SIZE", "1")) == 1:
        return
    leads = os.environ.get("MASTER_ADDR", ""), int(os.environ.get("MASTER_PORT", "0")) or 1
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:  # connecting sends nothing
            way.connect(leads)
            address = way.getsockname()[0]
        name = next((name for _, name in socket.if_nameindex() if _address(name) == address), "")
    except (OSError, ImportError, AttributeError):
        return
    if name and not address.startswith("127."):
        os.environ["GLOO_SOCKET_IFNAME"] = name


def _address(interface: str) -> str:
    """The IPv4 address of an interface, "" for none. Linux alone; elsewhere "" or OSError."""
    if sys.platform == "win32":
        return ""
    else:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            try:
                request = interface.encode()[:15].ljust(256, b"\0")
                found = fcntl.ioctl(any_socket.fileno(), 0x8915, request)  # SIOCGIFADDR
            except OSError:
                return ""
        return socket.inet_ntoa(found[20:24])
