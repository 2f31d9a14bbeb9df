"""Start and stop a ComfyUI of our own with the repository linked into its custom nodes."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comfy_client import Client
from comfy_install import Installation

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT = 240.0  # seconds; some 10 on an idle machine, several times that with cold disks and busy cores
STOP_TIMEOUT = 15.0
PLUGIN = "ComfyUI-Senga"
# What a copy of the repository has no use for, where the system grants no symbolic links.
NOT_COPIED = (".git", ".venv*", "__pycache__", "build", "data", "runs", "output", "input")


@dataclass(frozen=True)
class Server:
    client: Client
    base: Path  # ComfyUI's base directory: input, output, models and custom_nodes lie here
    log: Path
    front_end: str = ""  # its version, if it is not the installed one

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def upscale_models(self) -> Path:
        return self.base / "models" / "upscale_models"

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextmanager
def running(installation: Installation, base: Path, front_end: Path | None = None) -> Iterator[Server]:
    """A ComfyUI on the CPU and on a free port; it is stopped when the block ends, in whatever way.

    `front_end` is a folder of `comfy_install.front_end`; None is the installed front end. Everything it reads and
    writes lies in `base`; its own tree stays as it is. Raises RuntimeError with the end of its log when it does not
    come up.
    """
    server = Server(
        Client(_free_port()), base, base / "comfyui.log", front_end.name.rpartition("-")[2] if front_end else ""
    )
    for folder in (server.input, server.upscale_models, base / "output", base / "user", base / "custom_nodes"):
        folder.mkdir(parents=True)
    _link(REPOSITORY, base / "custom_nodes" / PLUGIN)
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [*_command(installation, server), *(["--front-end-root", str(front_end)] if front_end else [])],
            cwd=base,
            # No byte code: neither ComfyUI's tree nor the repository is to change. One thread: pictures are tiny, and
            # on a busy machine torch's threads wait for each other, hundreds of times as long as they work.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(process, server)
        yield server
    finally:
        _stop(process)


def _command(installation: Installation, server: Server) -> list[str]:
    return [
        str(installation.python),
        str(installation.tree / "main.py"),
        *("--listen", server.client.host, "--port", str(server.client.port)),
        *("--base-directory", str(server.base)),
        *("--database-url", "sqlite:///:memory:"),  # by default it is a file in the tree
        *("--cpu", "--disable-auto-launch", "--disable-api-nodes"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _link(repository: Path, link: Path) -> None:
    try:
        link.symlink_to(repository, target_is_directory=True)
    except OSError:  # Windows without developer mode
        shutil.copytree(repository, link, ignore=shutil.ignore_patterns(*NOT_COPIED))


def _wait_until_up(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None:
        try:
            server.client.get("/system_stats")
        except OSError as error:  # refused, reset or timed out
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"ComfyUI has not come up within {START_TIMEOUT:.0f} s; its log ends with:\n{server.log_tail()}"
                ) from error
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"ComfyUI stopped with exit code {process.returncode}; its log ends with:\n{server.log_tail()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
