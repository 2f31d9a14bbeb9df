"""`senga page`: odd requests, visitors who leave, damaged packages and manifests end in no traceback."""

import json
import socket
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from bounds import within_bounds
from page_visitor import running
from senga.headless.errors import SengaError, UsageError
from senga.headless.site import folder, runtime, serving

LARGE = bytes(8 * 2**20)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    above = tmp_path_factory.mktemp("served")
    site = above / "site"
    (site / "sub").mkdir(parents=True)
    (site / "headers.json").write_text(json.dumps({"X-Made": "yes"}))
    (site / "index.html").write_text("the page")
    (site / "large.bin").write_bytes(LARGE)
    (above / "private.txt").write_text("secret")
    server = serving.server(site, 0)
    with running(server):
        yield server.server_address[1]


def asked(port: int, request: bytes) -> bytes:
    """The answer to raw bytes, whole."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    return answer


def get(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


REQUESTS = {
    "zero": (get(b"/%00"), b" 404 "),
    "zero in a name": (get(b"/index.html%00.png"), b" 404 "),
    "above": (get(b"/../private.txt"), b" 404 "),
    "above, encoded": (get(b"/%2e%2e/private.txt"), b" 404 "),
    "above, twice encoded": (get(b"/%252e%252e/private.txt"), b" 404 "),
    "above, with backslashes": (get(b"/..\\private.txt"), b" 404 "),
    "an address": (get(b"http://127.0.0.1:9/private.txt"), b" 404 "),
    "two slashes": (get(b"//private.txt"), b" 404 "),
    "zero in a query": (get(b"/index.html?a=%00"), b" 200 "),
    "half a character": (get(b"/%ed%a0%80"), b" 404 "),
    "not UTF-8": (get(b"/%ff%fe\xff"), b" 404 "),
    "long": (get(b"/" + b"x" * 60_000), b" 404 "),
    "long in bytes": (get(b"/" + b"%e3%81%82" * 100), b" 404 "),
    "a long folder": (get(b"/" + b"x" * 300 + b"/a"), b" 404 "),
    "many folders": (get(b"/a" * 3000), b" 404 "),
    "half an address": (get(b"http://[/index.html"), b" 404 "),
    "too long": (get(b"/" + b"x" * 70_000), b" 414 "),
    "a folder": (get(b"/sub/"), b" 404 "),
    "no HTTP": (b"\x16\x03\x01\x00\xff\x00\n\n", b""),
    "another method": (b"DELETE /index.html HTTP/1.1\r\n\r\n", b" 501 "),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n", b" 431 "),
    "nothing": (b"", b""),
    "a range": (b"GET /index.html HTTP/1.1\r\nConnection: close\r\nRange: bytes=99-1\r\n\r\n", b" 200 "),
    "a date": (b"GET /index.html HTTP/1.1\r\nConnection: close\r\nIf-Modified-Since: \xff\r\n\r\n", b" 200 "),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_odd_request_is_answered_and_says_nothing_here(
    name: str, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    request, status = REQUESTS[name]
    with within_bounds():
        answer = asked(port, request)
    assert status in answer.split(b"\r\n")[0]
    assert b"secret" not in answer
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        assert page.read() == b"the page"
    assert capfd.readouterr() == ("", "")


def test_a_visitor_who_leaves_in_the_middle_is_no_error(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(get(b"/large.bin"))
        peer.recv(1000)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hangs up at once
        peer.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/large.bin") as page:
        assert len(page.read()) == len(LARGE)
    assert capfd.readouterr() == ("", "")


def test_a_visitor_who_says_nothing_keeps_nobody_waiting(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
        assert page.read() == b"the page"
    for peer in silent:
        peer.close()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("[]", "unknown"),
        ("5", "unknown"),
        ("{}", "unknown"),
        ('{"version": 5}', "5"),
        ('{"version": ["\\u001b"]}', "['\\x1b']"),
    ],
)
def test_an_odd_version_of_a_package_is_taken(text: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(text)
    assert runtime._version(tmp_path) == version


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_a_damaged_package_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(text)
    with pytest.raises(SengaError, match=r"package\.json: is not JSON"):
        runtime._version(tmp_path)


MANIFESTS = ["", "{", "[" * 100_000, "5", "[]", "{}", '{"files": 5}', '{"files": {"a\\u0000b": 1}}', '{"files": [5]}']


@pytest.mark.parametrize("text", MANIFESTS)
def test_a_folder_with_a_damaged_manifest_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=r"manifest\.json is not of a site of Senga's; give a new folder"):
        folder._old_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
