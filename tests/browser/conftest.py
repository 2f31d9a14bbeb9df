"""ComfyUI in Debian's Chromium: an old and a new front end, each with classic nodes and with Nodes 2.0.

Screenshots are kept in the folder $SENGA_SCREENSHOTS, if it is given.
"""

from collections.abc import Iterator

import chromium
import comfy_editor
import pytest
from comfy_editor import Editor
from comfy_install import front_end, install
from comfy_report import pytest_runtest_makereport, servers  # noqa: F401 (pytest finds the hook by its name)
from comfy_samples import save_rrdb
from comfy_server import REPOSITORY, Server, running
from PIL import Image

VERSIONS = ("1.27.10", "1.58.1")  # the oldest that is supported, and a new one
NODES = {"classic": False, "Nodes 2.0": True}
SMALL = "tiny.safetensors"  # a network that takes no time


@pytest.fixture(scope="session")
def browser() -> Iterator:
    with chromium.started() as started:
        yield started


@pytest.fixture(scope="session", params=VERSIONS)
def server(request: pytest.FixtureRequest, browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ComfyUI whose input folder has the one picture of a fresh one, but small and ours."""
    installation = install()
    with running(installation, tmp_path_factory.mktemp("comfyui"), front_end(request.param, installation)) as started:
        picture = Image.open(REPOSITORY / "example_workflows" / "senga_lucy.png").convert("RGBA")
        picture.resize((96, 132)).save(started.input / "example.png")
        save_rrdb(started.upscale_models / SMALL, seed=1)
        servers.append(started)
        yield started
        servers.clear()


@pytest.fixture(scope="session", params=NODES)
def editor(request: pytest.FixtureRequest, browser, server: Server) -> Iterator[Editor]:
    """One page for all tests of a front end and a kind of nodes: to open it takes longest."""
    name = f"{server.front_end} {request.param}"
    with comfy_editor.opened(browser, server, name, Comfy__VueNodes__Enabled=NODES[request.param]) as opened:
        yield opened
