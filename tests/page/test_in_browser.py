"""The page in a real browser, as a visitor uses it: results are those of `senga upscale` and `senga tag`."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chromium import OPTIONS, executable
from page_pictures import SAMPLE, WEIGHTS, difference, drawing, expected, opened, sprite
from page_visitor import Visitor, picture_file, plain_host, running, visiting
from PIL import Image
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import TaggerModel, load_model, save_model, tag
from senga.headless.cli import OK, main
from senga.headless.site import folder, serving
from senga.nodes import host

pytestmark = pytest.mark.page

EMULATED = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")
EMULATED += ("--use-vulkan=swiftshader", "--disable-vulkan-surface")
WEBGPU = [*(option for option in OPTIONS if option != "--disable-gpu"), *EMULATED]
NUMBERS = np.random.default_rng(1)


FRAMES = [drawing(20, 28), np.roll(drawing(20, 28), 3, axis=1), np.roll(drawing(20, 28), 3, axis=1)]


def gif() -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.fromarray(frame).quantize(64) for frame in FRAMES]
    # Disposal to the background keeps the third frame, which is like the second.
    first.save(out, "GIF", save_all=True, append_images=rest, duration=[100, 200, 300], loop=0, disposal=2)
    return out.getvalue()


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
            "pictures": pictures,
        }


def test_the_site_and_what_a_visitor_loads_first_are_small(site: Path) -> None:
    assert folder.total(site) <= folder.LARGEST
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


def test_tags_are_those_of_senga_tag(visitor: Visitor) -> None:
    levels = np.asarray(Image.open(SAMPLE).convert("RGBA"))[:90, 90:210]
    visitor.add({"lucy.png": picture_file(levels)})
    visitor.choose(tags=True)
    visitor.start()
    assert visitor.finished() == ["done"]
    model = load_model(WEIGHTS / host.DEFAULT_TAGGER)
    assert isinstance(model, TaggerModel)
    image = torch.from_numpy(levels.astype(np.float32) / 255)[None]
    scores = model(image.movedim(3, 1))[0].tolist()
    wanted = dict(zip(model.vocabulary.names, scores, strict=True))
    chosen = tag(model, image)[0].tags.split(", ")
    shown = visitor.page.eval_on_selector_all("#tag-list li", "rows => rows.map((row) => row.firstChild.data)")
    assert [name.replace("(", "\\(").replace(")", "\\)") for name in shown] == chosen
    assert visitor.page.inner_text("#rating") == "Rating: not trained"
    found = visitor.all_tags()
    spelt = {name.replace("_", " "): score for name, score in wanted.items()}
    known = {name: spelt[name] if name in spelt else wanted[name] for name in found}
    assert len(found) > 150
    assert max(abs(score - known[name]) for name, score in found.items()) <= 0.01
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


def test_it_works_offline_after_the_first_visit(visitor: Visitor) -> None:
    levels = drawing(6, 8)
    visitor.add({"a.png": picture_file(levels)})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["done"]
    visitor.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    visitor.page.context.set_offline(True)
    visitor.page.reload()
    visitor.ready()
    assert visitor.states() == []  # no picture is kept
    visitor.add({"a.png": picture_file(levels)})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["done"]
    assert difference(opened(visitor.saved("#download")[1]), expected(levels)) <= 2


def test_a_host_without_headers_gets_threads_by_the_service_worker(browser: Any, site: Path) -> None:
    with running(plain_host(site)) as host, visiting(browser) as visitor:
        visitor.page.goto(host + "?engine=wasm&threads=2")
        visitor.page.wait_for_load_state()
        visitor.until("crossOriginIsolated")
        visitor.ready()
        visitor.add({"a.png": picture_file(drawing(4, 6))})
        visitor.choose()
        visitor.start()
        assert visitor.finished() == ["done"]
        assert visitor.page.inner_text("#engine") == "Computed by WebAssembly, 2 threads."
        assert visitor.complaints() == []


def test_webgpu_gives_the_same_on_chromiums_software_adapter(browser: Any, tmp_path: Path) -> None:
    """A small network, since the adapter is an emulation: its results count here, not its time."""
    model = small_model("compact", scale=2, features=8, layers=2)
    save_model(tmp_path / "small.safetensors", model)
    save_model(tmp_path / "tags.safetensors", small_tagger())
    options = ["-m", str(tmp_path / "small.safetensors"), "--tagger", str(tmp_path / "tags.safetensors")]
    assert main(["page", "--out", str(tmp_path / "site"), *options]) == OK
    levels = drawing(30, 22)
    wanted = expected(levels, model)
    host = serving.server(tmp_path / "site", 0)
    emulated = browser.browser_type.launch(executable_path=executable(), args=WEBGPU)
    with emulated, running(host) as address, visiting(emulated) as visitor:
        visitor.open(address, "?engine=webgpu&threads=1")
        visitor.add({"a.png": picture_file(levels)})
        visitor.choose()
        visitor.start()
        assert visitor.finished() == ["done"]
        assert visitor.page.inner_text("#engine") == "Computed by WebGPU."
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
