"""What the service worker does: offline use, headers for threads, and a new site beside an old one."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from page_pictures import difference, drawing, expected, opened
from page_visitor import ONE_THREAD, Visitor, picture_file, plain_host, running, visiting
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import OK, main
from senga.headless.site import folder

pytestmark = pytest.mark.page

LEVELS = drawing(9, 12)
RENEWED = "The site was renewed. Close all its tabs and open it again."


# All that the page has stored in the browser: addresses in its caches, and names of the rest.
STORED = """async () => {
  const addresses = [];
  for (const name of await caches.keys())
    for (const { url } of await (await caches.open(name)).keys()) addresses.push(url);
  const files = await Array.fromAsync((await navigator.storage.getDirectory()).keys());
  const databases = (await indexedDB.databases()).map(({ name }) => name);
  return [addresses, [...Object.keys(localStorage), ...Object.keys(sessionStorage), ...databases, ...files]];
}"""

# Looks for another script under the address of the worker that runs, as browsers do: what becomes of it.
LOOKED = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  const end = new Promise((done) => registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker.addEventListener("statechange", () => done(worker.state));
    setTimeout(done, 60000, "still installing");
  }));
  await registration.update().catch(() => null); // it may say so, too
  return end;
}"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are compressed fast, not well."""
    monkeypatch.setattr(folder, "packers", lambda: {"gz": partial(gzip.compress, compresslevel=1, mtime=0)})


def publish(parent: Path, strength: float) -> UpscaleModel:
    """Write parent/host/site with networks whose weights are multiplied; returns the upscaler."""
    model, tagger = small_model("compact", scale=2), small_tagger()
    with torch.no_grad():
        for weights in (*model.model.parameters(), *tagger.model.parameters()):
            weights.mul_(strength)
    save_model(parent / "small.safetensors", model)
    save_model(parent / "tags.safetensors", tagger)
    options = ["-m", str(parent / "small.safetensors"), "--tagger", str(parent / "tags.safetensors")]
    assert main(["page", "--out", str(parent / "host" / "site"), *options]) == OK
    return model


def upscaled(visitor: Visitor) -> Any:
    visitor.add({"a.png": picture_file(LEVELS)})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["done"]
    return opened(visitor.saved("#download")[1])


def test_it_works_offline_after_the_first_visit_and_keeps_no_picture(
    visitor: Visitor, site: Path, address: str
) -> None:
    levels = drawing(6, 8)
    visitor.add({"a.png": picture_file(levels)})
    visitor.choose()
    visitor.start()
    assert visitor.finished() == ["done"]
    visitor.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    addresses, names = visitor.page.evaluate(STORED)
    manifest = json.loads((site / "manifest.json").read_text(encoding="utf-8"))
    kept = {url.removeprefix(address).split("?")[0] for url in addresses}
    assert {"", "ui/app.js", "models/senga_compact_x2.onnx"} < kept < {"", "manifest.json", *manifest["files"]}
    assert {"senga.seconds"} <= set(names) <= {"senga.seconds", "senga.theme", "senga.language"}
    visitor.page.context.set_offline(True)
    visitor.page.reload()
    visitor.ready()
    assert visitor.states() == []
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


@pytest.mark.usefixtures("quick")
def test_an_open_page_keeps_its_networks_and_the_next_visit_has_the_new_ones(browser: Any, tmp_path: Path) -> None:
    """In a sub-folder of a host that sets no headers."""
    first = publish(tmp_path, 1)
    with running(plain_host(tmp_path / "host")) as host, visiting(browser) as visitor:
        visitor.page.goto(f"{host}site/{ONE_THREAD}")
        visitor.until("crossOriginIsolated")
        visitor.ready()
        assert difference(upscaled(visitor), expected(LEVELS, first)) <= 2
        kept = visitor.page.evaluate("caches.keys()")
        second = publish(tmp_path, 0.8)
        script = tmp_path / "host" / "site" / "service-worker.js"
        script.write_text(f"{script.read_text(encoding='utf-8')}// Changed.\n", encoding="utf-8")
        assert visitor.page.evaluate(LOOKED) == "redundant"  # it would fill the old cache with new files
        assert visitor.page.evaluate("caches.keys()") == kept
        visitor.page.reload()
        visitor.ready()
        visitor.until("caches.keys().then((names) => names.length === 3)")
        visitor.until("navigator.serviceWorker.getRegistration().then(({ waiting }) => waiting !== null)")
        assert set(kept) < set(visitor.page.evaluate("caches.keys()"))
        assert difference(upscaled(visitor), expected(LEVELS, first)) <= 2
        visitor.choose(tags=True)  # the tagger was not loaded before
        visitor.page.click(".card .again")
        visitor.start()
        assert visitor.finished() == ["failed"]
        assert visitor.notes() == [RENEWED]
        old, visitor.page = visitor.page, visitor.page.context.new_page()
        visitor.page.goto(host)  # outside the site's folder, where no service worker answers
        old.close()
        visitor.until("caches.keys().then((names) => names.length === 2)")
        visitor.open(f"{host}site/")
        assert visitor.holds("crossOriginIsolated")
        assert difference(upscaled(visitor), expected(LEVELS, second)) <= 2
        assert visitor.complaints() == []
