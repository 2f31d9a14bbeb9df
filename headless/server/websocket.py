"""The client side of a WebSocket (RFC 6455), reduced to what ComfyUI's messages need; standard library only."""

import base64
import json
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

from ..errors import SengaError

CONNECT_TIMEOUT = 10.0  # seconds
TEXT, BINARY, CLOSE, PING, PONG, CONTINUED = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
LONGEST_HEAD = 65536  # bytes of an answer's headers
LONGEST_MESSAGE = 1 << 28  # bytes; a preview is far smaller


@dataclass(frozen=True)
class _Frame:
    last: bool
    opcode: int
    payload: bytes


class WebSocket:
    """Receives text messages as JSON and ignores binary ones (previews). Raises SengaError where the server refuses."""

    def __init__(self, url: SplitResult, path: str) -> None:
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._socket = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT)
        self._buffer = b""
        self._parts: list[bytes] = []
        self._opcode = TEXT
        try:
            if url.scheme == "https":
                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=host)
            key = base64.b64encode(os.urandom(16)).decode()
            self._socket.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {url.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            while b"\r\n\r\n" not in self._buffer:
                if len(self._buffer) > LONGEST_HEAD or not self._more():
                    raise SengaError(f"{url.geturl()}: no WebSocket answers there; is this a ComfyUI?")
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            status = head.split(b"\r\n", 1)[0].decode("latin-1")
            if " 101" not in status:
                raise SengaError(f"{url.geturl()}: the WebSocket was refused ({status}); is this a ComfyUI?")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "WebSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message, or None where none arrives within `timeout` seconds. Raises OSError once it is closed."""
        self._socket.settimeout(timeout)
        while True:
            frame = self._take_frame()
            if frame is None:
                try:
                    if not self._more():
                        raise ConnectionError("the server closed the connection")
                except TimeoutError:
                    return None
                continue
            if frame.opcode == PING:
                self._send(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                raise ConnectionError("the server closed the connection")
            elif frame.opcode in (TEXT, BINARY, CONTINUED):
                if frame.opcode != CONTINUED:
                    self._opcode, self._parts = frame.opcode, []
                self._parts.append(frame.payload)
                if frame.last and self._opcode == TEXT:
                    return json.loads(b"".join(self._parts))

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)

    def _take_frame(self) -> _Frame | None:
        """A frame from the buffer, or None while it is incomplete; a timeout in the middle loses nothing."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > LONGEST_MESSAGE:
            raise ConnectionError(f"the server announced a message of {length} bytes")
        if len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return _Frame(bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[start : start + length])

    def _send(self, opcode: int, payload: bytes) -> None:
        mask = os.urandom(4)  # clients must mask what they send
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload[:125]))
        self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(masked)]) + mask + masked)
