"""A ComfyUI's messages while it works, over the package `websocket-client`; without it there are none."""

import socket
import ssl
import time
from typing import Any
from urllib.parse import SplitResult

from ...arch.errors import install
from ..errors import SengaError, brief
from ..log import logger
from .answers import LARGEST_MESSAGE, MB, read_json

CONNECT_TIMEOUT = 10.0  # seconds
LARGEST_HEAD = 65536  # bytes of the first answer's headers


class _Metered:
    """A socket that gives no more than `left` bytes and nothing after `until`; otherwise the one that it wraps."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.left = LARGEST_HEAD
        self.until = time.monotonic() + CONNECT_TIMEOUT

    def recv(self, size: int) -> bytes:
        if time.monotonic() > self.until:
            raise TimeoutError("timed out")
        data = self._inner.recv(size)
        self.left -= len(data)
        if self.left < 0:
            raise ConnectionError(f"the server sends a message of more than {LARGEST_MESSAGE // MB} MB")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Events:
    """Receives text messages as JSON objects and ignores binary ones (previews)."""

    def __init__(self, client: Any, meter: _Metered) -> None:
        self._client = client
        self._meter = meter

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._meter.close()

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message, or None where none arrives within `timeout` seconds. Raises OSError once it is closed.

        Half a message that has arrived by then is kept.
        """
        import websocket

        self._meter.until = time.monotonic() + timeout
        self._client.settimeout(timeout)
        try:
            while time.monotonic() < self._meter.until:
                kind, content = self._client.recv_data(control_frame=True)  # it answers pings itself
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    raise ConnectionError("the server closed the connection")
                if kind in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                    self._meter.left = LARGEST_MESSAGE
                if kind == websocket.ABNF.OPCODE_TEXT:
                    return _message(content)
        except (websocket.WebSocketTimeoutException, TimeoutError):
            return None
        except websocket.WebSocketConnectionClosedException as error:
            raise ConnectionError("the server closed the connection") from error
        except (websocket.WebSocketException, ValueError) as error:
            raise ConnectionError(brief(error, 200)) from error
        return None


def _message(content: bytes) -> dict[str, Any]:
    message = read_json(content, "WebSocket")
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ConnectionError("the server sent a message that is not an object with a type")
    data = message.get("data")
    return {"type": message["type"], "data": data if isinstance(data, dict) else {}}


def listen(url: SplitResult, path: str) -> Events | None:
    """Connect to a server's messages; None where websocket-client is not installed.

    Raises SengaError where the server refuses, OSError where it does not answer.
    """
    try:
        import websocket
    except ImportError:
        logger.info("no progress is shown without websocket-client: %s", install("server"))
        return None
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    opened = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT)
    try:
        if url.scheme == "https":
            opened = ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        meter = _Metered(opened)
        address = f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc.rpartition('@')[2]}{path}"
        client = None
        try:
            options = {"socket": meter, "redirect_limit": 0, "suppress_origin": True}
            client = websocket.create_connection(address, CONNECT_TIMEOUT, **options)
            status = client.getstatus()
        except websocket.WebSocketBadStatusException as error:
            status = error.status_code
        except (websocket.WebSocketException, ValueError, ConnectionError, TimeoutError) as error:
            reason = brief(error, 200)
            raise SengaError(f"{url.geturl()}: no WebSocket answers there ({reason}); is this a ComfyUI?") from error
        if status != 101:
            raise SengaError(f"{url.geturl()}: the WebSocket was refused ({status}); is this a ComfyUI?")
    except BaseException:
        opened.close()
        raise
    meter.left = LARGEST_MESSAGE
    return Events(client, meter)
