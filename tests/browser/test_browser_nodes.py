"""What our nodes show in the editor: purpose of a model, tiles, tags, comparison."""

import pytest
from comfy_editor import Editor, wait_until_ready

pytestmark = pytest.mark.browser
UPSCALE = "Upscale a picture with its mask"
TAG = "Turn a picture into a prompt"
COMPARE = "Damage, upscale, then compare it"
SMALL = "tiny.safetensors"


@pytest.fixture
def drawn(editor: Editor) -> bool:
    """Whether this editor draws what extensions add to nodes.

    The early Nodes 2.0 of 1.27 does not: it has a list of its own kinds of widgets, without one that shows an element,
    and copies their values when a node is made, so that a text of such a kind would never change.
    """
    return editor.name != "1.27.10 Nodes 2.0"


def test_the_load_node_says_what_the_model_is_for(editor: Editor, drawn: bool) -> None:
    editor.open_template(UPSCALE)
    editor.page.wait_for_function(
        "() => window.app.graph.nodes.some((one) => one.widgets?.some(({ name }) => name === 'about'))"
    )
    assert "clean" in editor.text("SengaLoadUpscaleModel", "about")
    if drawn:
        assert editor.page.get_by_text("The default model").first.is_visible()


def test_the_upscale_node_shows_its_tiles_while_it_works(editor: Editor, drawn: bool) -> None:
    editor.open_template(UPSCALE)
    editor.set("SengaLoadUpscaleModel", model_name=SMALL)
    editor.set("SengaUpscale", tile=16, halo=0, precision="fp32", self_ensemble=True)
    editor.start()
    editor.page.wait_for_function("() => window.seen.filter(({ kind }) => kind === 'b_preview').length >= 2")
    if drawn:
        editor.page.get_by_text("tile ").first.wait_for()
    editor.shoot("tiles")
    editor.end()
    texts = [one["text"] for one in editor.seen("progress_text")]
    assert texts[0].startswith("tile ")
    assert texts[0].endswith(" left")
    assert " tiles in " in texts[-1]
    assert all(one["blob"] for one in editor.seen("b_preview"))
    assert editor.complaints() == []
    editor.fit()
    editor.shoot("tiles, afterwards")
    assert not drawn or editor.overlapping() == []


def test_tags_are_on_the_node_also_after_a_reload(editor: Editor, drawn: bool) -> None:
    editor.open_template(TAG)
    editor.run()
    editor.page.wait_for_timeout(500)
    tags = editor.text("SengaTagImage", "found")
    assert "," in tags
    editor.page.wait_for_timeout(1500)  # the editor keeps what has changed a moment later
    editor.page.reload()
    wait_until_ready(editor)
    shown = "() => window.app.graph.nodes.some((one) => one.widgets?.some(({ name }) => name === 'found'))"
    editor.page.wait_for_function(shown)
    assert editor.text("SengaTagImage", "found") == tags
    editor.fit()
    editor.shoot("tags after a reload")
    if drawn:
        assert editor.page.locator(".senga-text", has_text=tags).first.is_visible()
    assert editor.complaints() == []


def test_the_slider_follows_the_pointer(editor: Editor, drawn: bool) -> None:
    if not drawn:
        pytest.skip("Nodes 2.0 of front end 1.27 draws its own kinds of widgets alone")
    editor.open_template(COMPARE)
    editor.run()
    editor.fit()
    box = editor.page.locator(".senga-compare")
    area = box.bounding_box()
    assert area is not None
    editor.page.mouse.move(area["x"] + area["width"] * 0.75, area["y"] + area["height"] / 2)
    editor.page.mouse.move(area["x"] + area["width"] * 0.25, area["y"] + area["height"] / 2)
    editor.shoot("slider")
    numbers = editor.page.locator(".senga-text", has_text="PSNR")
    assert numbers.evaluate("(box) => box.scrollHeight <= box.clientHeight + 1"), "the numbers are cut off"
    upper, line = box.locator("img").nth(1), box.locator("div").last
    assert upper.evaluate("(image) => image.naturalWidth") > 0
    cut = upper.evaluate("(image) => parseFloat(image.style.clipPath.split(' ')[1])")
    assert cut == pytest.approx(75, abs=1)
    assert line.evaluate("(element) => parseFloat(element.style.left)") == pytest.approx(25, abs=1)
    assert editor.complaints() == []


def test_the_menu_of_a_node_with_a_picture_adds_ours(editor: Editor) -> None:
    editor.clear()
    editor.add("LoadImage")
    items = editor.page.evaluate(
        """() => {
          const [node] = window.app.graph.nodes;
          const ours = window.app.extensions.find(({ name }) => name === "senga.menu");
          return ours.getNodeMenuItems(node).filter(Boolean).map(({ content, callback }) => (callback(), content));
        }"""
    )
    assert items == ["Upscale with Senga", "Tag with Senga"]
    types = editor.page.evaluate("() => window.app.graph.nodes.map(({ type }) => type)")
    assert sorted(types[1:]) == ["SengaLoadTagger", "SengaLoadUpscaleModel", "SengaTagImage", "SengaUpscale"]
    assert editor.complaints() == []
