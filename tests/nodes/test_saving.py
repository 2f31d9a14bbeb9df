"""Numbered names: each given once, however many processes save, and found without listing the folder each time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from repository import ROOT
from senga.nodes import saving
from senga.nodes.save_tags import SengaSaveTags
from senga.nodes.saving import Numbered, next_name, text_writer

EACH = 200
WRITER = """
import importlib.util, sys
from pathlib import Path
root, folder, name, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
spec = importlib.util.spec_from_file_location("senga", root / "__init__.py", submodule_search_locations=[str(root)])
sys.modules["senga"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from senga.nodes.saving import Numbered, text_writer
print("ready", flush=True)
sys.stdin.readline()
for i in range(count):
    text = f"{name} {i}"
    names = Numbered(folder, "p", width=1, height=1)
    print(names.save(i, {".txt": text_writer(text), ".cap": text_writer(text)}), flush=True)
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def start(folder: Path, name: str, count: int) -> "subprocess.Popen[str]":
    call = [sys.executable, "-c", WRITER, str(ROOT), str(folder), name, str(count)]
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process


def begin(*processes: "subprocess.Popen[str]") -> None:
    """Let them write once all of them have imported everything."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def test_of_several_processes_none_replaces_the_files_of_another_and_a_killed_one_leaves_nothing_half(
    tmp_path: Path,
) -> None:
    one, other, killed = start(tmp_path, "one", EACH), start(tmp_path, "other", EACH), start(tmp_path, "k", 10**6)
    begin(one, other, killed)
    stems = one.communicate(timeout=120)[0].split() + other.communicate(timeout=120)[0].split()
    killed.kill()
    killed.communicate()
    assert one.returncode == other.returncode == 0
    assert len(set(stems)) == len(stems) == 2 * EACH
    assert {(tmp_path / f"{stem}.txt").read_text() for stem in stems} == {
        f"{name} {i}" for name in ("one", "other") for i in range(EACH)
    }
    whole = [path for path in tmp_path.iterdir() if not path.name.startswith(".senga_")]
    assert all(path.read_text().startswith(("one ", "other ", "k ")) for path in whole)
    pairs = {path.stem for path in whole if path.suffix == ".cap"}
    alone = {path.stem for path in whole} - pairs
    assert len(alone) <= 1  # of the one that was killed between the two names
    assert all((tmp_path / f"{stem}.txt").read_text() == (tmp_path / f"{stem}.cap").read_text() for stem in pairs)
    # What it left does not stop the next run, which goes on behind everything.
    assert Numbered(tmp_path, "p", width=1, height=1).save(0, {".txt": text_writer("x")}) not in {p.stem for p in whole}


def test_a_name_that_another_program_takes_in_between_is_left_to_it(tmp_path: Path) -> None:
    names = Numbered(tmp_path, "a", width=1, height=1)
    (tmp_path / "a_00001_.png").write_text("theirs")
    (tmp_path / "a_00002_.txt").write_text("theirs")
    stem = names.save(0, {".txt": text_writer("ours"), ".png": text_writer("ours")})
    assert stem == "a_00003_"
    assert (tmp_path / "a_00001_.png").read_text() == (tmp_path / "a_00002_.txt").read_text() == "theirs"
    assert names_in(tmp_path) == ["a_00001_.png", "a_00002_.txt", "a_00003_.png", "a_00003_.txt"]


def test_of_a_pair_with_a_taken_name_neither_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process killed in between would leave a caption of ours beside a picture of others."""
    tried: list[str] = []
    real = saving.publish
    monkeypatch.setattr(saving, "publish", lambda temporary, path: (tried.append(path.name), real(temporary, path)))
    names = Numbered(tmp_path, "a", width=1, height=1)
    (tmp_path / "a_00001_.png").write_text("theirs")
    names.save(0, {".txt": text_writer("ours"), ".png": text_writer("ours")})
    assert tried == ["a_00002_.txt", "a_00002_.png"]


def test_a_pair_whose_second_name_is_taken_at_the_last_moment_moves_on_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = saving.publish

    def publish(temporary: Path, path: Path) -> None:
        if path.name == "a_00001_.png":
            path.write_text("theirs")
        real(temporary, path)

    monkeypatch.setattr(saving, "publish", publish)
    stem = Numbered(tmp_path, "a", width=1, height=1).save(0, {".txt": text_writer("x"), ".png": text_writer("x")})
    assert stem == "a_00002_"
    assert names_in(tmp_path) == ["a_00001_.png", "a_00002_.png", "a_00002_.txt"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "^C"])
@pytest.mark.parametrize("when", ["first file", "second file", "first name", "second name"])
def test_a_failed_save_leaves_neither_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, when: str
) -> None:
    what, part = when.split()[1], {"first": ".txt", "second": ".png"}[when.split()[0]]
    real = saving.publish

    def publish(temporary: Path, path: Path) -> None:
        if what == "name" and path.suffix == part:
            raise failure
        real(temporary, path)

    def writer(ending: str) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_text("half")
            if what == "file" and ending == part:
                raise failure

        return write

    monkeypatch.setattr(saving, "publish", publish)
    names = Numbered(tmp_path, "a", width=1, height=1)
    with pytest.raises(type(failure)):
        names.save(0, {ending: writer(ending) for ending in (".txt", ".png")})
    assert names_in(tmp_path) == []


def test_the_caption_is_there_before_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = saving.publish
    monkeypatch.setattr(saving, "publish", lambda temporary, path: (order.append(path.suffix), real(temporary, path)))
    monkeypatch.setattr(SengaSaveTags, "folder", lambda self: tmp_path)
    SengaSaveTags().save([torch.zeros(1, 2, 2, 3)], ["a"], ["p"])
    assert order == [".txt", ".png"]


def test_ten_thousand_saves_list_their_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: (listed.append(path), real(path))[1])
    for i in range(40):
        stem = Numbered(tmp_path, f"p{i % 2}", width=1, height=1).save(0, {".txt": text_writer("x")})
        assert stem == f"p{i % 2}_{i // 2 + 1:05}_"
    assert len(listed) <= 1


def test_a_folder_that_others_change_is_listed_again(tmp_path: Path) -> None:
    assert Numbered(tmp_path, "p", width=1, height=1).save(0, {".txt": text_writer("x")}) == "p_00001_"
    (tmp_path / "p_00041_.png").touch()
    os.utime(tmp_path, ns=(1, 1))  # the system's clock may be too coarse to show the change at once
    assert next_name(tmp_path, "p", width=1, height=1)[1] == 42
    (tmp_path / "p_00041_.png").unlink()
    os.utime(tmp_path, ns=(2, 2))
    assert next_name(tmp_path, "p", width=1, height=1)[1] == 2


def test_a_prefix_of_many_batch_numbers_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / f"{'1' * 200}x_00001_.png").touch()
    began = time.monotonic()
    assert next_name(tmp_path, "%batch_num%" * 15, width=1, height=1)[1] == 1
    assert time.monotonic() - began < 1
    (tmp_path / "7-7_00004_.png").touch()
    os.utime(tmp_path, ns=(1, 1))
    assert next_name(tmp_path, "%batch_num%-%batch_num%", width=1, height=1)[1] == 5
