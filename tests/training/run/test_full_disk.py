"""A checkpoint that cannot be written: one sentence, no temporary file, and the one before it stays."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from senga.arch import SengaError
from senga.training.run.run_folder import RunFolder

resource = pytest.importorskip("resource", reason="limits of a process are a matter of POSIX systems")

STATE = {"identity": "{}", "weights": torch.zeros(100_000)}  # 400 kB


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run", ("step",), keep=3)
    folder.save({**STATE, "step": 1})
    return folder


@pytest.fixture
def full() -> Iterator[None]:
    """No file may grow beyond 100 kB: the write fails in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(run: RunFolder) -> list[str]:
    return sorted(path.name for path in run.path.iterdir())  # with hidden ones


@pytest.mark.usefixtures("full")
def test_a_checkpoint_that_finds_no_room_names_the_file_the_bytes_and_the_way_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", ("step",), keep=3)
    with pytest.raises(SengaError) as caught:
        run.save({**STATE, "step": 7})
    text = str(caught.value)
    assert text.startswith(f"{run.path / 'checkpoint-0000007.pt'}: the disk is full: the checkpoint needs 40")
    assert text.endswith("it goes on from the beginning")
    assert "\n" not in text
    assert files(run) == []


def test_the_checkpoint_before_stays_and_the_message_names_its_step(run: RunFolder, full: None) -> None:
    with pytest.raises(SengaError, match=r"free space \(a lower run\.keep.*goes on from step 1"):
        run.save({**STATE, "step": 2})
    assert files(run) == ["checkpoint-0000001.pt"]
    state = run.load("{}")
    assert state is not None
    assert state["step"] == 1


def test_the_bytes_that_are_needed_are_those_of_the_file(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (run.path / "checkpoint-0000001.pt").stat().st_size

    def refuse(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SengaError, match=f"needs {size:,} bytes"):
        run.save({**STATE, "step": 2})
    assert files(run) == ["checkpoint-0000001.pt"]


def test_another_fault_of_the_disk_is_not_called_full(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SengaError, match=r"0002\.pt: the checkpoint cannot be written \(Input/output error\)"):
        run.save({**STATE, "step": 2})
    assert files(run) == ["checkpoint-0000001.pt"]
