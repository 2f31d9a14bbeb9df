"""A browser and a site of the real networks, for all tests marked `page`; and node, for the others."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import started
from page_visitor import Visitor, running, visiting
from senga.headless.cli import OK, main
from senga.headless.site import serving

SHOWN = ("senga_compact_x2", "senga_compact_x1")


@pytest.fixture(scope="session")
def node() -> Callable[..., str]:
    """Runs node on arguments and a standard input, without an error; returns what it prints."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs node")

    def run(*arguments: object, given: str = "") -> str:
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with started() as found:
        yield found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the default network and the one that cleans: exporting all takes minutes."""
    out = tmp_path_factory.mktemp("page") / "site"
    assert main(["page", "--out", str(out), *(word for name in SHOWN for word in ("-m", name))]) == OK
    return out


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with running(serving.server(site, 0)) as found:
        yield found


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Visitor]:
    """On a desktop, with the page open."""
    with visiting(browser, viewport={"width": 1280, "height": 900}) as found:
        found.open(address)
        yield found
