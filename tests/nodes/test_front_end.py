"""web/*.js does on the nodes what it says, against a stand-in of the front end, and calls nothing deprecated."""

import json
import re
import shutil
import subprocess

import pytest
from repository import ROOT

FILES = sorted((ROOT / "web").glob("*.js"))
# Deprecated in ComfyUI's front end: it warns about them in the console, or does not have them in Nodes 2.0.
DEPRECATED = (
    "scripts/widgets.js",
    "scripts/ui.js",
    "inputEl",
    "getExtraMenuOptions",
    "ComfyWidgets",
    "app.ui.",
    "input.link",
)
APP = "export const app = globalThis.app;\n"
API = "export const api = { fetchApi: globalThis.fetchApi, apiURL: (path) => `/api${path}` };\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_two_modules_of_the_front_end_are_imported_and_nothing_deprecated(path):
    text = path.read_text(encoding="utf-8")
    assert not [name for name in DEPRECATED if name in text]
    imported = set(re.findall(r'from "([^"]+)"', text))
    assert imported <= {"../../scripts/app.js", "../../scripts/api.js", "./texts.js"}
    assert "innerHTML" not in text  # names of files and tags are text
    assert "http" not in text


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    folder = tmp_path_factory.mktemp("front_end")
    (folder / "package.json").write_text('{"type": "module"}')
    for name, text in (("app.js", APP), ("api.js", API)):
        (folder / "scripts").mkdir(exist_ok=True)
        (folder / "scripts" / name).write_text(text)
    (folder / "extensions" / "senga").mkdir(parents=True)
    for path in FILES:
        shutil.copy(path, folder / "extensions" / "senga")
    harness = ROOT / "tests" / "nodes" / "front_end.mjs"
    done = subprocess.run([node, harness, folder], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_file_is_an_extension_of_ours(found):
    assert found["extensions"] == [
        *("senga.compare", "senga.menu", "senga.model_info", "senga.recipes", "senga.show_tags")
    ]


def test_a_step_gets_an_example_but_not_over_what_somebody_wrote(found):
    assert found["steps"] == ['{"quality": 75}', '{"quality": 80}', '{"quality": 5}', '{"quality": 5}']


def test_the_preset_is_grey_while_a_recipe_is_used(found):
    assert found["grey"] == [False, True, True]


def test_a_load_node_says_what_the_chosen_file_is_for(found):
    assert found["first"] == "既定\nabout upscale a"
    assert found["chosen"] == "about upscale b&c"
    assert found["loaded"] == "about upscale d"
    assert found["late"] == "about upscale d"  # an answer about a file that is no longer chosen
    assert found["widgets"] == [["model_name", None, None], ["about", False, False]]
    assert found["size"] == [210, 300]
    assert found["other"] == 1


def test_tags_are_numbered_and_kept(found):
    assert (found["list"], found["tags"]) == ("OL", "one\ntwo")
    assert found["alone"] == ["DIV", "alone", 1]
    assert found["again"] == "alone"
    assert found["kept"] == 50


def test_the_editor_is_made_to_see_new_tags_in_its_newer_and_its_older_way(found):
    assert found["captured"] == ["new", "new", "new", "old"]


def test_the_slider_cuts_the_first_picture_at_the_pointer(found):
    second, first, line = found["slider"]
    assert second[:2] == ["IMG", "/api/view?filename=b.png&subfolder=&type=temp"]
    assert first[:3] == ["IMG", "/api/view?filename=a.png&subfolder=&type=temp", "inset(0 75% 0 0)"]
    assert line[3] == "25%"
    assert found["numbers"] == "PSNR"
    assert found["single"] == [["/api/view?filename=c.png&subfolder=&type=temp"], None]


def test_the_menu_adds_a_loader_and_a_worker_with_the_mask(found):
    assert found["menu"] == [None, "Upscale", "Tag with Senga"]
    assert found["none"] == []
    load, work = found["added"]
    assert load[:2] == ["SengaLoadUpscaleModel", [[0, "SengaUpscale", 0]]]
    assert work[0] == "SengaUpscale"
    assert work[2][1] > load[2][1]
    assert found["source"] == [[0, "SengaUpscale", 2], [1, "SengaUpscale", 3]]
    assert found["asked"][0] == "/senga/model?task=upscale&name=a"
