"""Serve a site on this machine alone, with the headers that let the page use threads, compressed for who takes it."""

import json
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ..log import logger
from .packing import ENDINGS

LOOPBACK = "127.0.0.1"
INDEX = "index.html"
LONGEST_NAME = 200  # of a file, in characters; systems take 255 bytes
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
        if "\0" in unquote(self.path):  # no name of a file; Python's own handler would end in a traceback
            self.send_error(404)
            return None
        path = Path(self.translate_path(self.path))
        if len(path.name) > LONGEST_NAME:  # asking the system for it is an error
            self.send_error(404)
            return None
        if path.is_dir() and urlsplit(self.path).path.endswith("/"):
            path /= INDEX
        taken = accepted(self.headers.get("Accept-Encoding", ""))
        for ending, encoding in ENDINGS.items():
            copy = path.with_name(f"{path.name}.{ending}")
            if encoding in taken and copy.is_file():
                return self._send_copy(copy, self.guess_type(path), encoding)
        return super().send_head()  # type: ignore[return-value]

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

    def list_directory(self, path: object) -> None:  # type: ignore[override]
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        logger.debug("%s: %s", urlsplit(self.path).path if hasattr(self, "path") else "-", format % arguments)


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
