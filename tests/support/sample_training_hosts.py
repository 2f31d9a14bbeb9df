"""Two machines, node1 and node2, with names of their own, that start trainings by torchrun; and small trainings."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sample_cluster import Host, hosts, until
from sample_runs import checkpoint, equal, tiny_config

ALIASES = ("senga-0.senga",)  # further names of the first one: of a pod
# A namespace has the machine's own name and hosts file: both are replaced for the process alone.
NAMED = 'mount --bind "$0" /etc/hosts && hostname "$1" && shift && exec "$@"'
SECONDS = 150.0  # that a training may take

SR, TAGGER = "-m senga.training.sr tiny.toml", "-m senga.training.tagger tagger.toml"
STATIC = "torchrun --nnodes 2 --node-rank {rank} --master-addr {leads} --master-port 29500 "
STEPS = 60
PARTS = ("net", "average", "optimiser_0", "step", "running")
TAGS = """
name = "tiny"
seed = 5
[model]
architecture = "mobilenetv3_small"
hyperparameters = { width = 0.35 }
[data]
source = "table"
folder = "tags"
batch = 4
store = 40
[preprocessing]
size = 32
[augment]
mixup = 0.2
[optim]
steps = 4
warmup = 2
[run]
precision = "fp32"
validate_every = 4
save_every = 2
min_positives = 1
"""


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
    """(exit code, what it said) of each, in the end. After SECONDS they are killed, and what all said is the error."""
    with ThreadPoolExecutor(len(started)) as pool:  # one that nobody listens to would wait for that
        found = list(pool.map(_heard, started))
    said = "\n\n".join(text for _, text, _ in found)
    assert all(in_time for _, _, in_time in found), f"not done after {SECONDS:g} s:\n{said}"
    return [(code, text) for code, text, _ in found]


def _heard(process: subprocess.Popen[str]) -> tuple[int, str, bool]:
    try:
        out, said = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        process.kill()
        return process.wait(), ((error.output or b"") + (error.stderr or b"")).decode(errors="replace"), False
    return process.returncode, out + said, True


def write_settings(folder: Path) -> None:
    """tiny.toml and tagger.toml, for SR and TAGGER, with runs/ in the folder that they are started in."""
    tiny_config(folder, Path("art"))
    path = folder / "tiny.toml"
    text = path.read_text().replace(f'folder = "{(folder / "runs").as_posix()}"', 'folder = "runs"')
    text = text.replace("batch = 2", "batch = 4").replace("steps = 6", f"steps = {STEPS}")
    path.write_text(text.replace("validate_every = 2", "validate_every = 30"))
    (folder / "tagger.toml").write_text(TAGS)


def two_disks(reference: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two disks with the same pictures."""
    for number in range(2):
        shutil.copytree(reference / "art", tmp_path / f"{number}" / "art")
        shutil.copy(reference / "tiny.toml", tmp_path / f"{number}")
    return tmp_path / "0", tmp_path / "1"


def words(name: str, *changes: str) -> str:
    """Changed settings, for the end of a command line."""
    return "".join(f" --set {change}" for change in (f"name={name}", *changes))


def both(pair: tuple[Machine, Machine], folders: tuple[Path, Path], training: str) -> list[str]:
    """Start it on the two machines, and return what each said."""
    commands = [STATIC.format(rank=rank, leads="node1") + training for rank in range(2)]
    return good(*(m.start(command, cwd) for m, command, cwd in zip(pair, commands, folders, strict=True)))


def good(*started: subprocess.Popen[str]) -> list[str]:
    """What each said; all of them must end well."""
    found = finish(*started)
    assert all(code == 0 for code, _ in found), "\n\n".join(said for _, said in found)
    return [said for _, said in found]


def begun(run: Path) -> None:
    """Wait until a run has made some steps."""
    until(lambda: len(list(run.glob("checkpoint-*.pt"))) > 2, 100)


def weights(said: str) -> list[str]:
    """The digests that processes name at the end."""
    return re.findall(r"weights ([0-9a-f]{16}) after step", said)


def same(folder: Path, name: str, reference: Path, step: int, other: str = "one") -> bool:
    """Whether two runs have the same checkpoint of a step."""
    found, expected = (checkpoint(path / "runs" / run, step) for path, run in ((folder, name), (reference, other)))
    return all(equal(found[part], expected[part]) for part in PARTS)
