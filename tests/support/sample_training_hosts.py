"""Two machines, node1 and node2, with names of their own, that start trainings by torchrun."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sample_cluster import Host, hosts

ALIASES = ("senga-0.senga",)  # further names of the first one: of a pod
# A namespace has the machine's own name and hosts file: both are replaced for the process alone.
NAMED = 'mount --bind "$0" /etc/hosts && hostname "$1" && shift && exec "$@"'
SECONDS = 150.0


class Machine:
    """A host under a name; what it starts finds the others by theirs."""

    def __init__(self, host: Host, name: str, hosts_file: Path) -> None:
        self.host, self.name, self.hosts_file = host, name, hosts_file

    def start(self, command: str, cwd: Path, **environment: Any) -> subprocess.Popen[str]:
        """A command line, as the docs have it."""
        inside = ["unshare", "--uts", "--mount", "sh", "-c", NAMED, str(self.hosts_file), self.name]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self.host.start(*inside, *shlex.split(command), cwd=cwd, PATH=path, **environment)

    def cut_off(self) -> None:
        """As a power cut: nothing reaches the others any more, not even that connections are closed."""
        subprocess.run(["ip", "-n", self.host.name, "link", "set", "eth0", "down"], check=True)
        self.host.kill()

    def connect(self) -> None:
        subprocess.run(["ip", "-n", self.host.name, "link", "set", "eth0", "up"], check=True)

    def workers(self) -> list[int]:
        """Process ids of the trainings on this machine, without torchrun itself."""
        found = subprocess.run(["ip", "netns", "pids", self.host.name], capture_output=True, text=True, check=True)
        return [int(pid) for pid in found.stdout.split() if _is_worker(int(pid))]


def _is_worker(pid: int) -> bool:
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
        environment = Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return False
    return b"-m" in words and b"\0LOCAL_RANK=" in environment


@contextmanager
def machines() -> Generator[tuple[Machine, Machine], None, None]:
    """node1 and node2. Skips the test where namespaces are refused: names need them."""
    with hosts(2) as found, tempfile.TemporaryDirectory(prefix="sgt") as folder:
        if not found[0].name:
            pytest.skip("needs network namespaces (root)")
        file = Path(folder, "hosts")
        lines = ["127.0.0.1 localhost"]
        lines += [f"{host.address} node{number}" for number, host in enumerate(found, 1)]
        lines += [f"{found[0].address} {alias}" for alias in ALIASES]  # lines of their own: its name stays the first
        file.write_text("\n".join(lines) + "\n")
        first, second = (Machine(host, f"node{number}", file) for number, host in enumerate(found, 1))
        yield first, second


def finish(*started: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """(exit code, what it said) of each, in the end."""
    end = time.monotonic() + SECONDS
    found = []
    try:
        for process in started:
            out, said = process.communicate(timeout=max(1.0, end - time.monotonic()))
            found.append((process.returncode, out + said))
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
    return found
