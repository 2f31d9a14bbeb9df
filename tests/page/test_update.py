"""A host renews the site: pages that are open go on with their networks, and the next visit has the new ones."""

import gzip
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
