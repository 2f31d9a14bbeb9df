"""How the page is used: keyboard, screen readers, phones, languages, drops and pastes, comparison."""

import base64
from typing import Any

import numpy as np
import pytest
from page_visitor import Visitor, picture_file, visiting
from repository import ROOT

pytestmark = pytest.mark.page

AXE = ROOT / "page" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
DESKTOP: Any = {"width": 1280, "height": 900}
PHONE: Any = {"width": 390, "height": 844}
SMALL = picture_file(np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3))
# A file made in the page, and an event that carries it.
CARRIED = """([data, kind]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
  const settings = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent(kind, { clipboardData: carried, ...settings })
    : new DragEvent(kind, { dataTransfer: carried, ...settings });
  document.body.dispatchEvent(event);
}"""


# Puts a picture into the clipboard.
COPIED = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
}"""
# A browser whose settings forbid cookies: each of these throws when it is named.
BLOCKED = """for (const name of ["localStorage", "sessionStorage", "caches"])
  Object.defineProperty(window, name, {
    get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
  });"""


@pytest.fixture(scope="module")
def visitor(browser: Any, address: str) -> Any:
    """A page with one finished picture and its tags."""
    with visiting(browser, viewport=DESKTOP, locale="en-US") as found:
        found.open(address)
        found.keep_screenshot("empty")
        found.page.click("#sample")
        found.page.wait_for_selector(".card")
        found.page.click(".card .remove")
        found.add({"small.png": SMALL})
        found.choose(tags=True)
        found.start()
        assert found.finished() == ["done"]
        yield found


def faults(visitor: Visitor) -> list[str]:
    visitor.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = visitor.page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visitor: Visitor, theme: str) -> None:
    visitor.page.select_option("#theme", theme)
    assert visitor.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
    assert faults(visitor) == []
    visitor.keep_screenshot(theme)


@pytest.mark.parametrize(
    ("language", "start", "rating"),
    [
        ("ja", "拡大する", "レーティング：未学習"),
        ("zh", "放大", "分级：未训练"),
        ("en", "Upscale", "Rating: not trained"),
    ],
)
def test_the_page_speaks_three_languages(visitor: Visitor, language: str, start: str, rating: str) -> None:
    visitor.page.select_option("#language", language)
    visitor.until(f"document.getElementById('start').textContent === '{start}'")
    assert visitor.page.get_attribute("html", "lang") == language
    assert visitor.page.inner_text("#rating") == rating
    assert faults(visitor) == []
    visitor.keep_screenshot(f"language_{language}")


def test_the_browsers_language_is_taken_first_and_the_chosen_one_kept(browser: Any, address: str) -> None:
    with visiting(browser, locale="zh-CN", viewport=PHONE) as visitor:
        visitor.open(address)
        assert visitor.page.input_value("#language") == "zh"
        visitor.page.select_option("#language", "ja")
        visitor.until("document.documentElement.lang === 'ja'")
        visitor.page.reload()
        visitor.ready()
        assert visitor.page.inner_text("#start") == "拡大する"


def test_a_phone_shows_all_of_it_in_one_column(visitor: Visitor) -> None:
    visitor.page.set_viewport_size(PHONE)
    try:
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        boxes = visitor.page.eval_on_selector_all(
            "button, select, .choices label",
            "all => all.filter((one) => one.offsetParent).map((one) => one.offsetHeight)",
        )
        assert len(boxes) > 15
        assert min(boxes) >= 36
        assert faults(visitor) == []
        visitor.keep_screenshot("phone")
    finally:
        visitor.page.set_viewport_size(DESKTOP)


def test_the_slider_is_moved_with_keys_and_the_pointer(visitor: Visitor) -> None:
    page = visitor.page
    line = "parseFloat(document.getElementById('divider').style.left) / document.getElementById('pictures').offsetWidth"
    page.focus("#split")
    page.keyboard.press("Home")
    assert page.evaluate(line) == 0
    page.keyboard.press("End")
    assert page.evaluate(line) == 1
    assert page.evaluate("document.getElementById('before').style.clipPath") == "inset(0px)"
    box = page.locator("#pictures").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    assert page.evaluate(line) == pytest.approx(0.25, abs=0.02)


def test_zoom_goes_to_screen_pixels_and_back(visitor: Visitor) -> None:
    page = visitor.page
    page.click("#zoom-full")
    assert page.inner_text("#zoom") == "100 %"
    assert page.evaluate("document.getElementById('pictures').offsetWidth") == 16
    page.click("#zoom-in")
    assert page.inner_text("#zoom") == "150 %"
    page.click("#zoom-fit")
    assert page.evaluate("document.getElementById('pictures').offsetWidth") > 100


def test_thresholds_change_what_is_listed(visitor: Visitor) -> None:
    everything = visitor.all_tags()
    visitor.page.fill("#general", "1")
    visitor.page.fill("#character", "1")
    assert len(everything) > 150
    assert visitor.page.inner_text("#tag-list") == "No tag reaches the threshold."
    assert visitor.page.is_disabled("#copy-prompt")
    visitor.page.fill("#general", "0.35")


def test_all_is_reached_by_keyboard_and_named(visitor: Visitor) -> None:
    page = visitor.page
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached: list[str] = []
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    for name in ("language", "open", "paste", "sample", "network", "measure", "tags", "zoom-in", "stage", "split"):
        assert name in reached
    assert {"format", "download", "general", "copy-prompt", "thumbnail", "again", "remove"} <= set(reached)
    assert "files" not in reached
    said = page.get_by_role("button", name="Again: small.png")
    assert said.count() == 1


def test_a_message_covers_no_button(visitor: Visitor) -> None:
    page = visitor.page
    page.evaluate("window.scrollTo(0, 0)")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("document.getElementById('copy-prompt').click()")
    visitor.until("document.getElementById('status').textContent === 'Copied'")
    covered = """() => {
      const { left, right, top, bottom } = document.getElementById("status").getBoundingClientRect();
      const over = (one) => one.left < right && one.right > left && one.top < bottom && one.bottom > top;
      const parts = [...document.querySelectorAll("button, select, input, a")].filter((part) => part.checkVisibility());
      return parts.filter((part) => over(part.getBoundingClientRect())).map((part) => part.id || part.className);
    }"""
    assert page.evaluate(covered) == []


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(browser: Any, address: str, kind: str) -> None:
    with visiting(browser) as visitor:
        visitor.open(address)
        assert visitor.page.is_disabled("#start")
        visitor.page.evaluate(CARRIED, [base64.b64encode(SMALL).decode(), kind])
        assert visitor.page.inner_text(".card .name") == f"{kind}.png"
        assert visitor.page.is_enabled("#start")
        assert visitor.complaints() == []


def test_the_button_pastes_a_picture_and_says_where_there_is_none(visitor: Visitor) -> None:
    page = visitor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('words')")
    page.click("#paste")
    visitor.until("document.getElementById('status').textContent === 'There is no picture to paste.'")
    assert visitor.states() == ["done"]
    page.evaluate(COPIED, base64.b64encode(SMALL).decode())
    page.click("#paste")
    page.wait_for_selector(".card:nth-child(2)")
    assert page.inner_text(".card:nth-child(2) .name") == "pasted.png"
    page.click(".card:nth-child(2) .remove")
    assert visitor.complaints() == []


def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(browser: Any, address: str) -> None:
    with visiting(browser, locale="en-US") as visitor:
        visitor.page.add_init_script(BLOCKED)
        visitor.open(address)
        assert not visitor.holds("localStorage.length >= 0")
        visitor.page.select_option("#theme", "dark")
        visitor.page.select_option("#language", "ja")
        visitor.until("document.documentElement.lang === 'ja'")
        visitor.page.select_option("#language", "en")
        visitor.add({"small.png": SMALL})
        visitor.choose()
        visitor.start()
        assert visitor.finished() == ["done"]
        assert visitor.page.inner_text("#estimate").endswith("for each megapixel, measured on this device")
        assert visitor.complaints() == []


def test_the_sample_is_added_and_removed(visitor: Visitor) -> None:
    visitor.page.click("#sample")
    visitor.page.wait_for_selector(".card:nth-child(2)")
    assert visitor.states() == ["done", "waiting"]
    visitor.page.click(".card:nth-child(2) .remove")
    assert visitor.states() == ["done"]
    assert visitor.complaints() == []
