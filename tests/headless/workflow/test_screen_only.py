"""Workflows as other packs of nodes and ComfyUI itself leave them: nodes only on the screen, NaN, null, long wires."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sample_nodes import node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, USAGE, main
from senga.headless.errors import UsageError
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.editor import convert
from senga.headless.workflow.graph import MOST_LINKS, MOST_NODES
from senga.headless.workflow.node_classes import all_nodes
from senga.headless.workflow.read import read_workflow
from senga.headless.workflow.screen import NOTES

Json = dict[str, Any]
SOON = 8.0  # seconds; a tenth of it on an idle machine
NODES = all_nodes(Folders())


def drawn(node_id: int, kind: str, *links: int | None, values: Any = None, **more: Any) -> Json:
    """A node of the editor's format with these links into it."""
    inputs = [{"name": "image" if kind != "SaveImage" else "images", "type": "IMAGE", "link": link} for link in links]
    return {"id": node_id, "type": kind, "inputs": inputs, "widgets_values": values, **more}


def drawing(*between: Json, links: list[Any], last: int = 1) -> Json:
    """LoadImage (1), these nodes, and SaveImage (2) at the end of link `last`."""
    load, save = drawn(1, "LoadImage", values=["a.png", "image"]), drawn(2, "SaveImage", last, values=["out"])
    return {"nodes": [load, *between, save], "links": links}


def wire(number: int, origin: int, target: int, slot: int = 0) -> list[Any]:
    return [number, origin, 0, target, slot, "IMAGE"]


def image_of(data: Json) -> Any:
    return convert(data, NODES)["2"]["inputs"]["images"]


@pytest.mark.parametrize("kind", NOTES)
def test_a_note_of_any_pack_stops_nothing(kind: str) -> None:
    note = {"id": 9, "type": kind, "outputs": [{"name": "OPT_CONNECTION", "links": None}], "properties": {}}
    assert set(convert(drawing(note, links=[wire(1, 1, 2)]), NODES)) == {"1", "2"}


@pytest.mark.parametrize("kind", ["Reroute", "Reroute (rgthree)"])
def test_reroutes_of_every_pack_hand_on(kind: str) -> None:
    assert image_of(drawing(drawn(9, kind, 1), links=[wire(1, 1, 9), wire(2, 9, 2)], last=2)) == ["1", 0]


@pytest.mark.parametrize(("setter", "getter"), [("SetNode", "GetNode"), ("easy setNode", "easy getNode")])
def test_a_getter_gives_what_the_setter_of_its_name_takes(setter: str, getter: str) -> None:
    pair = drawn(8, setter, 1, values=["pic"]), drawn(9, getter, values=["pic"])
    assert image_of(drawing(*pair, links=[wire(1, 1, 8), wire(2, 9, 2)], last=2)) == ["1", 0]
    with pytest.raises(UsageError, match=r"node 9 \(.*\): no SetNode has its name 'pic'"):
        convert(drawing(pair[1], links=[wire(2, 9, 2)], last=2), NODES)


def test_getters_in_a_circle_end() -> None:
    pair = drawn(8, "SetNode", 3, values=["pic"]), drawn(9, "GetNode", values=["pic"])
    with pytest.raises(UsageError, match="its links form a loop"):
        convert(drawing(*pair, links=[wire(3, 9, 8), wire(2, 9, 2)], last=2), NODES)


def test_an_unknown_node_without_links_is_left_out_and_one_with_links_is_named(caplog: Any) -> None:
    apart = drawn(9, "Sticker (new pack)", None, outputs=[{"name": "x", "links": []}, {"name": "y"}])
    with caplog.at_level("INFO", logger="senga"):
        assert set(convert(drawing(apart, links=[wire(1, 1, 2)]), NODES)) == {"1", "2"}
    assert "node 9 (Sticker (new pack)): an unknown node without links; left out" in caplog.text
    with pytest.raises(UsageError, match=r"node 9 \(Sticker\): unknown class; ask somebody, or choose from"):
        convert(drawing(drawn(9, "Sticker", 1), links=[wire(1, 1, 9)]), NODES, elsewhere="ask somebody, or ")


def test_links_that_were_deleted_leave_null() -> None:
    assert image_of(drawing(links=[None, wire(1, 1, 2), None])) == ["1", 0]


@pytest.mark.parametrize("count", [1_500, 15_000])
def test_thousands_of_reroutes_in_a_row(count: int) -> None:
    chain = [drawn(10 + i, "Reroute", 10 + i) for i in range(count)]
    links = [wire(10, 1, 10), *(wire(11 + i, 10 + i, 11 + i) for i in range(count))]
    began = time.monotonic()
    assert image_of(drawing(*chain, links=links, last=10 + count)) == ["1", 0]
    assert time.monotonic() - began < SOON


def test_many_wires_through_the_same_reroutes_take_no_longer() -> None:
    count = 5_000
    chain = [drawn(10 + i, "Reroute", 10 + i) for i in range(count)]
    savers = [drawn(100_000 + i, "SaveImage", 100_000 + i, values=["x"]) for i in range(count)]
    links = [wire(10, 1, 10), *(wire(11 + i, 10 + i, 11 + i) for i in range(count))]
    links += [wire(100_000 + i, 9 + count, 100_000 + i) for i in range(count)]
    began = time.monotonic()
    prompt = convert(drawing(*chain, *savers, links=links, last=10), NODES)
    assert prompt["100007"]["inputs"]["images"] == ["1", 0]
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize(("levels", "message"), [(40, f"more than {MOST_NODES} nodes"), (1_000, "inside each other")])
def test_subgraphs_that_unfold_without_end_are_refused(levels: int, message: str) -> None:
    each = 2 if levels == 40 else 1
    subgraphs = [
        {"id": f"g{i}", "nodes": [drawn(k, f"g{i + 1}") for k in range(each)], "links": []} for i in range(levels)
    ]
    subgraphs.append({"id": f"g{levels}", "nodes": [], "links": []})
    data = {"nodes": [drawn(1, "g0")], "links": [], "definitions": {"subgraphs": subgraphs}}
    began = time.monotonic()
    with pytest.raises(UsageError, match=message):
        convert(data, NODES)
    assert time.monotonic() - began < SOON


@pytest.mark.usefixtures("own_folder")
def test_nan_where_nothing_reads_it_is_no_fault() -> None:
    # Python's json writes NaN. ComfyUI embeds "is_changed": [NaN] for every LoadImage.
    prompt = json.loads(Path(workflow()).read_text())
    prompt["1"] |= {"is_changed": [float("nan")], "_meta": {"title": "The picture", "pos": [float("-inf")]}}
    prompt["9"] = node("MarkdownNote")
    Path("w.json").write_text(json.dumps(prompt))
    assert main(["run", "w.json"]) == OK
    with Image.open("output/out_00001_.png") as picture:
        kept = json.loads(picture.info["prompt"], parse_constant=lambda name: pytest.fail(name))
    assert set(kept) == {"1", "2", "3"}
    assert kept["1"]["_meta"]["pos"] == [None]
    assert "is_changed" not in kept["1"]


@pytest.mark.parametrize("value", ["NaN", "[[Infinity]]", '{"__value__": [-Infinity]}'])
def test_nan_in_an_input_is_named(tmp_path: Path, value: str) -> None:
    (tmp_path / "w.json").write_text(f'{{"3": {{"class_type": "A", "inputs": {{"x": {value}}}}}}}')
    with pytest.raises(UsageError, match=r"w\.json: 3\.x \(A\): (NaN|-?Infinity) is not a JSON value"):
        read_workflow(tmp_path / "w.json", {})


def test_nan_as_a_class_is_a_missing_class(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text('{"3": {"class_type": NaN, "inputs": {}}}')
    with pytest.raises(UsageError, match="node 3: class_type is missing"):
        read_workflow(tmp_path / "w.json", {})


def test_nan_in_a_drawing_is_null(tmp_path: Path) -> None:
    data = drawing({"id": 9, "type": "Note", "pos": [float("nan"), 0]}, links=[wire(1, 1, 2)])
    (tmp_path / "w.json").write_text(json.dumps(data))
    read = read_workflow(tmp_path / "w.json", NODES)
    assert read.extra_pnginfo is not None
    assert read.extra_pnginfo["workflow"]["nodes"][1]["pos"] == [None, 0]


def test_more_nodes_or_links_than_a_workflow_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({str(i): node("A") for i in range(MOST_NODES + 1)}))
    with pytest.raises(UsageError, match=f"has {MOST_NODES + 1} nodes"):
        read_workflow(tmp_path / "w.json", {})
    inputs = {f"v{i}": ["0", 0] for i in range(MOST_LINKS + 1)}
    (tmp_path / "w.json").write_text(json.dumps({"0": node("A", **inputs)}))
    with pytest.raises(UsageError, match=f"has 1 nodes with {MOST_LINKS + 1} inputs"):
        read_workflow(tmp_path / "w.json", {})
    (tmp_path / "w.json").write_text(json.dumps(drawing(links=[wire(1, 1, 2)] * (MOST_LINKS + 1))))
    with pytest.raises(UsageError, match=f"has {MOST_LINKS + 1} links"):
        read_workflow(tmp_path / "w.json", NODES)


def test_a_file_larger_than_any_workflow_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "w.json").open("wb") as file:
        file.truncate(2**40)  # a hole: nothing is on the disk
    with pytest.raises(UsageError, match=r"w\.json: 1099512 MB \(expected a workflow of at most 16 MB\)"):
        read_workflow(tmp_path / "w.json", {})


@pytest.mark.usefixtures("own_folder")
def test_null_on_an_optional_link_means_not_connected() -> None:
    extra = {
        "4": node("UpscaleModelLoader", model_name="made_x2.safetensors"),
        "5": node("SengaUpscale", upscale_model=["4", 0], image=["1", 0], mask=None, scale=2.0, width=0, height=0)
        | {"is_changed": None},
    }
    extra["5"]["inputs"] |= {"tile": 0, "halo": -1, "precision": "fp32", "self_ensemble": False}
    assert main(["run", workflow(**extra), "--models-dir", "models", "--set", '3.images=["5",0]']) == OK


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    ("name", "where"),
    [("x.png [output]", "output (--output-dir)"), ("x.png [input]", "input (--input-dir)"), ("x.png", "input (--inp")],
)
def test_a_missing_picture_is_missed_in_the_folder_that_its_name_means(
    name: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("output").mkdir()
    Image.new("RGB", (2, 2)).save("output/old.png")
    assert main(["run", workflow(), "--set", f"1.image={name}"]) == USAGE
    error = capsys.readouterr().err
    assert f"'x.png' is not in the folder {where}" in error
    assert ("choose from: old.png [output]" in error) == ("output" in name)
