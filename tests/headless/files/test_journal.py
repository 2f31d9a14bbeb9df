"""The journal of results: lines that survive interruptions and other runs, and what they say about a file."""

import dataclasses
import hashlib
import json
import os
import threading
from pathlib import Path

import pytest
from senga.arch.files.atomic import replacing
from senga.arch.files.locking import HeldError
from senga.headless.files.journal import (
    FRESH,
    LOCK,
    NAME,
    Content,
    Journal,
    Record,
    State,
    content_of,
    holds,
    sha256_of,
    state_of,
    written_content,
)
from senga.headless.files.plan import Job

SETTINGS = {"command": "upscale", "model": "m", "scale": 2.0}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"source")
    Path("b.png").write_bytes(b"result")


def record(name: str = "b.png", **settings: object) -> Record:
    return Record(name, content_of(Path("b.png")), content_of(Path("a.png")), {**SETTINGS, **settings})


def state(**settings: object) -> State:
    return state_of(Job(Path("a.png"), Path("b.png"), "png", settings={**SETTINGS, **settings}), Journal())


def test_a_record_is_one_line_that_reads_back() -> None:
    one = record("線画 \udcff\n.png", prefix="“", none=None)
    line = one.to_line()
    assert b"\n" not in line
    assert Record.from_line(line) == one


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format": 1, "file": "a"}', b"\xff"])
def test_damaged_lines_and_those_of_later_versions_are_passed_over(line: bytes) -> None:
    assert Record.from_line(line) is None


def test_a_line_that_was_cut_off_costs_itself_alone() -> None:
    whole = record().to_line()
    Path(NAME).write_bytes(b"\n" + record("x.png").to_line() + b"\n" + whole[:50])
    Journal().add(Path(), record())
    journal = Journal()
    assert journal.records(Path("x.png")) == [record("x.png")]
    assert journal.records(Path("b.png")) == [record()]


def test_lines_of_several_runs_do_not_mix() -> None:
    def run(number: int) -> None:
        journal = Journal()
        for i in range(50):
            journal.add(Path(), record(f"{number}-{i}.png", padding="x" * 1000))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = Journal()
    assert all(len(journal.records(Path(f"{n}-{i}.png"))) == 1 for n in range(4) for i in range(50))


def test_a_journal_reads_what_other_runs_add(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Journal(), Journal()
    assert ours.records(Path("b.png")) == []
    theirs.add(Path(), record())
    assert ours.records(Path("b.png")) == []
    ours.refresh(Path())
    assert ours.records(Path("b.png")) == [record()]
    theirs.add(Path(), record("c.png"))
    monkeypatch.setattr(Record, "from_line", classmethod(lambda cls, line: lines.append(line)))
    lines: list[bytes] = []
    ours.refresh(Path())
    assert lines == [b"", record("c.png").to_line()]  # no line twice


def test_one_run_at_a_time_changes_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senga.arch.files.locking.locked.__wrapped__.__defaults__", (0.01,))
    with Journal().writing(Path()), pytest.raises(HeldError), Journal().writing(Path()):
        pytest.fail("two runs hold the folder")
    with Journal().writing(Path()):
        pass


def test_a_journal_that_another_run_has_replaced_is_read_from_its_beginning() -> None:
    journal = Journal()
    Journal().add(Path(), record())
    assert journal.records(Path("b.png"))
    lines = [b"\n" + record(name).to_line() for name in ("c.png", "d.png", "e.png")]
    with replacing(Path(NAME)) as temporary:
        temporary.write_bytes(b"".join(lines))  # no shorter than before
    journal.refresh(Path())
    assert journal.records(Path("c.png")) == [record("c.png")]
    assert journal.records(Path("b.png")) == []


def test_a_journal_full_of_repetitions_is_compacted_when_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senga.headless.files.journal.SURPLUS", 20)
    journal = Journal()
    for turn in range(10):
        for scale in (2.0, 3.0):
            journal.add(Path(), record(scale=scale))
        journal.add(Path(), record("c.png", turn=turn))
    before = Path(NAME).stat().st_size
    assert Journal().records(Path("b.png"))
    assert Path(NAME).stat().st_size < before / 2
    assert state(scale=2.0) is state(scale=3.0) is State.DONE
    assert [one.settings["turn"] for one in Journal().records(Path("c.png"))] == list(range(2, 10))
    # A run that has read the long one goes on with the short one.
    Journal().add(Path(), record("d.png"))
    journal.refresh(Path())
    assert journal.records(Path("d.png")) == [record("d.png")]
    again = Path(NAME).read_bytes()
    Journal().records(Path("b.png"))
    assert Path(NAME).read_bytes() == again
    assert sorted(path.name for path in Path().iterdir()) == [NAME, LOCK, "a.png", "b.png"]


def test_what_killed_runs_left_goes_a_day_later() -> None:
    for name in (".senga_0a.tmp", ".senga_1b.tmp", "x.tmp"):
        Path(name).touch()
    for name in (".senga_0a.tmp", "x.tmp"):
        os.utime(name, (1, 1))
    Journal().records(Path("b.png"))
    assert sorted(path.name for path in Path().glob("*.tmp")) == [".senga_1b.tmp", "x.tmp"]
    Journal().records(Path("nowhere/b.png"))


def test_a_journal_that_is_not_ours_to_write_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senga.headless.files.journal.SURPLUS", 2)
    for _ in range(9):
        Journal().add(Path(), record())
    before = Path(NAME).read_bytes()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("senga.headless.files.journal.locked", refuse)
    assert state() is State.DONE
    assert Path(NAME).read_bytes() == before


def test_the_states_of_a_result() -> None:
    assert state() is State.FOREIGN
    Journal().add(Path(), record())
    assert state() is State.DONE
    assert state(scale=3.0) is State.OUTDATED
    assert state(command="degrade") is State.FOREIGN
    Path("a.png").write_bytes(b"another source")
    assert state() is State.OUTDATED
    Path("a.png").unlink()
    assert state() is State.OUTDATED
    Path("b.png").write_bytes(b"edited")
    assert state() is State.FOREIGN
    Path("b.png").write_bytes(b"")  # of a process that was killed while it took the name
    assert state() is State.ABSENT
    Path("b.png").unlink()
    assert state() is State.ABSENT


def test_of_equal_results_made_with_different_settings_each_is_known() -> None:
    for scale in (2.0, 3.0):
        Journal().add(Path(), record(scale=scale))
    assert state(scale=2.0) is state(scale=3.0) is State.DONE


def test_a_job_of_two_files_is_done_when_both_are() -> None:
    job = Job(Path("a.png"), Path("b.png"), "png", also=(Path("b.json"),), settings=SETTINGS)
    Journal().add(Path(), record())
    assert state_of(job, Journal()) is State.OUTDATED
    Path("b.json").write_bytes(b"{}")
    assert state_of(job, Journal()) is State.FOREIGN
    Journal().add(Path(), dataclasses.replace(record("b.json"), result=content_of(Path("b.json"))))
    assert state_of(job, Journal()) is State.DONE


def test_a_file_is_known_by_its_content_and_read_only_where_its_time_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    known = content_of(Path("b.png"))
    os.utime("b.png", ns=(1, 1))
    assert holds(Path("b.png"), known)
    Path("b.png").write_bytes(b"resulT")
    os.utime("b.png", ns=(2, 2))
    assert not holds(Path("b.png"), known)
    assert not holds(Path("nowhere.png"), known)
    monkeypatch.setattr("senga.headless.files.journal.sha256_of", lambda path: pytest.fail("it was read"))
    stat = Path("b.png").stat()
    assert holds(Path("b.png"), Content("whatever", stat.st_size, stat.st_mtime_ns))
    assert not holds(Path("b.png"), Content("whatever", stat.st_size + 1, 0))


def test_a_picture_changed_right_after_it_was_read_is_noticed_though_its_time_stays() -> None:
    path = Path("b.png")
    known = content_of(path)
    stat = path.stat()
    path.write_bytes(b"Result")
    os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))  # as on a drive that rounds times
    assert not holds(path, known)
    old = stat.st_mtime_ns - 10 * FRESH
    os.utime(path, ns=(old, old))
    assert content_of(path).mtime_ns == old


def test_the_content_of_what_was_written_is_that_of_the_file() -> None:
    os.utime("b.png", ns=(1, 1))  # long ago
    assert written_content(Path("b.png")) == content_of(Path("b.png"))
    assert sha256_of(Path("b.png")) == hashlib.sha256(b"result").hexdigest()


def test_a_journal_holds_no_folder_s_name() -> None:
    Journal().add(Path.cwd(), record())
    assert str(Path.cwd()) not in Path(NAME).read_text(encoding="ascii")
    assert json.loads(Path(NAME).read_bytes())["file"] == "b.png"
