"""How processes of several machines take turns and wait for each other, and which checkpoint they take up."""

import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sample_processes import Member, together
from senga.arch import SengaError
from senga.training.run import threads
from senga.training.run.checkpoints import RunState
from senga.training.run.devices import make_fabric
from senga.training.run.ema import EMA
from senga.training.run.entry import to_its_end
from senga.training.run.processes import (
    AgreedError,
    Processes,
    end_connections_to_lost_machines,
    leave,
    lost_peers,
)
from senga.training.run.run_folder import RunFolder
from senga.training.run.stopping import EndedError
from senga.training.run.storage import owners
from senga.training.run.threads import pick_threads
from torch import distributed, nn


def failing(processes: Processes) -> None:
    def work() -> None:
        if processes.rank == 1:
            raise SengaError("data: there is no such folder")

    processes.agreed(work)


def test_an_error_of_one_process_is_raised_by_all_and_says_where_it_was() -> None:
    found = together(failing)
    assert [str(error) for error in found] == ["process 1 on node2: data: there is no such folder"] * 2
    assert all(isinstance(error, AgreedError) for error in found)


def test_an_error_of_all_is_named_without_a_place() -> None:
    def work() -> None:
        raise SengaError("data.batch is 3")

    assert [str(error) for error in together(lambda processes: processes.agreed(work))] == ["data.batch is 3"] * 2


def test_an_error_meets_those_that_are_further_along() -> None:
    """One fails before it tells the others something that they wait for."""

    def work(processes: Processes) -> list[int]:
        def inside() -> list[int]:
            if processes.rank == 0:
                raise SengaError("posts.json: is damaged")
            return processes.gather(7)

        return processes.agreed(inside)

    assert [str(error) for error in together(work)] == ["process 0 on node1: posts.json: is damaged"] * 2


@pytest.mark.parametrize(("apart", "turns"), [(False, [[0], [2], [1, 3]]), (True, [[0, 2], [1, 3]])])
def test_the_first_of_each_machine_looks_before_the_rest(apart: bool, turns: list[list[int]]) -> None:
    seen: list[int] = []

    def work(processes: Processes) -> int:
        def look() -> int:
            time.sleep({0: 0.06, 2: 0.03}.get(processes.rank, 0))  # those of a later turn would overtake
            seen.append(processes.rank)
            return processes.rank

        return processes.in_turns(look, apart=apart)

    assert together(work, 4, each=2) == [0, 1, 2, 3]
    order = iter(seen)
    assert [sorted(next(order) for _ in turn) for turn in turns] == turns


def test_a_part_of_the_pictures_keeps_its_place_whichever_machine_is_the_first() -> None:
    held = {0: "b", 1: "a"}
    assert together(lambda processes: processes.place(held[processes.machine]), 4, each=2) == [2, 3, 0, 1]
    assert together(lambda processes: processes.place("ab"[processes.machine]), 4, each=2) == [0, 1, 2, 3]


def run_state(processes: Processes, folder: Path, value: float = 0.0) -> RunState:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, value)
    held = RunFolder(folder, ("step",), 3)
    return RunState(processes, held, "{}", {"net": net}, EMA(net, 0.9))


def weight(state: RunState) -> float:
    return state.parts["net"].weight.item()


def test_a_shared_folder_has_one_writer_and_each_other_disk_its_own(tmp_path: Path) -> None:
    def work(processes: Processes) -> list[int]:
        return owners(processes, tmp_path / "ab"[processes.machine])

    assert together(work, 4, each=2) == [[0, 0, 2, 2]] * 4
    assert together(lambda processes: owners(processes, tmp_path / "a"), 4, each=2) == [[0] * 4] * 4
    assert list(tmp_path.rglob("*.tmp")) == []


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The groups in which processes have exchanged values."""
    exchange = Member._exchange
    seen: list[Any] = []
    monkeypatch.setattr(Member, "_group", "patient")
    monkeypatch.setattr(Member, "_prompt", "prompt")
    monkeypatch.setattr(Member, "_exchange", lambda self, value: seen.append(self._group) or exchange(self, value))
    return seen


def test_one_that_works_alone_is_waited_for_by_the_rest_and_does_not_wait_as_long_for_them(seen: list[Any]) -> None:
    together(lambda processes: processes.meet_after_the_first())
    assert seen == ["patient"] * 2 + ["prompt"] * 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_checkpoint_is_waited_for_no_longer_than_gradients(tmp_path: Path, seen: list[Any], shared: bool) -> None:
    def work(processes: Processes) -> int:
        state = run_state(processes, tmp_path / ("0" if shared else str(processes.rank)))
        state.save()
        found = seen.count("prompt")
        processes.meet()
        return found

    assert min(together(work)) >= 2
    assert set(seen[-2:]) == {"patient"}  # after it as before


@pytest.mark.parametrize("shared", [True, False])
def test_checkpoints_are_those_of_the_first_process_on_every_disk(tmp_path: Path, shared: bool) -> None:
    def work(processes: Processes) -> None:
        state = run_state(processes, tmp_path / ("0" if shared else str(processes.rank)), value=0.5)
        state.step = 4
        state.ema.values["weight"].fill_(10.0 + processes.rank)  # as statistics of a process's own pictures
        state.save()

    assert together(work) == [None, None]
    found = sorted(tmp_path.rglob("checkpoint-*.pt"))
    assert len(found) == (1 if shared else 2)
    for path in found:
        assert torch.load(path, weights_only=True)["average"]["weight"].item() == 10.0


def test_the_newest_checkpoint_of_all_disks_is_taken_with_what_belongs_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = together(lambda processes: processes, 1)[0]
    for step, name in ((4, "0"), (8, "1")):
        state = run_state(alone, tmp_path / name, value=float(step))
        state.step = step
        state.save()
        (tmp_path / name / "curve.csv").write_text(f"step\n{step}\n")

    def work(processes: Processes) -> tuple[int, float]:
        state = run_state(processes, tmp_path / str(processes.rank))
        assert state.load(100)
        return state.step, weight(state)

    assert together(work) == [(8, 8.0), (8, 8.0)]
    assert (tmp_path / "0" / "curve.csv").read_text() == "step\n8\n"
    assert "the newest checkpoint is with process 1 on node2" in caplog.text


def test_weights_that_drift_apart_are_made_those_of_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work(processes: Processes) -> float:
        state = run_state(processes, tmp_path, value=1.0 if processes.rank else 2.0)
        state.save()
        return weight(state)

    assert together(work) == [2.0, 2.0]
    assert "step 0: the weights of process 1 on node2 differ from those of process 0 on node1" in caplog.text


def test_all_use_the_threads_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    RunFolder(tmp_path / "0", ("step",), 1).write_json("environment.json", {"threads": 1})

    def work(processes: Processes) -> int:
        folder = RunFolder(tmp_path / str(processes.rank), ("step",), 1)
        return pick_threads(0, folder, 1000, torch.device("cpu"), lambda: pytest.fail("a trial"), [], processes)

    assert together(work) == [1, 1]


def test_each_says_the_number_of_threads_that_the_trial_of_the_first_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    monkeypatch.setattr(threads, "trial", lambda step, counts: step())
    caplog.set_level("INFO", "senga")

    def work(processes: Processes) -> int:
        folder = RunFolder(tmp_path / str(processes.rank), ("step",), 1)
        return pick_threads(0, folder, 1000, torch.device("cpu"), lambda: 2 - processes.rank, [], processes)

    assert together(work) == [2, 2]
    assert caplog.messages == ["threads: the run uses 2"] * 2


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WORLD_SIZE": "3"}, "data.batch is 4; expected a multiple of the 3 processes"),
        (
            {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "2"},
            "torchrun started 1 of 4 processes here; expected the same number on each of the 2 machines: give all of"
            " them the same --nproc-per-node",
        ),
    ],
)
def test_processes_that_cannot_share_a_batch_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SengaError) as found:
        make_fabric("fp32", bf16=False, half=False, batch=4, timeout=5)
    assert str(found.value) == sentence


@pytest.mark.parametrize(
    ("error", "code"), [(None, 0), (EndedError("stopped", 143), 143), (SengaError("disk: is full"), None)]
)
def test_communication_ends_with_the_training_but_not_after_an_error(
    tmp_path: Path, error: SengaError | None, code: int | None
) -> None:
    def train() -> None:
        distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
        if error:
            raise error

    try:
        if code is None:
            with pytest.raises(SengaError, match="disk: is full"):
                to_its_end(train, "senga train")
        else:
            assert to_its_end(train, "senga train") == code
        assert distributed.is_initialized() == (code is None)
    finally:
        leave()


def test_what_torch_says_of_a_lost_process_becomes_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer [::1]:4")
    with pytest.raises(RuntimeError, match="pair"), lost_peers("senga train"):
        raise error  # a process alone has lost nobody
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    said = r"process 1 on .*\(Connection closed by peer .*last checkpoint: senga train$"
    with pytest.raises(SengaError, match=said), lost_peers("senga train"):
        raise error
    with pytest.raises(SengaError, match="Application timeout"), lost_peers("senga train"):
        raise RuntimeError("Application timeout caused pair closure")
    with pytest.raises(RuntimeError, match="shapes"), lost_peers("senga train"):
        raise RuntimeError("shapes do not fit")


@pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")
def test_connections_to_a_machine_without_power_end_after_the_timeout(tmp_path: Path) -> None:
    assert sys.platform == "linux"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
        server.accept()[0] as other,
        (tmp_path / "a.txt").open("w"),
    ):
        before = [*Path("/proc/self/fd").iterdir()]
        end_connections_to_lost_machines(600)
        assert len([*Path("/proc/self/fd").iterdir()]) == len(before)
        for end in (one, other):
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 600_000
            first, further = (
                end.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
            )
            assert first + further < 600  # a probe has been sent by then
        one.sendall(b"still open")
        assert other.recv(99) == b"still open"
