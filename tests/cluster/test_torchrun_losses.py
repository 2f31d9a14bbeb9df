"""Trainings by torchrun on two machines, of which one is lost: what goes on, and what the other one says.

Run by `pytest -m cluster`. In fp32 on CPUs with one thread each, all of it is bit for bit.
"""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from sample_cluster import until
from sample_training_hosts import SR, STATIC, STEPS, Machine, begun, finish, good, same, two_disks, words

pytestmark = pytest.mark.cluster

ELASTIC = (
    "torchrun --nnodes {least}:2 --max-restarts 3 --monitor-interval 0.5 --rdzv-backend c10d --rdzv-id {id}"
    " --rdzv-endpoint {leads}:29400 --rdzv-conf last_call_timeout={wait},join_timeout=60 "
)
# torchrun keeps the address of the first round's store, which a machine that comes back does not find; the docs set it
REJOIN = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def test_a_killed_process_goes_on_bit_for_bit(pair: tuple[Machine, Machine], reference: Path) -> None:
    command = ELASTIC.format(least=2, id="killed", leads="node1", wait=1) + SR + words("killed")
    started = [machine.start(command, reference, **REJOIN) for machine in pair]
    begun(reference / "runs" / "killed")
    (worker,) = pair[1].workers()
    os.kill(worker, signal.SIGKILL)
    first, _ = good(*started)
    assert re.search(r"going on from step [1-9]", first)
    assert same(reference, "killed", reference, STEPS)


def test_a_machine_that_dies_and_comes_back_goes_on_bit_for_bit_without_a_shared_disk(
    pair: tuple[Machine, Machine], reference: Path, tmp_path: Path
) -> None:
    """The machine of the first process dies, with its disk; the other one has the checkpoints."""
    folders = two_disks(reference, tmp_path)
    changes = SR + words("dead", "run.timeout=6")
    command = ELASTIC.format(least=2, id="dead", leads="node2", wait=1) + changes
    second = pair[1].start(command, folders[1], **REJOIN)
    first = pair[0].start(command, folders[0], **REJOIN)
    begun(folders[1] / "runs" / "dead")
    pair[0].cut_off()
    first.wait()
    shutil.rmtree(folders[0] / "runs")
    pair[0].connect()
    said, _ = good(pair[0].start(command, folders[0], **REJOIN), second)
    assert "the newest checkpoint is with process 1 on node2" in said
    assert (folders[0] / "runs" / "dead" / "dead.safetensors").is_file()
    assert (folders[0] / "runs" / "dead" / "curve.csv").read_text().count("\n") == 3
    assert same(folders[0], "dead", reference, STEPS)


def test_when_a_machine_is_lost_the_other_goes_on_alone_as_one_process_would(
    pair: tuple[Machine, Machine], reference: Path
) -> None:
    runs = reference / "runs"
    changes = words("left", "run.timeout=6", "run.keep=99")
    command = ELASTIC.format(least=1, id="left", leads="node1", wait=4) + SR + changes
    first, second = (machine.start(command, reference, **REJOIN) for machine in pair)
    begun(runs / "left")
    pair[1].cut_off()
    second.wait()
    (said,) = good(first)
    pair[1].connect()
    found = re.search(r"going on from step (\d+)", said)
    assert found
    step = int(found[1])
    assert 6 <= step < STEPS
    (runs / "alone").mkdir()
    shutil.copy(runs / "left" / f"checkpoint-{step:07d}.pt", runs / "alone")
    good(pair[0].start("python " + SR + words("alone"), reference))
    assert same(reference, "left", reference, STEPS, "alone")


def test_a_machine_that_does_not_answer_ends_the_wait_with_a_sentence(
    pair: tuple[Machine, Machine], reference: Path
) -> None:
    changes = words("silent", "run.timeout=5", "optim.steps=5000")
    commands = [STATIC.format(rank=rank, leads="node1") + SR + changes for rank in range(2)]
    started = [machine.start(one, reference) for machine, one in zip(pair, commands, strict=True)]
    begun(reference / "runs" / "silent")
    (worker,) = pair[1].workers()
    os.kill(worker, signal.SIGSTOP)
    ((code, said),) = finish(started[0])
    pair[1].host.kill()
    assert code != 0
    assert re.search(
        r"(?m)^process 0 on node1: another process of this run has ended, cannot be reached or has not answered within"
        r" run\.timeout \(.*[Tt]ime.*\); its own log says why\. Started again on every machine, this goes on from the"
        r" last checkpoint: senga train sr tiny\.toml --set name=silent",
        said,
    ), said


def test_a_machine_that_loses_its_power_while_it_validates_is_noticed(
    pair: tuple[Machine, Machine], reference: Path, tmp_path: Path
) -> None:
    """The first process validates without end: its curve is a pipe that nobody reads. The others wait patiently."""
    folders = two_disks(reference, tmp_path)
    changes = words("dark", "run.timeout=8", "run.validate_every=4", "run.save_every=2", "optim.steps=5000")
    commands = [STATIC.format(rank=rank, leads="node1") + SR + changes for rank in range(2)]
    _, second = (machine.start(one, folder) for machine, one, folder in zip(pair, commands, folders, strict=True))
    run = folders[0] / "runs" / "dark"
    begun(run)
    curve = run / "curve.csv"
    curve.unlink(missing_ok=True)
    os.mkfifo(curve)
    until(lambda: time.time() - max(path.stat().st_mtime for path in run.glob("checkpoint-*.pt")) > 12)
    assert second.poll() is None  # longer than run.timeout
    pair[0].cut_off()
    ((code, said),) = finish(second)
    pair[0].connect()
    assert code != 0
    assert "process 1 on node2: another process of this run has ended, cannot be reached or has not answered" in said
