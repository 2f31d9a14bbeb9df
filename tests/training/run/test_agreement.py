"""What processes of several machines have to agree on before they train."""

from typing import Any

import pytest
import torch
from sample_processes import together
from senga.arch import SengaError
from senga.training.run import agreement
from senga.training.run.agreement import agree_on_pictures, check_alike
from senga.training.run.processes import Processes
from senga.training.tagger.vocabulary import add_up

SETTINGS = {"name": "x", "data": {"folder": "here", "patch": 16}, "optim": {"steps": 10}}


@pytest.mark.parametrize(
    ("section", "value", "said"),
    [
        ("data", {"folder": "there", "patch": 16}, None),  # each machine's own business
        (
            "optim",
            {"steps": 20},
            "process 1 on node2 differs from process 0 on node1: optim.steps is 20, not 10; start every machine with"
            " the same settings",
        ),
        (
            "data",
            {"folder": "here"},
            "process 1 on node2 differs from process 0 on node1: data.patch is missing, not 16; start every machine"
            " with the same settings",
        ),
    ],
)
def test_settings_that_differ_are_named(section: str, value: Any, said: str | None) -> None:
    def work(processes: Processes) -> None:
        check_alike(processes, SETTINGS | ({section: value} if processes.rank else {}))

    assert [error and str(error) for error in together(work)] == [said] * 2


def test_another_torch_or_other_code_is_named() -> None:
    here = agreement.programs()
    assert here["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert len(here["Senga's code"]) == 12
    there = here | {"torch": "2.1.0", "Senga's code": "0123456789ab"}
    with pytest.raises(SengaError) as found:
        agreement.compare([("process 0 on a", here), ("process 1 on b", there)], "install the same")
    code, version = here["Senga's code"], here["torch"]
    assert str(found.value) == (
        f"process 1 on b differs from process 0 on a: Senga's code is 0123456789ab, not {code}, torch is 2.1.0, not"
        f" {version}; install the same"
    )


def agree(parts: bool, *hashes: str) -> list[Any]:
    def work(processes: Processes) -> Any:
        licences = ["CC0", "MIT"][: processes.rank + 1]
        return agree_on_pictures(processes, hashes[processes.machine], licences, 10 + processes.rank, per_host=parts)

    return together(work, len(hashes))


def test_pictures_that_differ_are_named_unless_each_machine_has_its_part() -> None:
    assert [str(error) for error in agree(False, "a1", "b2")] == [
        "the pictures differ: process 0 on node1 has 10 to train on (hash a1), process 1 on node2 has 11 (b2); give"
        " every machine the same files, or set data.per_host = true where each has its own part"
    ] * 2
    assert [(one.sha256, one.place) for one in agree(False, "a1", "a1")] == [("a1", 0), ("a1", 1)]
    one, two = agree(True, "b2", "a1")
    assert (one.place, two.place) == (1, 0)
    assert one.sha256 == two.sha256 == agree(True, "a1", "b2")[0].sha256
    assert one.licences == two.licences == ("CC0", "MIT")
    for error in agree(True, "a1", "b2", "a1"):
        assert str(error) == (
            "data.per_host is true, but process 2 on node3 has the same pictures as another machine; give each its own"
            " part, or leave data.per_host out"
        )


def test_counts_of_parts_are_added_up() -> None:
    parts = [[("hat", "general", 3), ("x", "character", 1)], [("hat", "general", 4), ("hat", "character", 2)]]
    assert add_up(parts) == [("hat", "character", 2), ("hat", "general", 7), ("x", "character", 1)]
