"""The editor's format becomes what the real front end posts for it.

Each file in editor/ holds a saved workflow and the prompt that ComfyUI's front end 1.32.9 makes of it, filled in
by tests/comfy/capture.mjs; object_info.json is what the server said about the node classes in them. Inputs and names of
ours that are younger were added by hand: a front end posts the default of a widget that an old file does not have.
"""

import copy
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from counting import counted, timed
from PIL import Image
from repository import ROOT
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, USAGE, main
from senga.headless.errors import UsageError
from senga.headless.server.definitions import classes_of, titles_of
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.editor import convert
from senga.headless.workflow.graph import Prompt, Socket, sockets
from senga.headless.workflow.node_classes import TITLES, all_nodes
from senga.headless.workflow.widgets import date_text, widget_values, without_comments

SAVED = ROOT / "tests" / "headless" / "workflow" / "editor"
INFO: dict[str, Any] = json.loads((SAVED / "object_info.json").read_text(encoding="utf-8"))
SERVER = classes_of(INFO)
SHOWN = {**titles_of(INFO), "PreviewAny": "Preview Any"}  # the front end has an English name of its own for it
CASES = sorted(path.stem for path in SAVED.glob("*.json") if path.stem != "object_info")


def case(name: str) -> dict[str, Any]:
    return json.loads((SAVED / f"{name}.json").read_text(encoding="utf-8"))


def declared_only(prompt: Prompt) -> Prompt:
    """Without what the front end notes for itself in inputs that the node does not have."""
    known = {node_id: sockets(SERVER[node["class_type"]]) for node_id, node in prompt.items()}
    return {i: {**n, "inputs": {k: v for k, v in n["inputs"].items() if k in known[i]}} for i, n in prompt.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_saved_workflow_becomes_what_the_front_end_posts(name: str) -> None:
    saved = case(name)
    assert convert(saved["workflow"], SERVER, SHOWN) == declared_only(saved["prompt"])


def test_there_are_cases() -> None:
    assert len(CASES) > 35


def test_the_stand_ins_have_the_titles_and_the_widgets_of_the_real_nodes(tmp_path: Path) -> None:
    own = all_nodes(Folders(tmp_path, tmp_path, tmp_path))
    shared = own.keys() & SHOWN.keys()
    assert len(shared) > 10
    for name in shared:
        assert TITLES[name] == SHOWN[name]
        assert list(sockets(own[name])) == list(sockets(SERVER[name])), name


def changed(name: str, node_id: int, **changes: Any) -> dict[str, Any]:
    drawing = copy.deepcopy(case(name)["workflow"])
    next(node for node in drawing["nodes"] if node["id"] == node_id).update(changes)
    return drawing


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (changed("plain", 3, type="Nobody"), "node 3 (Nobody): unknown class; run it with --server, or choose"),
        (changed("plain", 3, type="workflow>mine"), "node 3 (workflow>mine): it is a group node"),
        (
            {**case("plain")["workflow"], "links": []},
            "node 3 (SengaUpscale): its link 2 is not in the file; connect it again in ComfyUI and save",
        ),
        (changed("plain", 3, inputs=5), "the workflow is damaged (TypeError"),
        ({"nodes": [{"id": 1}]}, "the workflow is damaged (KeyError: 'type')"),
    ],
)
def test_what_cannot_be_converted_is_named_with_its_node(drawing: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        convert(drawing, SERVER)
    assert str(caught.value).startswith(message)


def test_a_node_whose_fields_grow_is_named() -> None:
    growing = classes_of({"SaveImage": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}}})
    with pytest.raises(UsageError, match=r"node 4 \(SaveImage\): its input images has no fixed fields; save with"):
        convert(case("plain")["workflow"], {**SERVER, **growing})


def test_a_muted_or_bypassed_node_may_be_unknown() -> None:
    drawing = changed("plain", 3, type="Nobody", mode=4)
    assert convert(drawing, SERVER)["4"]["inputs"]["images"] == ["1", 0]


def test_a_subgraph_that_contains_itself_and_a_loop_of_reroutes_end() -> None:
    inner = case("subgraph")["workflow"]
    (definition,) = inner["definitions"]["subgraphs"]
    definition["nodes"][0]["type"] = definition["id"]
    with pytest.raises(UsageError, match="its subgraph contains itself"):
        convert(inner, SERVER)
    circle = case("reroute")["workflow"]
    next(node for node in circle["nodes"] if node["id"] == 5)["inputs"][0]["link"] = 5
    circle["links"].append([5, 5, 0, 5, 0, "*"])
    with pytest.raises(UsageError, match="its links form a loop"):
        convert(circle, SERVER)


def test_a_primitive_inside_a_subgraph_and_one_before_it_hand_on_their_value() -> None:
    # The front end fails on the first and clamps the second by the limits of another field.
    outside = changed("subgraph_outer_primitive", 5, type="PrimitiveNode", widgets_values=[44, "fixed"])
    assert convert(outside, SERVER)["6:3"]["inputs"]["width"] == 44
    inside = case("subgraph_promoted")["workflow"]
    (definition,) = inside["definitions"]["subgraphs"]
    definition["nodes"].append({"id": 9, "type": "PrimitiveNode", "inputs": [], "widgets_values": [7, "fixed"]})
    upscale = next(node for node in definition["nodes"] if node["type"] == "SengaUpscale")
    upscale["inputs"].append({"name": "tile", "type": "INT", "widget": {"name": "tile"}, "link": 90})
    definition["links"].append({"id": 90, "origin_id": 9, "origin_slot": 0, "target_id": 3, "target_slot": 4})
    assert convert(inside, SERVER)["6:3"]["inputs"]["tile"] == 7


def declared(**inputs: tuple[Any, ...]) -> dict[str, Socket]:
    return sockets(classes_of({"N": {"input": {"required": inputs}}})["N"])


CONTROLLED = declared(seed=("INT", {}), choice=(["a", "b"], {"control_after_generate": True}), last=("STRING", {}))


@pytest.mark.parametrize(
    ("saved", "values"),
    [
        ([5, "fixed", "b", "randomize", "", "x"], [5, "b", "x"]),
        ([5, True, "b", "fixed", "filter", "x"], [5, "b", "x"]),
        ([5, "b", "x"], [5, "b", "x"]),  # a node that had no control when it was saved
        ([5], [5, "a", ""]),
        ({"choice": "b", "seed": 1}, [1, "b", ""]),
        (None, [0, "a", ""]),
    ],
)
def test_the_choice_after_each_run_is_not_a_value_of_the_node(saved: object, values: list[Any]) -> None:
    assert list(widget_values(CONTROLLED, saved).values()) == values


def test_an_input_that_forces_a_socket_takes_no_value() -> None:
    assert widget_values(declared(a=("INT", {"forceInput": True}), b=("INT", {})), [3]) == {"b": 3}


def test_with_and_without_the_upload_button() -> None:
    picture = declared(image=(["a.png"], {"image_upload": True}), channel=(["red", "alpha"], {}))
    both = {
        "required": {"image": (["a.png"], {"image_upload": True})},
        "optional": {"channel": (["red", "alpha"], {})},
    }
    optional = sockets(classes_of({"N": {"input": both}})["N"])
    expected = {"image": "a.png", "channel": "alpha"}
    assert widget_values(picture, ["a.png", "alpha", "image"]) == expected
    assert widget_values(optional, ["a.png", "image", "alpha"]) == expected
    assert widget_values(optional, ["a.png", "alpha"]) == expected


def test_texts_that_the_editor_fills_in() -> None:
    assert without_comments("a // b\n/* c */d \\{e\\}") == "a \nd {e}"
    assert {without_comments("{a|{b|c}}") for _ in range(100)} == {"a", "b", "c"}
    now = time.strptime("2026-03-04 05:06:07", "%Y-%m-%d %H:%M:%S")
    assert date_text("yyyy-MM-dd_hh-mm-ss yy M d", now) == "2026-03-04_05-06-07 26 3 4"
    dated = convert(changed("plain", 4, widgets_values=["%date:yyyy%/x"]), SERVER)
    assert dated["4"]["inputs"]["filename_prefix"].removesuffix("/x").isdigit()


ENDLESS = ["/*", "{", "{a|b", "{a|b}", "/*/", "\\{"]


@pytest.mark.parametrize("text", [*ENDLESS, "nested"])
def test_comments_and_choices_take_one_pass(text: str) -> None:
    def of_length(count: int) -> str:
        return "{" * count + "a" + "}" * count if text == "nested" else text * count

    short, long = (counted(partial(without_comments, of_length(count)))[1] for count in (2_500, 10_000))
    assert long < 4.5 * short + 100
    assert timed(lambda: without_comments(of_length(20_000)))[1] < 2


@pytest.mark.usefixtures("own_folder")
def test_run_takes_a_saved_workflow_and_keeps_it_in_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    drawing = case("bypassed_chain")["workflow"]
    next(node for node in drawing["nodes"] if node["id"] == 1)["widgets_values"] = ["a.png", "image"]
    Path("drawn.json").write_text(json.dumps(drawing), encoding="utf-8")
    assert main(["run", "drawn.json", "--set", "Save Image.filename_prefix=drawn"]) == OK
    (path,) = capsys.readouterr().out.splitlines()
    with Image.open(path) as picture:
        assert json.loads(picture.info["workflow"]) == drawing
        assert set(json.loads(picture.info["prompt"])) == {"1", "5", "7", "9"}


@pytest.mark.usefixtures("own_folder")
def test_run_names_every_node_that_it_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    Path("drawn.json").write_text(json.dumps(case("sampler")["workflow"]), encoding="utf-8")
    assert main(["run", "drawn.json"]) == USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("senga: drawn.json: node ") and "run it with --server" in line for line in lines)
