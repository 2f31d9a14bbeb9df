"""Serve a site on this machine alone, with the headers that let the page use threads."""

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..log import logger

LOOPBACK = "127.0.0.1"
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
    "": "application/octet-stream",
}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = TYPES
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: object, headers: dict[str, str], **settings: object) -> None:
        self.added = headers
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]

    def end_headers(self) -> None:
        for name, value in self.added.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def send_head(self) -> Any:
        if "\0" in unquote(self.path):  # no name of a file; Python's own handler would end in a traceback
            self.send_error(404)
            return None
        return super().send_head()

    def list_directory(self, path: object) -> None:  # type: ignore[override]
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        logger.debug("%s: %s", urlsplit(self.path).path if hasattr(self, "path") else "-", format % arguments)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor who leaves in the middle is no fault of ours."""
        logger.debug("a request could not be answered", exc_info=True)


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of a site on 127.0.0.1, not yet running. Port 0 takes any free one.

    Raises OSError where the port is taken.
    """
    headers = json.loads((site / "headers.json").read_text(encoding="utf-8"))
    return _Server((LOOPBACK, port), partial(_Handler, directory=str(site), headers=headers))


def address(running: ThreadingHTTPServer) -> str:
    return f"http://{LOOPBACK}:{running.server_address[1]}/"
