"""One ComfyUI for the whole run, and its log under each test that fails."""

from collections.abc import Generator, Iterator

import pytest
from comfy_client import Client
from comfy_install import install
from comfy_server import Server, running
from senga.nodes.host import DEFAULT_UPSCALER

_servers: list[Server] = []  # the one that runs, for the report of a failure


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(install(), tmp_path_factory.mktemp("comfyui")) as started:
        _servers.append(started)
        yield started
        _servers.clear()


@pytest.fixture(scope="session")
def client(server: Server) -> Client:
    return server.client


@pytest.fixture(scope="session")
def shipped_model() -> str:
    """The default upscaler, which comes with the repository."""
    return DEFAULT_UPSCALER


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend(("the end of ComfyUI's log", server.log_tail()) for server in _servers)
    return report
