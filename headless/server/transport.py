"""HTTP requests whose answers end: by size, by time from first to last byte, and at the address that was given."""

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO
from urllib.parse import SplitResult

from ..errors import SengaError, brief
from . import answers
from .answers import LARGEST_ERROR, MB

PIECE = 1 << 16  # bytes read at once
SILENCE = 60.0  # seconds without a byte; a large picture may take some


class RefusedError(SengaError):
    """The server answered with an error status; `body` is the answer."""

    def __init__(self, address: str, status: int, body: bytes) -> None:
        text = " ".join(body[:2000].decode(errors="replace").split())
        super().__init__(f"{address}: the server answered {status} ({brief(text, 300)})")
        self.status = status
        self.body = body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A server may not send us to other addresses; urllib would even follow it to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class Transport:
    def __init__(self, url: SplitResult) -> None:
        self.url = url
        self._socket: socket.socket | None = None
        own_machine = _is_loopback(url.hostname or "")
        proxies = urllib.request.ProxyHandler({}) if own_machine else urllib.request.ProxyHandler()
        handlers = (self._handler(urllib.request.HTTPHandler), self._handler(urllib.request.HTTPSHandler))
        self._opener = urllib.request.build_opener(proxies, *handlers, _NoRedirect())

    def _handler(self, base: Any) -> Any:
        """A handler whose connections we can cut, also while they read headers that never end."""
        transport = self

        class Handler(base):
            def do_open(self, http_class: Any, request: Any, **arguments: Any) -> Any:
                class Connection(http_class):
                    def connect(self) -> None:
                        super().connect()
                        transport._socket = self.sock

                return super().do_open(Connection, request, **arguments)

        return Handler()

    def read(
        self, path: str, limit: int, data: bytes | None = None, kind: str = "", seconds: float | None = None
    ) -> bytes:
        """The answer to a request: a POST if there is `data`. Raises SengaError above `limit` bytes."""
        pieces: list[bytes] = []
        with self._answer(path, limit, seconds or answers.LONGEST_ANSWER, data, kind) as answer:
            pieces.extend(answer)
        return b"".join(pieces)

    def save(self, path: str, limit: int, seconds: float, file: BinaryIO) -> None:
        """The answer to a GET, written to a file in pieces."""
        with self._answer(path, limit, seconds, None, "") as answer:
            for piece in answer:
                file.write(piece)

    @contextmanager
    def _answer(
        self, path: str, limit: int, seconds: float, data: bytes | None, kind: str
    ) -> Iterator[Iterator[bytes]]:
        address = self.url.geturl().rstrip("/") + path
        headers = {"Content-Type": kind} if data is not None else {}
        request = urllib.request.Request(address, data, headers)
        late = threading.Event()
        timer = threading.Timer(seconds, self._cut, (late,))
        timer.daemon = True
        timer.start()
        try:
            with self._opener.open(request, timeout=SILENCE) as answer:
                yield _pieces(answer, limit, address, late, seconds)
        except urllib.error.HTTPError as error:
            with suppress(OSError, http.client.HTTPException):
                raise RefusedError(address, error.code, error.read(LARGEST_ERROR)) from error
            raise RefusedError(address, error.code, b"") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, SengaError):
                raise
            raise self.late(address, seconds) if late.is_set() else self.absent(error) from error
        finally:
            timer.cancel()
            self._socket = None

    def _cut(self, late: threading.Event) -> None:
        late.set()
        if (there := self._socket) is not None:
            with suppress(OSError):
                there.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def late(address: str, seconds: float) -> SengaError:
        return SengaError(f"{address}: the answer took more than {seconds:.0f} s; try again, or look at the server")

    def absent(self, error: Exception) -> SengaError:
        reason = getattr(error, "reason", None) or error
        return SengaError(
            f"--server {self.url.geturl()}: no ComfyUI answers there ({brief(reason, 200)}); "
            "start it or correct the URL"
        )


def _pieces(answer: Any, limit: int, address: str, late: threading.Event, seconds: float) -> Iterator[bytes]:
    announced = answer.headers.get("Content-Length") or ""
    total, read = int(announced[:20]) if announced.isascii() and announced.isdigit() else 0, 0
    while max(total, read) <= limit and (piece := answer.read1(PIECE)):
        read += len(piece)
        yield piece
    if max(total, read) > limit:
        raise SengaError(f"{address}: the server sends more than {limit / MB:.0f} MB; is this a ComfyUI?")
    if read < total and not late.is_set():
        raise SengaError(f"{address}: the server sent {read} of {total} bytes; try again, or look at the server")
    if late.is_set():
        raise Transport.late(address, seconds)


def _is_loopback(host: str) -> bool:
    """Whether this is our own machine, which a proxy cannot reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
