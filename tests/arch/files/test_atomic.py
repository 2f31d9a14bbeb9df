"""Files are replaced whole: a failure leaves the old one, and no temporary file stays."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from senga.arch import SengaError
from senga.arch.files import atomic
from senga.arch.files.atomic import publish, replacing, temporary_in


class Held:
    """`Path.replace` as Windows has it while another program holds the file, for the first `refusals` calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusals: int, kind: type[OSError] = PermissionError) -> None:
        self.refusals, self.calls, self.waits = refusals, 0, []
        real = Path.replace

        def replace(source: Path, target: Path) -> Path:
            self.calls += 1
            if self.calls <= self.refusals:
                raise kind(13, "The process cannot access the file")
            return real(source, target)

        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(atomic.time, "sleep", self.waits.append)


def write_half(path: Path, failure: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_text("ne")
        raise failure


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [OSError("the disk is full"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_failure_leaves_the_old_file_and_no_temporary_one(failure, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(failure)):
        write_half(path, failure)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_failure_before_anything_is_written_leaves_nothing(tmp_path):
    with pytest.raises(SengaError, match="no picture"), replacing(tmp_path / "a.txt"):
        raise SengaError("no picture")
    assert names(tmp_path) == []


def test_a_file_that_another_program_holds_for_a_moment_is_replaced(tmp_path, monkeypatch):
    held = Held(monkeypatch, refusals=atomic.TRIES - 1)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert held.calls == atomic.TRIES
    assert held.waits == [atomic.WAIT] * (atomic.TRIES - 1)
    assert names(tmp_path) == ["a.txt"]


def test_a_file_that_another_program_keeps_open_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    held = Held(monkeypatch, refusals=99)
    with (
        pytest.raises(SengaError, match=r"a\.txt: it cannot be replaced .*; close the program that has it open"),
        replacing(path) as temporary,
    ):
        temporary.write_text("new")
    assert held.calls == atomic.TRIES
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_other_errors_of_the_rename_are_not_tried_again(tmp_path, monkeypatch):
    held = Held(monkeypatch, refusals=1, kind=IsADirectoryError)
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert held.calls == 1
    assert names(tmp_path) == []


def test_a_missing_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "a.txt") as temporary:
        temporary.write_text("new")


def test_threads_that_write_one_path_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"

    def write(letter: str) -> None:
        with replacing(path) as temporary:
            temporary.write_text(letter * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, "abcdefgh"))
    assert len(set(path.read_text())) == 1
    assert path.stat().st_size == 10_000
    assert names(tmp_path) == ["a.txt"]


# --- publish ---


def test_publish_takes_a_free_name_and_no_other(tmp_path):
    for content in ("first", "second"):
        with temporary_in(tmp_path) as temporary:
            temporary.write_text(content)
            if content == "first":
                publish(temporary, tmp_path / "a.txt")
            else:
                with pytest.raises(FileExistsError):
                    publish(temporary, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_publish_on_a_drive_without_hard_links(code, tmp_path, monkeypatch):
    def no_links(source, target):
        if Path(target).exists():
            raise FileExistsError(errno.EEXIST, "File exists")
        raise OSError(code, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    test_publish_takes_a_free_name_and_no_other(tmp_path)


def test_publish_without_links_leaves_no_empty_file_where_the_rename_fails(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    Held(monkeypatch, atomic.TRIES)
    with temporary_in(tmp_path) as temporary:
        temporary.write_text("new")
        with pytest.raises(SengaError, match="cannot be replaced"):
            publish(temporary, tmp_path / "a.txt")
    assert names(tmp_path) == []


def test_publish_reports_a_full_disk(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with temporary_in(tmp_path) as temporary:
        temporary.write_text("new")
        with pytest.raises(OSError, match="No space left"):
            publish(temporary, tmp_path / "a.txt")
    assert names(tmp_path) == []
