"""Help pages open, search finds the nodes, and the editor shows ours in Japanese and Chinese."""

import json
from collections.abc import Iterator

import comfy_editor
import pytest
from comfy_editor import Editor
from comfy_server import Server
from repository import ROOT
from senga.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

pytestmark = pytest.mark.browser
SEARCHED = {
    "waifu2x": "SengaUpscale",
    "upscale anime": "SengaUpscale",
    "esrgan": "SengaUpscale",
    "danbooru": "SengaTagImage",
    "wd14": "SengaLoadTagger",
    "jpeg": "SengaDegradeImage",
    "caption": "SengaSaveTags",
}
LANGUAGES = {"ja": False, "zh": True}  # language -> Nodes 2.0


def help_page(editor: Editor, node_type: str) -> str:
    """Open the help of a node, as the question mark above it does, and return its text."""
    editor.clear()
    editor.add(node_type)
    button = editor.page.get_by_test_id("info-button")
    button.wait_for(state="attached")
    button.evaluate("(element) => element.click()")  # the bar may be outside of the window
    content = editor.page.locator(".node-help-content")
    content.locator("h1, h2").first.wait_for()
    text = content.inner_text()
    button.evaluate("(element) => element.click()")
    return text


@pytest.mark.parametrize("editor", ["Nodes 2.0"], indirect=True)
def test_every_node_has_a_help_page(editor: Editor) -> None:
    for node_type in NODE_CLASS_MAPPINGS:
        text = help_page(editor, node_type)
        assert NODE_DISPLAY_NAME_MAPPINGS[node_type] in text
        assert "Inputs" in text, node_type
    editor.shoot("help")
    assert editor.complaints() == []


@pytest.mark.parametrize("editor", ["classic"], indirect=True)
@pytest.mark.parametrize("query", SEARCHED)
def test_search_finds_the_node(query: str, editor: Editor) -> None:
    editor.command("Workspace.SearchBox.Toggle")
    box = editor.page.get_by_role("dialog").locator("input").or_(editor.page.get_by_role("combobox")).first
    box.fill(query)
    results = editor.page.get_by_test_id("result-item").or_(editor.page.get_by_role("option"))
    name = NODE_DISPLAY_NAME_MAPPINGS[SEARCHED[query]]
    try:
        results.filter(has_text=name).first.wait_for()
        editor.shoot(f"search for {query}")
    finally:
        editor.page.keyboard.press("Escape")
    box.wait_for(state="hidden")


@pytest.fixture(params=LANGUAGES, scope="module")
def foreign(request: pytest.FixtureRequest, browser, server: Server) -> Iterator[Editor]:
    settings = {"Comfy__Locale": request.param, "Comfy__VueNodes__Enabled": LANGUAGES[request.param]}
    with comfy_editor.opened(browser, server, f"{server.front_end} {request.param}", **settings) as editor:
        yield editor


def test_nodes_and_help_are_in_the_language_of_the_editor(foreign: Editor) -> None:
    language = foreign.name.split()[-1]
    texts = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    for node_type in ("SengaUpscale", "SengaTagImage"):
        name = texts[node_type]["display_name"]
        assert name in help_page(foreign, node_type)
        assert foreign.page.evaluate("() => window.app.graph.nodes[0].title") == name
    foreign.open_template("Turn a picture into a prompt")
    default = json.loads((ROOT / "locales" / language / "main.json").read_text(encoding="utf-8"))["senga"]["default"]
    foreign.page.wait_for_function(
        "() => window.app.graph.nodes.some((one) => one.widgets?.some(({ name }) => name === 'about'))"
    )
    assert default in foreign.text("SengaLoadTagger", "about")
    foreign.fit()
    foreign.shoot("tags")
    assert foreign.complaints() == []
