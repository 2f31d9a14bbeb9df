"""The number of threads: a trial by a stand-in clock, what overrides it, and that a run keeps it."""

from pathlib import Path

import pytest
import torch
from sample_runs import checkpoint, equal, tiny_config
from senga.arch import SengaError
from senga.training.run import threads
from senga.training.run.run_folder import RunFolder
from senga.training.run.settings import read_settings
from senga.training.run.threads import candidates, pick_threads, trial, untouched
from senga.training.sr import train as sr
from senga.training.sr.settings import Settings

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("quick_scores")


class Clock:
    """Moves only when a step is run: by what a step takes with so many threads, and more in the first round."""

    def __init__(self, seconds: dict[int, float], first: float = 0.0) -> None:
        self.now, self.seconds, self.first = 0.0, seconds, first
        self.steps: list[int] = []

    def __call__(self) -> float:
        return self.now

    def step(self) -> None:
        count = torch.get_num_threads()
        self.now += self.seconds[count] + (self.first if count not in self.steps else 0)
        self.steps.append(count)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 0.02, 2: 0.05, 4: 0.3}, 1),  # a small net on a busy machine
        ({1: 0.2, 2: 0.11, 4: 0.06}, 4),
        ({1: 0.1, 2: 0.06, 4: 0.058}, 2),  # the last gains too little
        ({1: 3.0, 2: 1.6, 4: 0.9}, 4),  # one round takes all the time: it has to do
    ],
)
def test_the_quickest_number_is_found_in_two_seconds_or_one_round(seconds, best):
    clock = Clock(seconds)
    assert trial(clock.step, [1, 2, 4], clock) == best
    assert clock.now < 2 + sum(seconds.values()) + max(seconds.values())
    assert clock.steps[:3] == [1, 2, 4]
    assert len(clock.steps) in (3, *range(6, 1000, 3))


def test_the_first_round_does_not_count():
    clock = Clock({1: 0.05, 2: 0.04}, first=0.1)
    clock.steps = [2]  # two threads have taken their memory already
    assert trial(clock.step, [1, 2], clock) == 2
    clock = Clock({1: 0.04, 2: 0.05}, first=0.1)
    clock.steps = [2]
    assert trial(clock.step, [1, 2], clock) == 1


def test_candidates_are_powers_of_two_and_all_cores():
    assert [candidates(cores) for cores in (1, 2, 3, 8, 12)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 12]]


def pick(folder: Path, found: int | None = None, setting: int = 0, left: int = 1000, device: torch.device = CPU) -> int:
    def step() -> None:
        pytest.fail("a trial was made")

    run = RunFolder(folder, ("step",), 1)
    if found is not None:
        run.write_json("environment.json", {"threads": found})
    return pick_threads(setting, run, left, device, step, [])


def test_setting_environment_and_record_come_before_a_trial(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    torch.set_num_threads(2)
    assert pick(tmp_path / "a", found=3) == 3
    assert pick(tmp_path / "b", setting=4) == 4
    assert not caplog.text
    assert pick(tmp_path / "c", found=3, setting=1) == 1
    assert "1 instead of 3 so far" in caplog.text
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert pick(tmp_path / "d") == 2
    assert pick(tmp_path / "e", setting=1) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert pick(tmp_path / "f", left=20) == 2  # too short to be worth it
    assert pick(tmp_path / "g", device=torch.device("meta")) == 2  # not the processor that computes
    assert pick(tmp_path / "h", found=64, left=20) == 2  # from a larger machine


def test_a_trial_is_made_where_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    clock = Clock({1: 0.3, 2: 0.1, 4: 0.2})
    monkeypatch.setattr(threads, "trial", lambda step, counts: trial(step, counts, clock))
    assert pick_threads(0, RunFolder(tmp_path, ("step",), 1), 1000, CPU, clock.step, []) == 2


def test_a_trial_leaves_no_trace_in_nets_and_random_numbers():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1), torch.nn.Dropout(0.5))
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with untouched([net]):
        net(torch.rand(2, 1, 4, 4)).sum().backward()
    assert equal(kept, dict(net.state_dict()))
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.rand(1) == expected


def test_a_run_keeps_its_number_and_is_no_other_run_for_a_trial(tmp_path, art, monkeypatch):
    extra = ["gan.weight=0.1", "gan.features=4"]  # the discriminator has buffers that every step changes
    monkeypatch.setattr(threads, "WORTH", 1)
    monkeypatch.setattr(threads, "trial", lambda step, counts: (step(), step(), 1)[-1])
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    config = tiny_config(tmp_path, art)
    folder = tmp_path / "runs" / "tiny"
    before = torch.get_num_threads()
    sr.train(read_settings(Settings, config, extra), "test")
    assert RunFolder(folder, ("step",), 1).read_json("environment.json")["threads"] == 1
    assert torch.get_num_threads() == before
    whole = checkpoint(folder, 6)
    (folder / "checkpoint-0000006.pt").unlink()
    monkeypatch.setattr(threads, "trial", lambda step, counts: pytest.fail("a second trial"))
    sr.train(read_settings(Settings, config, extra), "test")  # goes on from step 3
    assert equal(whole["net"], checkpoint(folder, 6)["net"])
    sr.train(read_settings(Settings, config, [*extra, "run.threads=1", "name=set"]), "test")  # without a trial
    assert equal(whole["net"], checkpoint(tmp_path / "runs" / "set", 6)["net"])


def test_a_negative_number_is_refused(tmp_path):
    with pytest.raises(SengaError, match=r"run\.threads is -1; expected 0 or more"):
        read_settings(Settings, tiny_config(tmp_path, tmp_path), ["run.threads=-1"])
