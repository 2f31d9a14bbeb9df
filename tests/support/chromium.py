"""Debian's Chromium for the tests, driven by playwright: how it is started, and what its console says.

`apt-get install chromium fonts-noto-cjk` and `pip install playwright`; no browser is downloaded. Where one of them is
missing, the tests skip with one sentence; with $SENGA_NEEDS_CHROMIUM, which .ci/run sets, they fail.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: inside containers root has none. The rest keeps the browser from talking to its maker.
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("127.0.0.1", "localhost", "::1")
TIMEOUT = 60.0  # seconds for one step; a second as a rule, twenty on a machine with two busy cores
BAD = ("warning", "error", "assert")  # kinds of console messages that a test reports


def missing() -> str | None:
    """What keeps the tests from running, as one sentence; None where nothing does."""
    if executable() is None:
        return "Chromium is missing: apt-get install chromium fonts-noto-cjk, or name it in $CHROMIUM"
    if importlib.util.find_spec("playwright") is None:
        return 'playwright is missing: pip install -c constraints.txt ".[browser]"'
    return None


def executable() -> Path | None:
    """$CHROMIUM, else the first of the usual names."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named) if Path(named).is_file() else None
    return next((Path(found) for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def started() -> "Iterator[Browser]":
    """A headless Chromium, closed when the block ends. Skips the test, or fails it, where that is not possible."""
    if reason := missing():
        (pytest.fail if os.environ.get("SENGA_NEEDS_CHROMIUM") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Message:
    """One line of the console: of a script, of the browser itself (a file that is not there), or an exception."""

    kind: str  # "log", "info", "debug", "warning", "error", ...
    text: str
    urls: tuple[str, ...]  # of the files on the stack, innermost first; what could not be loaded

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} ({' < '.join(self.urls) or 'no file'})"


@dataclass
class Console:
    """What a page writes to its console, with the whole stack: who called a deprecated function is further out."""

    messages: list[Message] = field(default_factory=list)

    @classmethod
    def of(cls, page: "Page") -> "Console":
        """Listen from now on; open the page's address afterwards."""
        console, session = cls(), page.context.new_cdp_session(page)
        for event, read in EVENTS.items():
            session.on(event, lambda found, read=read: console.messages.append(read(found)))
        session.send("Runtime.enable")
        session.send("Log.enable")
        return console

    def bad(self, part: str = "") -> list[str]:
        """The warnings and errors whose text or files contain `part`; "" is all of them."""
        return [
            str(message)
            for message in self.messages
            if message.kind in BAD and any(part in text for text in (message.text, *message.urls))
        ]


def _spoken(event: dict[str, Any]) -> Message:
    texts = (str(value.get("value", value.get("description", value["type"]))) for value in event["args"])
    return Message(event["type"], " ".join(texts), _stack(event.get("stackTrace")))


def _thrown(event: dict[str, Any]) -> Message:
    details = event["exceptionDetails"]
    text = details.get("exception", {}).get("description", details["text"])
    return Message("error", text, _stack(details.get("stackTrace")) or (details.get("url", ""),))


def _logged(event: dict[str, Any]) -> Message:
    entry = event["entry"]
    return Message(entry["level"], entry["text"], (*_stack(entry.get("stackTrace")), entry.get("url", "")))


EVENTS = {"Runtime.consoleAPICalled": _spoken, "Runtime.exceptionThrown": _thrown, "Log.entryAdded": _logged}


def _stack(trace: dict[str, Any] | None) -> tuple[str, ...]:
    """The files of a stack trace and of what had started it asynchronously, each once."""
    urls: dict[str, None] = {}
    while trace:
        urls.update(dict.fromkeys(frame["url"] for frame in trace["callFrames"] if frame["url"]))
        trace = trace.get("parent")
    return tuple(urls)


@contextmanager
def page_of(browser: "Browser", **options: Any) -> "Iterator[tuple[Page, Console]]":
    """An empty page in a profile of its own, and its console. Requests to other machines are cut off.

    Args:
        browser: of `started`.
        options: of playwright's Browser.new_context: viewport, locale, accept_downloads, ...
    """
    context: BrowserContext = browser.new_context(**options)
    try:
        context.set_default_timeout(TIMEOUT * 1000)
        context.route(_elsewhere, _refuse)
        page = context.new_page()
        yield page, Console.of(page)
    finally:
        context.close()


def _elsewhere(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL


def _refuse(route: "Route") -> None:
    route.abort()
