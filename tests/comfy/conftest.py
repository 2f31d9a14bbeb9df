"""One ComfyUI for the whole run, and its log under each test that fails."""

from collections.abc import Iterator

import pytest
from comfy_client import Client
from comfy_install import install
from comfy_report import pytest_runtest_makereport, servers  # noqa: F401 (pytest finds the hook by its name)
from comfy_server import Server, running
from senga.nodes.host import DEFAULT_UPSCALER


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(install(), tmp_path_factory.mktemp("comfyui")) as started:
        servers.append(started)
        yield started
        servers.clear()


@pytest.fixture(scope="session")
def client(server: Server) -> Client:
    return server.client


@pytest.fixture(scope="session")
def shipped_model() -> str:
    """The default upscaler, which comes with the repository."""
    return DEFAULT_UPSCALER
