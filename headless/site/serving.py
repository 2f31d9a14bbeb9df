"""Serve a site on this machine alone, with the headers that let the page use threads, compressed for who takes it."""

import json
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from ..log import logger
from .packing import ENDINGS

LOOPBACK = "127.0.0.1"
INDEX = "index.html"
# Python's own table depends on the machine.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".gz": "application/gzip",
    ".br": "application/octet-stream",
    "": "application/octet-stream",
}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = TYPES
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, headers: dict[str, str], **settings: object) -> None:
        self.added = headers
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]

    def send_head(self) -> BinaryIO | None:  # type: ignore[override]
        """The compressed copy of a file where the visitor's browser takes it, else the file."""
        asked = self.translate_path(self.path)
        path = Path(asked, INDEX) if asked.endswith("/") else Path(asked)
        try:
            found = self._find_copy(path)
            if found is None:
                path.stat()
        except (OSError, ValueError):  # not there, or not a name that the system takes: a zero in it, or too long
            self.send_error(404)
            return None
        if found is None:
            return super().send_head()  # type: ignore[return-value]
        copy, encoding = found
        return self._send_copy(copy, self.guess_type(path), encoding)

    def _find_copy(self, path: Path) -> tuple[Path, str] | None:
        """The smallest copy that the browser takes, and its encoding."""
        taken = accepted(self.headers.get("Accept-Encoding", ""))
        copies = ((path.with_name(f"{path.name}.{end}"), encoding) for end, encoding in ENDINGS.items())
        return next(((copy, encoding) for copy, encoding in copies if encoding in taken and copy.is_file()), None)

    def _send_copy(self, copy: Path, kind: str, encoding: str) -> BinaryIO:
        file = copy.open("rb")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(copy.stat().st_size))
        self.end_headers()
        return file

    def end_headers(self) -> None:
        for name, value in self.added.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Vary", "Accept-Encoding")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        logger.debug("%s: %s", self.path.partition("?")[0] if hasattr(self, "path") else "-", format % arguments)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor who leaves in the middle is no fault of ours."""
        logger.debug("a request could not be answered", exc_info=True)


def accepted(header: str) -> set[str]:
    """The encodings that an Accept-Encoding names, without those of weight 0."""
    found = set()
    for part in header.split(","):
        name, _, weight = part.replace(" ", "").lower().partition(";q=")
        if weight not in ("0", "0.0", "0.00", "0.000"):
            found.add(name)
    return found


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of a site on 127.0.0.1, not yet running. Port 0 takes any free one.

    Raises OSError where the port is taken.
    """
    headers = json.loads((site / "headers.json").read_text(encoding="utf-8"))
    return _Server((LOOPBACK, port), partial(_Handler, directory=str(site), headers=headers))


def address(running: ThreadingHTTPServer) -> str:
    return f"http://{LOOPBACK}:{running.server_address[1]}/"
