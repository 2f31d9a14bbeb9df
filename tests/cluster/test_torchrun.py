"""Trainings by torchrun on two machines: with a shared disk, with parts of the pictures, and with different ones.

Run by `pytest -m cluster`. In fp32 on CPUs with one thread each, all of it is bit for bit.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_picture_sets import drawing
from sample_tag_sets import table
from sample_training_hosts import (
    SR,
    STATIC,
    STEPS,
    TAGGER,
    Machine,
    begun,
    both,
    finish,
    good,
    same,
    two_disks,
    weights,
    words,
    write_settings,
)

pytestmark = pytest.mark.cluster


def test_two_machines_with_a_shared_disk_learn_what_two_processes_of_one_learn(
    pair: tuple[Machine, Machine], reference: Path
) -> None:
    first, second = both(pair, (reference, reference), SR + words("two"))
    assert same(reference, "two", reference, STEPS)
    assert weights(first) == weights(second) != []
    assert "process 1 on node2" in second
    assert len(list((reference / "runs" / "two").glob("*.safetensors"))) == 1


def test_a_tagger_learns_the_same_on_two_machines(pair: tuple[Machine, Machine], disk: Path) -> None:
    good(pair[0].start("torchrun --standalone --nproc-per-node 2 " + TAGGER + words("tags_one"), disk))
    first, second = both(pair, (disk, disk), TAGGER + words("tags_two"))
    assert same(disk, "tags_two", disk, 4, "tags_one")
    assert weights(first) == weights(second) != []


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Disks of two machines with nothing in common: pictures, tagged pictures and settings of their own."""
    found = []
    for number in range(2):
        folder = tmp_path_factory.mktemp(f"disk{number}")
        (folder / "art").mkdir()
        for i in range(6):
            drawing(220, 100 * number + i).save(folder / "art" / f"{number}_{i}.png")
        write_settings(folder)
        table(folder / "tags", 40 + 10 * number)
        found.append(folder)
    return found[0], found[1]


@pytest.mark.parametrize("training", [SR, TAGGER], ids=["sr", "tagger"])
def test_machines_with_parts_of_the_pictures_learn_what_one_learns_with_the_same_parts(
    pair: tuple[Machine, Machine], parts: tuple[Path, Path], training: str
) -> None:
    steps, shown = (STEPS, "one") if training == SR else (4, "tags_one")
    apart = "data.per_host=true"
    alone = (pair[0], pair[0])
    both(alone, parts, training + words(shown, apart))
    said = both(pair, parts, training + words(f"{shown}_apart", apart))
    assert weights(said[0]) == weights(said[1]) != []
    for folder in parts:  # the disk without the first process has its checkpoints, too
        assert same(folder, f"{shown}_apart", parts[0], steps, shown)
    assert not list((parts[1] / "runs").rglob("*.safetensors"))


def test_the_first_machine_chooses_the_threads_of_all(pair: tuple[Machine, Machine], reference: Path) -> None:
    changes = words("trial", "optim.steps=400", "run.save_every=2")
    commands = [STATIC.format(rank=rank, leads="node1") + SR + changes for rank in range(2)]
    started = [m.start(one, reference, OMP_NUM_THREADS="") for m, one in zip(pair, commands, strict=True)]
    begun(reference / "runs" / "trial")
    started[0].terminate()  # as Slurm does at the end of a job's time
    (code, first), (_, second) = finish(*started)
    assert code != 0
    found = [re.findall(r"the run uses (\d+)", said) for said in (first, second)]
    assert "stopped by SIGTERM at step" in first
    recorded = json.loads((reference / "runs" / "trial" / "environment.json").read_text())["threads"]
    assert found == [[str(recorded)]] * 2, first + second


def _other_pictures(folder: Path) -> None:
    shutil.rmtree(folder / "art")
    for i in range(9):
        (folder / "art").mkdir(exist_ok=True)
        drawing(220, i).save(folder / "art" / f"{i}.png")


def _no_pictures(folder: Path) -> None:
    shutil.rmtree(folder / "art")


def _longer(folder: Path) -> None:
    path = folder / "tiny.toml"
    path.write_text(path.read_text().replace(f"steps = {STEPS}", "steps = 99"))


def _other_version(folder: Path) -> None:
    (folder / "einops-0.1.dist-info").mkdir()
    (folder / "einops-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: einops\nVersion: 0.1\n")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            _other_pictures,
            r"the pictures differ: process 0 on node1 has 4 to train on \(hash \w+\), process 1 on node2 has \d"
            r" \(\w+\); give every machine the same files, or set data\.per_host = true where each has its own part",
        ),
        (_no_pictures, r"process 1 on node2: art: there is no such folder; name a folder of pictures"),
        (
            _longer,
            r"process 1 on node2 differs from process 0 on node1: optim\.steps is 99, not 60; start every machine with"
            r" the same settings",
        ),
        (
            _other_version,
            r"process 1 on node2 differs from process 0 on node1: einops is 0\.1, not [\d.]+; install the same"
            r" versions on every machine",
        ),
    ],
    ids=["pictures", "missing", "settings", "versions"],
)
def test_what_differs_between_machines_is_a_sentence_on_each(
    pair: tuple[Machine, Machine],
    reference: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    sentence: str,
) -> None:
    folders = two_disks(reference, tmp_path)
    change(folders[1])
    path = os.pathsep.join([str(folders[1]), pair[1].host.environment["PYTHONPATH"]])
    commands = [STATIC.format(rank=rank, leads="node1") + SR + words("no") for rank in range(2)]
    found = finish(pair[0].start(commands[0], folders[0]), pair[1].start(commands[1], folders[1], PYTHONPATH=path))
    for code, said in found:
        assert code != 0
        assert re.search(f"(?m)^{sentence}", said), said
