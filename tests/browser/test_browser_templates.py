"""Each template runs at the first click in the template browser, and shows its results without covering a node."""

import pytest
from comfy_editor import Editor
from senga.benchmarks import templates  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.browser
# The nodes whose pictures or texts the editor shows after a run.
SHOWING = ("SaveImage", "SaveAnimatedWEBP", "SengaSaveTags", "PreviewAny", "SengaTagImage", "SengaCompareImages")
# Elements of a card that show its title, and have no room for all of it.
CUT_OFF = """(card, title) => [...card.querySelectorAll("*")]
  .filter((one) => one.textContent.trim() === title)
  .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth || one.scrollHeight > one.clientHeight + 2)
  .map((one) => one.outerHTML)"""


@pytest.mark.parametrize("title", templates.TEMPLATES)
def test_a_template_runs_at_the_first_click(title: str, editor: Editor) -> None:
    card = editor.template(title)
    thumbnail = card.locator("img").first
    thumbnail.wait_for()
    editor.page.wait_for_function("(image) => image.naturalWidth > 0", arg=thumbnail.element_handle())
    assert card.evaluate(CUT_OFF, title) == []
    editor.shoot("the template browser")

    card.click()
    editor.wait_for_template()
    editor.run()
    shown = {str(one["node"]) for one in editor.seen("executed")}
    boxes = templates.TEMPLATES[title].items()
    assert shown >= {str(number) for number, box in boxes if box.type in SHOWING and not box.muted}
    editor.fit()
    editor.shoot(title)
    if editor.name != "1.27.10 Nodes 2.0":  # an early one, which gives nodes other sizes than the saved ones
        assert editor.overlapping() == []
    assert editor.complaints() == []
