"""Workflows from strangers: checks take time in proportion to the file, and pictures stay inside their folders."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from bounds import within_bounds
from counting import counted
from PIL import Image
from sample_nodes import ADD, NUMBER, Recorder, make_node, node, own_folder, workflow  # noqa: F401
from senga.headless.cli import OK, USAGE, main
from senga.headless.workflow.core_files import Folders, path_inside
from senga.headless.workflow.graph import MOST_FAULTS, cycles
from senga.headless.workflow.node_classes import all_nodes
from senga.headless.workflow.validate import check

pytestmark = pytest.mark.usefixtures("own_folder")

ANY = make_node({"required": {}, "optional": {"v": ("*",)}}, ("*",), lambda v=None: (v,))
FREE = make_node({"optional": {f"v{i}": ("*",) for i in range(300)}}, ("*",), lambda **given: (0,))
NODES = {"Number": NUMBER, "Add": ADD, "Any": ANY, "Free": FREE, "Out": Recorder().node_class}


def timed_faults(prompt: dict[str, Any]) -> list[str]:
    with within_bounds():
        _, faults = check(prompt, NODES)
    found = [str(fault) for fault in faults]
    assert all(len(fault) < 1500 for fault in found)
    return found


def size(prompt: dict[str, Any]) -> int:
    return sum(1 + len(one["inputs"]) for one in prompt.values())


def ring(count: int, name: str = "n") -> dict[str, Any]:
    return {f"{name}{i}": node("Any", v=[f"{name}{(i or count) - 1}", 0]) for i in range(count)}


def test_a_cycle_of_ten_thousand_nodes_is_one_short_fault() -> None:
    (fault,) = timed_faults({**ring(10_000), "z": node("Out", value=["n5", 0])})
    assert "a cycle: " in fault
    assert "9992 more" in fault


def test_of_thousands_of_cycles_the_first_are_reported() -> None:
    prompt: dict[str, Any] = {}
    for k in range(3_000):
        prompt |= {**ring(3, f"c{k}_"), f"z{k}": node("Out", value=[f"c{k}_0", 0])}
    found = timed_faults(prompt)
    assert len(found) == MOST_FAULTS
    assert all("a cycle: " in fault for fault in found)


def complete(count: int) -> dict[str, Any]:
    return {f"n{i}": node("Free", **{f"v{k}": [f"n{k}", 0] for k in range(count) if k != i}) for i in range(count)}


def test_a_complete_graph_is_one_fault() -> None:
    (fault,) = timed_faults({**complete(300), "z": node("Out", value=["n0", 0])})
    assert "a cycle: " in fault
    assert fault.count("->") == 2  # the shortest


@pytest.mark.parametrize(
    ("small", "large"), [(ring(100), ring(800)), (complete(20), complete(60))], ids=["a cycle", "a complete graph"]
)
def test_a_check_takes_as_many_steps_for_each_link_in_a_larger_graph(
    small: dict[str, Any], large: dict[str, Any]
) -> None:
    few, many = ({**prompt, "z": node("Out", value=["n0", 0])} for prompt in (small, large))
    steps = [counted(lambda prompt=prompt: check(prompt, NODES))[1] / size(prompt) for prompt in (few, many)]
    assert steps[1] < 1.2 * steps[0]


def test_thousands_of_unknown_nodes_and_links_to_nowhere_end_in_the_first_faults() -> None:
    prompt = {f"u{i}": node(f"Nobody{i}" * 200) for i in range(5_000)}
    assert len(timed_faults(prompt)) == MOST_FAULTS
    lost = {f"n{i}": node("Any", v=[f"gone{i}", 0]) for i in range(5_000)}
    lost |= {f"z{i}": node("Out", value=[f"n{i}", 0]) for i in range(5_000)}
    assert len(timed_faults(lost)) == MOST_FAULTS


def test_names_with_control_characters_and_of_any_length_are_shortened() -> None:
    (fault,) = timed_faults({"a\x1b[31m\nb": node("N" * 100_000)})
    assert fault.startswith("node a\\x1b[31m\\nb (NNN")
    assert fault.isprintable()


def test_every_separate_cycle_is_found_and_none_in_what_has_none() -> None:
    prompt = {**ring(3, "a"), **ring(1, "b"), **ring(4, "c"), "d": node("Any", v=["a1", 0]), "e": node("Any", v=1)}
    found = list(cycles(prompt, prompt))
    assert sorted(sorted(set(cycle)) for cycle in found) == [["a0", "a1", "a2"], ["b0"], ["c0", "c1", "c2", "c3"]]
    for cycle in found:
        assert cycle[0] == cycle[-1]
        for source, target in itertools.pairwise(cycle):
            assert [source, 0] in prompt[target]["inputs"].values()
    assert list(cycles({k: prompt[k] for k in ("d", "e")}, ["d", "e"])) == []


def test_ten_thousand_loads_list_the_folder_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = all_nodes(Folders(Path("input"), Path("output"), Path("temp")))
    listed: list[int] = []
    monkeypatch.setattr(nodes["LoadImage"], "_names", classmethod(lambda cls, *_: listed.append(1) or ["a.png"]))
    prompt = {f"l{i}": node("LoadImage", image="a.png") for i in range(5_000)}
    prompt |= {f"p{i}": node("PreviewAny", source=[f"l{i}", 0]) for i in range(5_000)}
    with within_bounds():
        _, faults = check(prompt, nodes)
    assert faults == []
    assert len(listed) == 1


# --- files ---

MB = 10**6
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "w.json"),
    "zeros": (bytes(MB), "is 0"),
    "binary": (bytes(range(256)) * 999, "w.json"),
    "page": (b"<!DOCTYPE html><html>", "w.json"),
    "not closed": (b'{"1": {', "w.json"),
    "a number": (b"5", "w.json"),
    "digits": (b'{"1": ' + b"9" * 5000 + b"}", "w.json"),
    "deep lists": (b"[" * 15 * MB, "w.json"),
    "deep objects": (b'{"a":' * 3 * MB, "w.json"),
    "too large": (b" " * 17 * MB, "w.json"),
    "lists": (b"[" + b"[]," * 5 * MB + b"[]]", "w.json"),
    "texts": (b"[" + b'"ab",' * 3 * MB + b'""]', "w.json"),
    "names": (b"{" + b",".join(b'"%d":1' % i for i in range(MB)) + b"}", "w.json"),
    "empty nodes": (b"{" + b",".join(b'"%d":{}' % i for i in range(300_000)) + b"}", "w.json"),
    "unknown nodes": (
        b"{" + b",".join(b'"%d":{"class_type":"N","inputs":{}}' % i for i in range(100_000)) + b"}",
        "w.json",
    ),
    "of the editor": (
        b'{"nodes":[' + b",".join(b'{"id":%d,"type":"N"}' % i for i in range(100_000)) + b'],"links":[]}',
        "w.json",
    ),
    "links of the editor": (
        b'{"nodes":[],"links":[' + b",".join(b'[%d,%d,0,%d,0,"X"]' % (i, i, i + 1) for i in range(300_000)) + b"]}",
        "w.json",
    ),
    "a long name": (b'{"1":{"class_type":"' + b"x" * 10 * MB + b'","inputs":{}}}', "w.json"),
    "escapes": (b'{"\\u001b[2J\\n":{"class_type":"\\u001b]0;x","inputs":{}}}', "w.json"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_stranger_is_refused_within_the_bounds(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = FILES[name]
    Path("w.json").write_bytes(content)
    before = sorted(map(str, Path().rglob("*")))
    with within_bounds(Path("output")):
        assert main(["run", "w.json"]) == USAGE
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= MOST_FAULTS + 2
    assert all(words in line or "without links; left out" in line for line in lines)
    assert all(len(line) < 600 and line.isprintable() for line in lines)
    assert sorted(map(str, Path().rglob("*"))) == before


# --- files outside the folders ---


def link(path: str, target: Path) -> None:
    try:
        Path(path).symlink_to(target)
    except OSError:
        pytest.skip("this system does not let us make links")


@pytest.mark.parametrize("kind", ["above", "absolute", "link", "linked folder", "above the output"])
def test_a_picture_outside_the_folder_is_read_only_where_that_is_allowed(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("private").mkdir()
    Path("output").mkdir()
    Image.new("RGB", (5, 6)).save("private/p.png")
    if kind == "link":
        link("input/p.png", tmp_path / "private/p.png")
    if kind == "linked folder":
        link("input/sub", tmp_path / "private")
    name = {
        "above": "../private/p.png",
        "absolute": str(tmp_path / "private/p.png"),
        "link": "p.png",
        "linked folder": "sub/p.png",
        "above the output": "../private/p.png [output]",
    }[kind]
    mask = {"4": node("LoadImageMask", image=name, channel="red"), "5": node("PreviewAny", source=["4", 0])}
    assert main(["run", workflow(**mask), "--set", f"1.image={name}"]) == USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("leads out of the folder" in line and "--allow-outside" in line for line in lines)
    assert main(["run", workflow(**mask), "--set", f"1.image={name}", "--allow-outside"]) == OK


def test_a_name_that_no_file_can_have_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    link("input/round", Path("round"))
    for name in ("a\x00.png", "x" * 5000, "round"):
        Path("w.json").write_text(
            json.dumps({"1": node("LoadImage", image=name), "2": node("PreviewAny", source=["1", 0])})
        )
        assert main(["run", "w.json"]) == USAGE
        (line,) = capsys.readouterr().err.splitlines()
        assert "1.image (LoadImage): " in line
        assert len(line) < 300


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    link("input/b.png", tmp_path / "input/a.png")
    assert path_inside(Path("input"), "b.png").is_file()
    assert path_inside(Path("input"), "./a.png").is_file()
