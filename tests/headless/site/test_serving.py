"""The server of `senga page --serve`: loopback, the headers for threads, and the copies that browsers take."""

import gzip
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from page_visitor import running
from senga.headless.commands import page as command
from senga.headless.site import folder, packing, serving

BINARY = "runtime/engine.wasm"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's own files and a stand-in for the engine, with their copies."""
    out = tmp_path_factory.mktemp("served") / "site"
    folder.copy_page(folder.PAGE, out)
    (out / BINARY).parent.mkdir()
    (out / BINARY).write_bytes(b"\0asm" * 100)
    (out / "manifest.json").write_text("{}")
    known = packing.packers()
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        folder.facts(path, known)
    return out


@pytest.fixture(scope="module")
def served(site):
    with running(serving.server(site, 0)) as found:
        yield found


def test_the_server_has_the_headers_and_types_that_threads_need(served):
    assert served.startswith("http://127.0.0.1:")
    for place, kind in (
        ("", "text/html"),
        ("engine/worker.js", "text/javascript"),
        ("manifest.json", "application/json"),
    ):
        with urllib.request.urlopen(served + place) as answer:
            assert answer.headers["Content-Type"].startswith(kind)
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert "wasm-unsafe-eval" in answer.headers["Content-Security-Policy"]
    for place in ("engine/", "../pyproject.toml", "nothing"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(served + place)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0", None),
        ("identity", None),
        (None, None),
    ],
)
def test_the_server_sends_the_copy_that_the_browser_takes(served, site, accepted, encoding):
    if encoding == "br":
        pytest.importorskip("brotli")
    for place, kind in (("", "text/html"), ("engine/worker.js", "text/javascript")):
        headers = {} if accepted is None else {"Accept-Encoding": accepted}
        with urllib.request.urlopen(urllib.request.Request(served + place, headers=headers)) as answer:
            assert answer.headers["Content-Encoding"] == encoding
            assert answer.headers["Content-Type"].startswith(kind)
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert "wasm-unsafe-eval" in answer.headers["Content-Security-Policy"]
            data = answer.read()
        unpack = {"gzip": gzip.decompress, "br": lambda data: sys.modules["brotli"].decompress(data), None: bytes}
        assert unpack[encoding](data) == (site / (place or "index.html")).read_bytes()
    with pytest.raises(urllib.error.HTTPError, match="404"):  # a file is not a folder
        urllib.request.urlopen(urllib.request.Request(f"{served}index.html/", headers=headers))


def test_what_is_there_in_compressed_form_alone_is_sent_as_it_is(served, site):
    place = BINARY
    with urllib.request.urlopen(f"{served}{place}.gz") as answer:
        assert answer.headers["Content-Encoding"] is None
        assert answer.read() == (site / f"{place}.gz").read_bytes()
    asked = urllib.request.Request(served + place, headers={"Accept-Encoding": "gzip"}, method="HEAD")
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Content-Type"] == "application/wasm"
        assert answer.read() == b""
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(served + place)


def test_a_taken_port_is_said(site, served, caplog):
    port = int(served.rstrip("/").rpartition(":")[2])
    with pytest.raises(command.SengaError, match=f"--serve {port}: .*give another port"):
        command.serve(site, port)
