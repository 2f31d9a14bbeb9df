"""Sound workflows with parts removed or replaced at random, by kept seeds: they run or end in one of our sentences."""

import copy
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from repository import ROOT
from senga.headless.errors import SengaError
from senga.headless.server.definitions import classes_of, titles_of
from senga.headless.workflow.budget import check_memory
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.graph import NodeClasses
from senga.headless.workflow.node_classes import TITLES, all_nodes
from senga.headless.workflow.read import read_workflow
from senga.headless.workflow.validate import validate

SAVED = ROOT / "tests" / "headless" / "workflow" / "editor"
INFO: dict[str, Any] = json.loads((SAVED / "object_info.json").read_text(encoding="utf-8"))
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAVED.glob("*.json"))]
SOUND = [case[form] for case in CASES for form in ("workflow", "prompt") if form in case]
VALUES: list[Any] = [None, True, 0, -1, 1.5, 10**30, "", "x", "-10", [], {}, [1], ["1", 0], {"a": 1}, [["a"]]]
VALUES += [float("nan"), float("inf"), "a\x00b", "\ud800", "a" * 300]


def spots(data: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: (its object or list, the key or index in it)."""
    found: list[tuple[Any, Any]] = []
    stack = [data]
    while stack:
        there = stack.pop()
        for key, value in there.items() if isinstance(there, dict) else enumerate(there):
            found.append((there, key))
            if isinstance(value, dict | list):
                stack.append(value)
    return found


def mutated(data: Any, rng: random.Random) -> Any:
    data = copy.deepcopy(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        if there := spots(data):
            holder, key = rng.choice(there)
            if isinstance(holder, dict) and rng.random() < 0.2:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
    return data


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "input").mkdir()
    for name in ("senga_lucy.png", "example.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "input" / name)
    return Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")


def fault(path: Path, nodes: NodeClasses, titles: Mapping[str, str]) -> list[str]:
    """The lines of our own error, or nothing. Any other error fails the test."""
    try:
        read = validate(read_workflow(path, nodes, titles), nodes)
        if titles is TITLES:  # a server has memory of its own
            check_memory(read, nodes, 10**9)
    except SengaError as error:
        return str(error).splitlines() or [""]
    return []


@pytest.mark.parametrize("decade", range(0, 200, 10))
def test_a_mutated_workflow_ends_in_a_sentence(decade: int, folders: Folders, tmp_path: Path) -> None:
    nodes = all_nodes(folders)
    for seed in range(decade, decade + 10):
        rng = random.Random(seed)
        path = tmp_path / "w.json"
        path.write_text(json.dumps(mutated(rng.choice(SOUND), rng)))
        lines = fault(path, nodes, TITLES)
        assert all(0 < len(line) < 1500 for line in lines), seed


@pytest.mark.parametrize("seed", range(60))
def test_mutated_node_classes_of_a_server_end_in_a_sentence(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    info = mutated({kind: INFO[kind] for kind in ("LoadImage", "SengaUpscale", "SaveImage")}, rng)
    path = tmp_path / "w.json"
    path.write_text(json.dumps(rng.choice(SOUND)))
    try:
        nodes, titles = classes_of(info), titles_of(info)
    except SengaError as error:
        lines = str(error).splitlines()
    else:
        lines = fault(path, nodes, titles)
    assert all(0 < len(line) < 1500 for line in lines)
