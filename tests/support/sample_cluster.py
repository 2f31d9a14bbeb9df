"""Several hosts on one machine: network namespaces joined by a bridge, each with a Ray node of its own.

Where namespaces are refused (no root), the nodes are processes of this machine beside each other.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from repository import ROOT

NET = "10.0.0"  # as docs/cluster.md has it
PORT, STORE = 6399, 5399
START = 240.0  # seconds that a busy machine may take
TRIES, TRY = 4, 90.0  # seconds: a start of Ray takes 5 to 30, or now and then, on a busy machine, for ever


def _ip(*words: str) -> bool:
    return shutil.which("ip") is not None and subprocess.run(["ip", *words], capture_output=True).returncode == 0


@dataclass
class Host:
    """One of the hosts, and the processes that were started in it."""

    name: str  # of its namespace, "" for none
    address: str
    environment: dict[str, str]
    temporary: str  # a short path, for Ray's sockets
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(
        self, *words: str, cwd: Path | None = None, output: int = subprocess.PIPE, **changes: str
    ) -> subprocess.Popen[str]:
        inside = ["ip", "netns", "exec", self.name] if self.name else []
        process = subprocess.Popen(
            [*inside, *words],
            env={**self.environment, **changes},
            cwd=cwd,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def node(self, *words: str) -> subprocess.Popen[str]:
        """A Ray node, which ends with its process."""
        return self.start(
            str(Path(sys.executable).with_name("ray")),
            "start",
            "--block",
            "--disable-usage-stats",
            "--node-ip-address",
            self.address,
            "--temp-dir",
            self.temporary,
            "--object-store-memory",
            "100000000",
            *words,
        )

    def kill(self) -> None:
        """As a power cut: everything at once."""
        for process in self.started:
            _end(process, signal.SIGKILL)
        self.started.clear()
        for pid in pids(self):  # `ray start` without --block leaves its processes to themselves
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """End a process with what it started: Ray's own children lead no sessions of their own."""
    below = _below(process.pid)
    for pid in (process.pid, *below):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGKILL)


def _below(pid: int) -> list[int]:
    """All processes that descend from one."""
    found: list[int] = []
    for path in Path("/proc", str(pid), "task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *_below(int(child))]
    return found


def pids(host: Host) -> list[int]:
    """All processes in a host's namespace, none for a host without one."""
    if not host.name:
        return []
    found = subprocess.run(["ip", "netns", "pids", host.name], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


@contextmanager
def hosts(count: int) -> Generator[list[Host], None, None]:
    """So many hosts that reach each other, until the block ends; each finds the package as an installed one."""
    folder = Path(tempfile.mkdtemp(prefix="sgi"))
    (folder / "senga").symlink_to(ROOT, target_is_directory=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",  # Ray's own default for `ray start`; the token is that of these hosts alone
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
        "RAY_health_check_period_ms": "1000",  # a lost node is noticed after seconds
        "RAY_health_check_failure_threshold": "3",
        "RAY_worker_niceness": "0",  # Ray's own 15 would let a busy machine's other work go first
        "RAY_agent_register_timeout_ms": "80000",  # after 30 s, Ray's own, a node of a busy machine ends
        "AWS_ACCESS_KEY_ID": "made",
        "AWS_SECRET_ACCESS_KEY": "made",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    bridge = f"sgb{os.getpid() % 10000}"
    namespaces = _ip("link", "add", bridge, "type", "bridge")
    found: list[Host] = []
    try:
        if namespaces:
            _ip("link", "set", bridge, "up")
        for number in range(1, count + 1):
            name, address = f"{bridge}n{number}", f"{NET}.{number}"
            if namespaces and number == 1 and not _ip("netns", "add", name):
                namespaces = False
            if namespaces:
                link = f"{bridge}v{number}"
                if number > 1:
                    _ip("netns", "add", name)
                _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
                _ip("link", "set", link, "master", bridge, "up")
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                _ip("-n", name, "link", "set", "eth0", "up")
                _ip("-n", name, "link", "set", "lo", "up")
            temporary = str(folder / str(number))
            found.append(
                Host(name, address, environment, temporary)
                if namespaces
                else Host("", "127.0.0.1", environment, temporary)
            )
        environment["AWS_ENDPOINT_URL"] = f"http://{found[0].address}:{STORE}"
        yield found
    finally:
        for number, host in enumerate(found, 1):
            for process in host.started:
                _end(process, signal.SIGTERM)
            host.kill()
            if host.name:
                _ip("link", "del", f"{bridge}v{number}")  # the namespace itself stays while connections end
                _ip("netns", "del", host.name)
        _ip("link", "del", bridge)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_hosts(workers: int) -> Generator[list[Host], None, None]:
    """A head without CPUs, where the driver runs, and hosts with one CPU each."""
    with hosts(workers + 1) as found:
        head, *others = found
        start(head, head, 1, "--head", "--port", str(PORT), "--num-cpus", "0", "--include-dashboard=false")
        for number, host in enumerate(others, 2):
            join(head, host, number)
        yield found


def join(head: Host, host: Host, nodes: int, *words: str) -> None:
    """Give a cluster another node, after which it has so many."""
    start(head, host, nodes, "--address", f"{head.address}:{PORT}", "--num-cpus", "1", *words)


def start(head: Host, host: Host, nodes: int, *words: str) -> None:
    """Start a node, and again where it does not come."""
    for _ in range(TRIES):
        host.node(*words)
        if are_there(head, nodes, TRY):
            return
        host.kill()
    raise RuntimeError(f"a Ray node was expected on {host.address} within {TRIES} times {TRY:g} s")


@contextmanager
def s3_server(host: Host) -> Generator[None, None, None]:
    """`moto` as an S3 store on the first host, where AWS_ENDPOINT_URL of all hosts finds it."""
    log = subprocess.DEVNULL  # a line for each request
    process = host.start(sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(STORE), output=log)
    probe = (
        "import socket, sys, time\n"
        f"for _ in range({int(START)}):\n"
        "    with socket.socket() as probe:\n"
        f"        if probe.connect_ex(('{host.address}', {STORE})) == 0:\n"
        "            sys.exit(0)\n"
        "    time.sleep(0.5)\n"
        "sys.exit(1)\n"
    )
    try:
        assert host.start(sys.executable, "-c", probe).wait(timeout=START) == 0
        yield
    finally:
        host.started.remove(process)
        _end(process, signal.SIGTERM)


def are_there(head: Host, nodes: int, seconds: float = START) -> bool:
    """Whether a cluster comes to so many living nodes within a time."""
    program = (
        "import ray, time\n"
        "while True:\n"
        "    try:\n"
        f"        ray.init(address='{head.address}:{PORT}', logging_level=50)\n"
        "        break\n"
        "    except Exception:\n"
        "        time.sleep(1)\n"
        f"while sum(node['Alive'] for node in ray.nodes()) != {nodes}:\n"
        "    time.sleep(0.2)\n"
    )
    process = head.start(sys.executable, "-c", program)
    head.started.remove(process)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGKILL)
    return process.returncode == 0


def until(condition: object, seconds: float = 200.0) -> None:
    """Wait for something that a process does."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing happened for {seconds:g} s"
        time.sleep(0.02)
