"""The table of training steps by threads: what is measured, under which load, and what the docs say of it."""

import contextlib
import subprocess

import pytest
import torch
from senga.benchmarks import docs_tables, training_threads  # pyright: ignore[reportMissingImports]
from senga.benchmarks.training_threads import CASES, Case, measure  # pyright: ignore[reportMissingImports]


def test_each_network_is_measured_on_the_machine_as_it_is_and_with_busy_cores(monkeypatch) -> None:
    loads, running = [], []

    def times(step, counts, seconds):
        step()
        loads.append(len(running))
        return {count: count * (1.0 + len(running)) for count in counts}

    class Program:
        def __init__(self, *_: object) -> None:
            running.append(self)

        def kill(self) -> None:
            running.remove(self)

        def wait(self) -> None: ...

    monkeypatch.setattr(training_threads, "step_times", times)
    monkeypatch.setattr(subprocess, "Popen", Program)
    threads = torch.get_num_threads()
    rows = measure([Case("tiny", "espcn_7", {"scale": 2}, 8, 1)], [1, 2], 0.1)
    assert rows == [["tiny", "1 x 8 px", "1000", "2000", "3000", "6000", "1", "1"]]
    assert (loads, running) == ([0, 2], [])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.architecture)
def test_each_network_can_make_a_step(case: Case) -> None:
    training_threads.step_of(case._replace(patch=8, batch=1))()


def test_the_docs_name_what_was_measured(monkeypatch, tmp_path, capsys) -> None:
    page = tmp_path / "page.md"
    begin, end = docs_tables.markers(training_threads.PROGRAM)
    page.write_text(f"{begin}-->\n{end}\n", encoding="utf-8")
    monkeypatch.setattr(training_threads, "TRAINING", page)
    monkeypatch.setattr(training_threads, "available_cores", lambda: 1)
    monkeypatch.setattr(training_threads, "step_times", lambda step, counts, seconds: dict.fromkeys(counts, 0.25))
    monkeypatch.setattr(training_threads, "busy", contextlib.nullcontext)
    assert training_threads.main(["--only", "drrn", "--seconds", "2", "--write-docs"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"{begin}--seconds 2 --only drrn -->")
    assert "| DRRN | 8 x 32 px | 250 | 250 | 1 | 1 |" in text
    assert "Compact" not in text
    with pytest.raises(SystemExit, match="2"):
        training_threads.main(["--only", "compakt", "--write-docs"])
    assert page.read_text(encoding="utf-8") == text
