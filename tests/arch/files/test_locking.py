"""Locks that end with their holder, between threads and between processes, on POSIX and as Windows has them."""

import errno
import importlib.util
import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
from repository import ROOT
from senga.arch import SengaError
from senga.arch.files import locking
from senga.arch.files.locking import HeldError, locked

HOLDER = """
import importlib.util, sys, time, types
from pathlib import Path
root = Path(sys.argv[1])
for name in ("senga", "senga.arch"):  # without its __init__, which imports torch
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(root / name.partition(".")[2])]
from senga.arch.files.locking import locked
with locked(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_has_one_holder_and_is_free_after_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(HeldError, match="another process holds it"), locked(path, 0.02):
        pass
    with locked(path, 0):
        pass
    assert issubclass(HeldError, SengaError)


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with locked(tmp_path / "lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.002)  # for the other threads to come in, if they could
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(ROOT), str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(HeldError), locked(path, 0):
        pass
    holder.kill()
    holder.communicate()
    with locked(path, 5):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_drive_without_locks_is_used_without(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(locking, "_try", refuse)
    with locked(tmp_path / "lock", 0), locked(tmp_path / "lock", 0):
        pass


def test_another_fault_of_the_system_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(locking, "_try", refuse)
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path / "lock"):
        pass


def test_on_windows_the_first_byte_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Windows' own call as its documentation has it: PermissionError while the byte is locked."""
    held: set[int] = set()

    def lock(file: int, mode: int, count: int) -> None:
        assert (mode, count, os.lseek(file, 0, os.SEEK_CUR)) == (2, 1, 0)
        if held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.add(file)

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=lock))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location(
        "senga.arch.files.locking_on_windows", ROOT / "arch" / "files/locking.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.locked(tmp_path / "lock", 0), pytest.raises(module.HeldError), module.locked(tmp_path / "lock", 0.02):
        pass
