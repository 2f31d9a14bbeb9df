"""A visitor of the browser page: adds pictures, waits, downloads. For the tests marked `page`."""

import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from chromium import Console, page_of
from PIL import Image
from senga.headless.site import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 240_000  # milliseconds that a picture may take on a busy machine
# What Chromium itself says about a machine without a graphics card.
NO_GPU = "No available adapters"
# One thread: several that wait for each other are slow where other tests use the same cores.
ONE_THREAD = "?threads=1&engine=wasm"


def picture_file(levels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """(H, W, C) levels as the bytes of a file."""
    out = io.BytesIO()
    Image.fromarray(levels).save(out, kind, **options)
    return out.getvalue()


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """The address of a server that answers until the block ends."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield serving.address(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Plain(SimpleHTTPRequestHandler):
    """A static host that sets no headers and knows no type of .gz."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def plain_host(site: Path) -> ThreadingHTTPServer:
    return ThreadingHTTPServer((serving.LOOPBACK, 0), lambda *arguments: _Plain(*arguments, directory=str(site)))


@dataclass
class Visitor:
    """One open page."""

    page: "Page"
    console: Console
    asked: list[str]  # addresses of all requests

    def open(self, address: str, query: str = ONE_THREAD) -> None:
        self.page.goto(address + query)
        self.ready()

    def ready(self) -> None:
        self.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE)

    def until(self, expression: str, patience: float = 60.0) -> None:
        """Wait for a JavaScript expression. Playwright's own wait would use eval, which the page forbids."""
        end = time.monotonic() + patience
        while not self.holds(expression):
            assert time.monotonic() < end, f"still not: {expression}"
            time.sleep(0.1)

    def holds(self, expression: str) -> bool:
        """Whether an expression is true; false while the page is being loaded again."""
        try:
            return bool(self.page.evaluate(expression))
        except playwright_error():
            return False

    def add(self, files: dict[str, bytes]) -> None:
        kinds = {".gif": "image/gif", ".jpg": "image/jpeg", ".webp": "image/webp"}
        self.page.set_input_files(
            "#files",
            [
                {"name": name, "mimeType": kinds.get(Path(name).suffix, "image/png"), "buffer": data}
                for name, data in files.items()
            ],
        )

    def choose(self, *, scale: str = "2", tags: bool = False, network: str = "") -> None:
        self.page.check(f"input[name=scale][value='{scale}']", force=True)
        self.page.set_checked("#tags", tags)
        if network:
            self.page.select_option("#network", network)

    def start(self) -> None:
        self.page.click("#start")

    def finished(self) -> list[str]:
        """Wait until nothing runs or waits; the state of each picture."""
        self.page.wait_for_selector("#stop", state="hidden", timeout=PATIENCE)
        return self.states()

    def states(self) -> list[str]:
        return self.page.eval_on_selector_all(".card", "cards => cards.map((card) => card.dataset.state)")

    def notes(self) -> list[str]:
        return self.page.eval_on_selector_all(".card .note", "notes => notes.map((note) => note.textContent)")

    def saved(self, button: str) -> tuple[str, bytes]:
        """Name and content of what a button downloads."""
        with self.page.expect_download(timeout=PATIENCE) as waiting:
            self.page.click(button)
        path = waiting.value.path()
        return waiting.value.suggested_filename, Path(path).read_bytes()

    def saved_all(self) -> dict[str, bytes]:
        _, data = self.saved("#download-all")
        archive = zipfile.ZipFile(io.BytesIO(data))
        return {name: archive.read(name) for name in archive.namelist()}

    def all_tags(self) -> dict[str, float]:
        """Every tag with its score, as the page shows them at thresholds of 0."""
        for name in ("general", "character"):
            self.page.fill(f"#{name}", "0")
        rows: Sequence[str] = self.page.eval_on_selector_all(
            "#tag-list li", "rows => rows.map((row) => `${row.firstChild.data}\\n${row.lastChild.textContent}`)"
        )
        return {name: float(score) for name, score in (row.split("\n") for row in rows)}

    def complaints(self) -> list[str]:
        """Warnings and errors of the console, without Chromium's own about the machine."""
        return [text for text in self.console.bad() if NO_GPU not in text]

    def keep_screenshot(self, name: str) -> None:
        """Into the folder that $SENGA_SCREENSHOTS names."""
        if folder := os.environ.get("SENGA_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def playwright_error() -> type[Exception]:
    """Imported late: without playwright the tests skip."""
    from playwright.sync_api import Error

    return Error


@contextmanager
def visiting(browser: "Browser", **options: Any) -> Iterator[Visitor]:
    """A visitor with a new profile."""
    with page_of(browser, accept_downloads=True, **options) as (page, console):
        asked: list[str] = []
        page.context.on("request", lambda request: asked.append(request.url))
        yield Visitor(page, console, asked)
