"""The templates of ComfyUI's browser: sound, laid out with nothing hidden, and run at the first click."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from repository import ROOT
from sample_upscalers import small_model
from senga.arch import save_model
from senga.benchmarks import templates, thumbnails  # pyright: ignore[reportMissingImports]
from senga.headless.cli import OK, main
from senga.headless.workflow.editor import convert
from senga.headless.workflow.graph import sockets
from senga.headless.workflow.validate import check
from senga.nodes import NODE_DISPLAY_NAME_MAPPINGS, host

FOLDER = ROOT / "example_workflows"
TEMPLATES = templates.TEMPLATES
TITLE = 30  # pixels of a node's title, above its position
GAP = 20  # pixels between two nodes at the least


def saved(title: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{title}.json").read_text(encoding="utf-8"))


def test_the_files_are_those_of_the_table_and_no_other():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(TEMPLATES)
    for title, boxes in TEMPLATES.items():
        path = FOLDER / f"{title}.json"
        assert path.read_text(encoding="utf-8") == templates.text_of(boxes), "run python -m benchmarks.templates"


@pytest.mark.parametrize("title", TEMPLATES)
def test_a_title_reads_as_a_sentence(title):
    assert title[0].isupper()
    assert len(title.split()) >= 5
    assert not set(title) & set('_/\\:*?"<>|#%&')  # of file names and addresses


@pytest.mark.parametrize("title", TEMPLATES)
def test_a_thumbnail_is_beside_each(title):
    with Image.open(FOLDER / f"{title}.jpg") as picture:
        assert picture.format == "JPEG"
        assert picture.size == thumbnails.SIZE
        assert max(high - low for low, high in picture.convert("RGB").getextrema()) > 100  # type: ignore[misc]
    assert (FOLDER / f"{title}.jpg").stat().st_size < 100_000


@pytest.mark.parametrize("title", TEMPLATES)
def test_values_by_position_are_those_by_name(title):
    """Written in two ways: the reader of saved workflows has to find the same prompt in the drawing."""
    assert convert(saved(title), templates.CLASSES, templates.SHOWN) == templates.prompt(TEMPLATES[title])


@pytest.mark.parametrize("title", TEMPLATES)
def test_every_node_value_and_link_is_valid_against_the_classes(title, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / templates.PICTURE)
    folders = templates.Folders(tmp_path, tmp_path, tmp_path)
    nodes = {**templates.all_nodes(folders), "SaveAnimatedWEBP": templates.SaveAnimatedWEBP}
    _, faults = check(templates.prompt(TEMPLATES[title]), nodes)
    assert [str(fault) for fault in faults] == []
    drawn = saved(title)
    by_id = {node["id"]: node for node in drawn["nodes"]}
    for number, source, slot, target, place, kind in drawn["links"]:
        output, entry = by_id[source]["outputs"][slot], by_id[target]["inputs"][place]
        assert number in output["links"]
        assert entry["link"] == number
        assert output["type"] == kind
        assert entry["type"] in (kind, "*")
    for node in drawn["nodes"]:
        if node["type"] in nodes:
            assert {entry["name"] for entry in node["inputs"]} <= set(sockets(nodes[node["type"]]))


@pytest.mark.parametrize("title", TEMPLATES)
def test_no_node_covers_another_and_each_has_room_for_what_it_shows(title):
    boxes = list(TEMPLATES[title].values())
    for box in boxes:
        width, height = templates.least_size(box)
        assert box.size[0] >= width, box.type
        assert box.size[1] >= height, (box.type, height)
    for one, other in itertools.combinations(boxes, 2):
        apart = (
            one.pos[0] + one.size[0] + GAP <= other.pos[0]
            or other.pos[0] + other.size[0] + GAP <= one.pos[0]
            or one.pos[1] + one.size[1] + GAP <= other.pos[1] - TITLE
            or other.pos[1] + other.size[1] + GAP <= one.pos[1] - TITLE
        )
        assert apart, f"{one.type} at {one.pos} and {other.type} at {other.pos}"


@pytest.mark.parametrize("title", TEMPLATES)
def test_links_lead_to_the_right(title):
    boxes = TEMPLATES[title]
    for box in boxes.values():
        for source, _ in box.links.values():
            assert boxes[source].pos[0] + boxes[source].size[0] < box.pos[0] or boxes[source].pos[1] < box.pos[1]


@pytest.mark.parametrize("title", TEMPLATES)
def test_each_has_a_note_and_uses_what_a_fresh_comfyui_has(title):
    boxes = TEMPLATES[title].values()
    assert sum(box.type == "Note" for box in boxes) == 1
    assert {box.values["image"] for box in boxes if box.type == "LoadImage"} == {"example.png"}
    shipped = {host.DEFAULT_UPSCALER, host.DEFAULT_TAGGER}
    for node in templates.prompt(TEMPLATES[title]).values():
        assert node["inputs"].get("model_name", host.DEFAULT_UPSCALER) in shipped
    assert any(box.type in NODE_DISPLAY_NAME_MAPPINGS for box in boxes)


@pytest.mark.parametrize("title", [title for title in TEMPLATES if "animation" not in title])
def test_it_runs_as_it_is(title, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a small network of the default's name. The animation is saved by a node that only ComfyUI has."""
    models = tmp_path / "models"
    models.mkdir()
    save_model(models / host.DEFAULT_UPSCALER, small_model("compact", scale=2))
    monkeypatch.setattr(host, "standalone", host.Standalone())
    monkeypatch.setattr(host, "shipped_upscale_models", list)
    (tmp_path / "input").mkdir()
    with Image.open(FOLDER / "senga_lucy.png") as picture:
        picture.crop((80, 20, 121, 50)).save(tmp_path / "input" / templates.PICTURE)
    folders = ["--input-dir", str(tmp_path / "input"), "--output-dir", str(tmp_path / "output")]
    assert main(["run", str(FOLDER / f"{title}.json"), *folders, "--models-dir", str(models)]) == OK
    assert list((tmp_path / "output").rglob("*.png"))
