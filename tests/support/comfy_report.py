"""ComfyUI's log under each test that fails: a hook for the conftest.py of tests that run one."""

from collections.abc import Generator

import pytest
from comfy_server import Server

servers: list[Server] = []  # those that run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend(("the end of ComfyUI's log", server.log_tail()) for server in servers)
    return report
