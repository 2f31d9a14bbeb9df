"""The page in a real browser, as a visitor uses it: results are those of `senga upscale` and `senga tag`."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chromium import OPTIONS, executable
from page_pictures import SAMPLE, WEIGHTS, difference, drawing, expected, opened, sprite
from page_visitor import Visitor, picture_file, running, visiting
from PIL import Image
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import TaggerModel, load_model, save_model, tag
from senga.headless.cli import OK, main
from senga.headless.site import folder, serving
from senga.headless.site.models import OFFERED
from senga.nodes import host

pytestmark = pytest.mark.page

EMULATED = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
EMULATED += ("--use-vulkan=swiftshader", "--disable-vulkan-surface")
WEBGPU = [*(option for option in OPTIONS if option != "--disable-gpu"), *EMULATED]
SHOWN = ("senga_compact_x2", "senga_compact_x1")  # of the fixture `site`
NUMBERS = np.random.default_rng(1)


# Notes each state of the bar for what is loaded: whether it is seen, its text and share, and the foot's engine.
WATCHED = """() => {
  const [bar, words] = ["loading", "loading-text"].map((id) => document.getElementById(id));
  window.loadingShown = [];
  const [share, engine] = [bar.querySelector("progress"), document.getElementById("engine")];
  const note = () => loadingShown.push([!bar.hidden, words.textContent, share.value, engine.textContent]);
  new MutationObserver(note).observe(bar, { attributes: true, childList: true, subtree: true });
}"""
FRAMES = [drawing(20, 28), np.roll(drawing(20, 28), 3, axis=1), np.roll(drawing(20, 28), 3, axis=1)]


def gif() -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.fromarray(frame).quantize(64) for frame in FRAMES]
    # Disposal to the background keeps the third frame, which is like the second.
    first.save(out, "GIF", save_all=True, append_images=rest, duration=[100, 200, 300], loop=0, disposal=2)
    return out.getvalue()


def error_of(found: dict[str, float], model: TaggerModel, levels: np.ndarray) -> float:
    """The largest difference of the page's scores from the model's."""
    scores = model(torch.from_numpy(levels.astype(np.float32) / 255)[None].movedim(3, 1))[0].tolist()
    wanted = dict(zip(model.vocabulary.names, scores, strict=True))
    spelt = {name.replace("_", " "): score for name, score in wanted.items()} | wanted  # emoticons keep theirs
    return max(abs(score - spelt[name]) for name, score in found.items())


@pytest.fixture(scope="module")
def queue(browser: Any, address: str) -> Any:
    """Five pictures through one page: what was downloaded, and what the page said."""
    pictures = {
        "sprite.png": picture_file(sprite()),
        "dot.png": picture_file(np.array([[[10, 200, 90]]], dtype=np.uint8)),
        "strip.png": picture_file(drawing(37, 1000)),
        "dance.gif": gif(),
        "soft.webp": picture_file(drawing(30, 30, 4), "WEBP", lossless=True, exact=True),
    }
    with visiting(browser, viewport={"width": 1280, "height": 900}) as visitor:
        visitor.open(address)
        visitor.add(pictures)
        visitor.choose()
        visitor.page.evaluate(WATCHED)
        visitor.start()
        states = visitor.finished()
        visitor.keep_screenshot("queue")
        yield {
            "states": states,
            "files": visitor.saved_all(),
            "complaints": visitor.complaints(),
            "asked": list(visitor.asked),
            "engine": visitor.page.inner_text("#engine"),
            "estimate": visitor.page.inner_text("#estimate"),
            "notes": visitor.notes(),
            "loading": visitor.page.evaluate("window.loadingShown"),
            "pictures": pictures,
        }


def test_the_site_and_what_a_visitor_loads_first_are_small(site: Path) -> None:
    # With the other networks that are offered: at most their weights in 32 bits for each speed, and as much again.
    others = {name: load_model(WEIGHTS / f"{name}.safetensors") for name in OFFERED if name not in SHOWN}
    rest = sum(
        2 * (WEIGHTS / f"{name}.safetensors").stat().st_size * max(1, len(model.header.units))
        for name, model in others.items()
    )
    assert len(others) == 2
    assert 0 < rest <= folder.LARGEST - folder.total(site)
    assert (site / "models" / "senga_compact_x2.onnx.gz").stat().st_size <= 2 * 10**6


def test_a_queue_of_five_is_done_and_its_names_are_kept(queue: dict[str, Any]) -> None:
    assert queue["states"] == ["done"] * 5
    assert list(queue["files"]) == ["sprite.png", "dot.png", "strip.png", "dance.png", "soft.png"]
    assert "144×96" in queue["notes"][0]


def test_stills_are_within_two_levels_of_senga_upscale(queue: dict[str, Any]) -> None:
    for name in ("dot.png", "strip.png"):
        levels = opened(queue["pictures"][name])
        assert difference(opened(queue["files"][name]), expected(levels)) <= 2


@pytest.mark.parametrize(("name", "source"), [("sprite.png", "sprite.png"), ("soft.png", "soft.webp")])
def test_transparent_pictures_are_too_with_the_colour_under_it(queue: dict[str, Any], name: str, source: str) -> None:
    found, wanted = opened(queue["files"][name]), expected(opened(queue["pictures"][source]))
    assert difference(found[..., 3], wanted[..., 3]) <= 2
    seen = wanted[..., 3] > 0
    assert difference(found[seen], wanted[seen]) <= 2


def test_an_animation_keeps_its_frames_and_times(queue: dict[str, Any]) -> None:
    made, source = (Image.open(io.BytesIO(data)) for data in (queue["files"]["dance.png"], gif()))
    frames = getattr(source, "n_frames", 1)
    assert (getattr(made, "n_frames", 1), made.info["loop"]) == (frames, 0)
    for i in range(frames):
        made.seek(i)
        source.seek(i)
        assert made.info["duration"] == source.info["duration"]
        wanted = expected(np.asarray(source.convert("RGB")))
        assert difference(np.asarray(made.convert("RGB")), wanted) <= 2


def test_no_request_leaves_the_site_and_the_console_is_silent(queue: dict[str, Any], address: str) -> None:
    assert {url.split("/")[0] for url in queue["asked"]} <= {"http:", "blob:"}
    assert [url for url in queue["asked"] if not url.startswith((address, f"blob:{address}"))] == []
    assert queue["complaints"] == []


def test_one_engine_is_loaded_and_its_name_and_time_are_shown(queue: dict[str, Any]) -> None:
    packed = [url for url in queue["asked"] if url.endswith((".gz", ".br"))]
    assert {Path(url).stem for url in packed if "/runtime/" in url} == {"ort-wasm-simd-threaded.wasm"}
    assert queue["engine"] == "Computed by WebAssembly, 1 thread."
    assert queue["estimate"].endswith("for each megapixel, measured on this device")


def test_a_bar_shows_how_much_of_the_engine_and_of_the_network_is_loaded(queue: dict[str, Any]) -> None:
    states = [(text, share) for seen, text, share, _ in queue["loading"] if seen]
    for what, size in (("engine", "3.7 MB"), ("network", "941 kB")):
        shares = [share for text, share in states if text.startswith(f"Loading the {what}: ")]
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] < 1
        assert f"Loading the {what}: 0 kB of {size}" in [text for text, _ in states]
    assert any(0 < share < 1 for _, share in states)
    seen, *_, engine = queue["loading"][len(states)]
    assert not seen
    assert engine == "Computed by WebAssembly, 1 thread."  # known before the first tile


def test_tags_are_those_of_senga_tag(visitor: Visitor) -> None:
    levels = np.asarray(Image.open(SAMPLE).convert("RGBA"))[:90, 90:210]
    visitor.add({"lucy.png": picture_file(levels)})
    visitor.choose(tags=True)
    visitor.start()
    assert visitor.finished() == ["done"]
    model = load_model(WEIGHTS / host.DEFAULT_TAGGER)
    assert isinstance(model, TaggerModel)
    chosen = tag(model, torch.from_numpy(levels.astype(np.float32) / 255)[None])[0].tags.split(", ")
    shown = visitor.page.eval_on_selector_all("#tag-list li", "rows => rows.map((row) => row.firstChild.data)")
    assert [name.replace("(", "\\(").replace(")", "\\)") for name in shown] == chosen
    assert visitor.page.inner_text("#rating") == "Rating: not trained"
    found = visitor.all_tags()
    assert len(found) > 150
    assert error_of(found, model, levels) <= 0.01
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.click("#copy-caption")
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied.split(", ")[0] == shown[0]
    assert visitor.complaints() == []


def test_a_bad_file_is_said_and_the_next_one_is_done(visitor: Visitor) -> None:
    visitor.add({"bad.png": b"this is not a picture", "cut.png": picture_file(drawing(40, 40))[:200]})
    visitor.add({"good.png": picture_file(drawing(4, 4))})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["failed", "failed", "done"]
    assert visitor.notes()[:2] == ["This file cannot be read as a picture."] * 2
    hidden = visitor.page.eval_on_selector_all(".card img", "images => images.map((image) => image.hidden)")
    assert (hidden[0], hidden[2]) == (True, False)
    assert visitor.complaints() == []


def test_a_stop_ends_a_tile_at_once_and_what_is_done_can_be_saved_meanwhile(visitor: Visitor) -> None:
    visitor.add({"small.png": picture_file(drawing(4, 4))})
    visitor.add({"large.png": picture_file(NUMBERS.integers(0, 255, (300, 1000, 3), dtype=np.uint8))})  # one tile
    visitor.choose()
    visitor.start()
    visitor.page.wait_for_selector(".card:nth-child(2)[data-state=running] progress[value]", timeout=240_000)
    visitor.page.select_option("#format", "webp")
    name, data = visitor.saved("#download")
    assert (name, opened(data).shape) == ("small.webp", (8, 8, 3))
    assert visitor.states() == ["done", "running"]
    assert "left" in visitor.notes()[1]
    fetched = [url for url in visitor.asked if url.endswith((".gz", ".br"))]
    visitor.page.click(".card:nth-child(2) .cancel")
    assert visitor.finished() == ["done", "cancelled"]
    assert visitor.notes()[1] == "Stopped"
    visitor.page.click(".card:nth-child(1) .again")
    visitor.start()
    assert visitor.finished() == ["done", "cancelled"]
    visitor.page.select_option("#format", "png")
    assert difference(opened(visitor.saved("#download")[1]), expected(drawing(4, 4))) <= 2
    # The new worker has the engine and the network from the cache.
    assert [url for url in visitor.asked if url.endswith((".gz", ".br"))] == fetched != []
    assert visitor.complaints() == []


def test_an_animated_webp_keeps_its_frames_and_times_and_alpha(visitor: Visitor) -> None:
    frames = [drawing(12, 16, 4), np.roll(drawing(12, 16, 4), 5, axis=1)]
    out = io.BytesIO()
    first, second = (Image.fromarray(frame) for frame in frames)
    settings: dict[str, Any] = {"lossless": True, "exact": True, "duration": [80, 250], "loop": 3}
    first.save(out, "WEBP", save_all=True, append_images=[second], **settings)
    visitor.add({"wave.webp": out.getvalue()})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["done"]
    visitor.page.select_option("#format", "webp")
    name, data = visitor.saved("#download")
    visitor.until("document.getElementById('status').textContent === 'Animations are saved as animated PNG.'")
    made = Image.open(io.BytesIO(data))
    assert (name, made.format, getattr(made, "n_frames", 1), made.info["loop"]) == ("wave.png", "PNG", 2, 3)
    for i, (frame, duration) in enumerate(zip(frames, settings["duration"], strict=True)):
        made.seek(i)
        found, wanted = np.asarray(made.convert("RGBA")), expected(frame)
        seen = wanted[..., 3] > 0
        assert made.info["duration"] == duration
        assert difference(found[..., 3], wanted[..., 3]) <= 2
        assert difference(found[seen], wanted[seen]) <= 2
    assert visitor.complaints() == []


def test_webgpu_gives_the_same_on_chromiums_software_adapter(browser: Any, tmp_path: Path) -> None:
    """A small network, since the adapter is an emulation: its results count here, not its time."""
    model, tagger = small_model("compact", scale=2, features=8, layers=2), small_tagger()
    save_model(tmp_path / "small.safetensors", model)
    save_model(tmp_path / "tags.safetensors", tagger)
    options = ["-m", str(tmp_path / "small.safetensors"), "--tagger", str(tmp_path / "tags.safetensors")]
    assert main(["page", "--out", str(tmp_path / "site"), *options]) == OK
    levels = drawing(30, 22)
    wanted = expected(levels, model)
    host = serving.server(tmp_path / "site", 0)
    emulated = browser.browser_type.launch(executable_path=executable(), args=WEBGPU)
    with emulated, running(host) as address, visiting(emulated) as visitor:
        visitor.open(address, "?engine=webgpu&threads=1")
        visitor.add({"a.png": picture_file(levels)})
        visitor.choose(tags=True)  # the tagger runs on the WebAssembly in the same build
        visitor.start()
        assert visitor.finished() == ["done"]
        assert visitor.page.inner_text("#engine") == "Computed by WebGPU."
        found = visitor.all_tags()
        assert len(found) > 2
        assert error_of(found, tagger, levels) <= 0.02  # it was not trained, and 16 bits make more of a difference
        assert difference(opened(visitor.saved("#download")[1]), wanted) <= 2


def test_only_what_the_policy_allows_can_be_done(visitor: Visitor, address: str) -> None:
    tried = """async () => {
      const results = [];
      for (const url of ["https://example.org/x", "http://127.0.0.1:9/x"])
        results.push(await fetch(url).then(() => "sent", () => "refused"));
      const run = () => { try { return new Function("return 'ran'")(); } catch { return "refused"; } };
      results.push(await new Promise((done) => setTimeout(() => done(run()))));
      return results;
    }"""
    assert visitor.page.evaluate(tried) == ["refused"] * 3
    assert [url for url in visitor.asked if not url.startswith(address)] == []  # refused before they were sent
