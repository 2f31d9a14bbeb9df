"""Reading a workflow file: what is not a workflow is reported in one sentence that names the file."""

import json
from pathlib import Path

import pytest
from sample_nodes import node
from senga.headless.errors import UsageError
from senga.headless.workflow.graph import needed
from senga.headless.workflow.read import read_workflow


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "w.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\x00", "not UTF-16 text"),
        ('{"1": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "found a JSON list (expected an object of nodes)"),
        ('"text"', "found a JSON string (expected an object of nodes)"),
        ("null", "found a JSON null"),
        ("{}", "the workflow is empty"),
        ('{"nodes": [{"id": 1, "type": "SaveImage"}, 5]}', "the workflow is damaged"),
        ('{"1": 5}', "node 1: found a JSON number (expected an object)"),
        ('{"1": {"inputs": {}}}', "node 1: class_type is missing"),
        ('{"1": {"class_type": "A"}}', "node 1 (A): inputs is missing"),
    ],
)
def test_what_is_not_a_workflow(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_workflow(path, {})
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the workflow file does not exist"):
        read_workflow(tmp_path / "none.json", {})


def test_every_node_without_its_parts_has_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_workflow(written(tmp_path, '{"1": {"inputs": {}}, "2": []}'), {})
    assert len(str(caught.value).split("\n")) == 2


def test_nodes_are_kept_as_the_file_has_them(tmp_path: Path) -> None:
    prompt = {"1": {**node("A", x=1), "_meta": {"title": "線画"}}, "2": node("B", y=["1", 0])}
    workflow = read_workflow(written(tmp_path, "\ufeff" + json.dumps(prompt)), {})
    assert workflow.prompt == prompt
    assert workflow.extra_pnginfo is None


def test_the_body_of_a_post_to_prompt_brings_its_editor_workflow_along(tmp_path: Path) -> None:
    prompt = {"1": node("A", x=1)}
    body = {"prompt": prompt, "client_id": "c", "extra_data": {"extra_pnginfo": {"workflow": {"nodes": []}}}}
    workflow = read_workflow(written(tmp_path, json.dumps(body)), {})
    assert workflow.prompt == prompt
    assert workflow.extra_pnginfo == {"workflow": {"nodes": []}}


def test_sources_come_first_and_each_output_as_early_as_it_can() -> None:
    prompt = {
        "z1": node("Out", v=["b", 0]),
        "z2": node("Out", v=["c", 0]),
        "c": node("N", v=["a", 0]),
        "b": node("N", v=["a", 0]),
        "a": node("N"),
    }
    assert needed(prompt, ["z1", "z2"]) == ["a", "b", "z1", "c", "z2"]
