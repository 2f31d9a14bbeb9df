"""A made ComfyUI: what it answers can be changed, and it keeps what it was asked."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT
from sample_nodes import node
from senga.headless.server import run as remote

INFO = json.loads((ROOT / "tests/headless/workflow/editor/object_info.json").read_text(encoding="utf-8"))
PICTURE = b"the content of a picture"


class Fake:
    """What a ComfyUI answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.events: list[dict[str, Any]] = [
            {"type": "executing", "data": {"node": "1", "prompt_id": "p"}},
            {"type": "progress", "data": {"value": 1, "max": 2, "node": "1", "prompt_id": "p"}},
            {"type": "execution_success", "data": {"prompt_id": "p"}},
        ]
        self.entry: dict[str, Any] | None = {
            "outputs": {"2": {"images": [{"filename": "x_1.png", "subfolder": "s", "type": "output"}], "text": ["t"]}},
            "status": {"messages": [["execution_success", {}]]},
        }
        self.refusal: Any = None
        self.replaced: dict[str, Any] = {}  # path -> another answer: bytes, or what becomes JSON

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/prompt" and self.refusal is not None:
            return 400, self.refusal if isinstance(self.refusal, bytes) else json.dumps(self.refusal).encode()
        answers: dict[str, Any] = {
            "/object_info": INFO,
            "/prompt": {"prompt_id": "p"},
            "/upload/image": {"name": "a (1).png", "subfolder": ""},
            "/history/p": {} if self.entry is None else {"p": self.entry},
            "/queue": {"queue_running": [[0, "p"]] if self.entry is None and self.events else [], "queue_pending": []},
            "/interrupt": None,
        }
        for start, other in self.replaced.items():
            if path.startswith(start):
                return 200, other if isinstance(other, bytes) else json.dumps(other).encode()
        if path.startswith("/view"):
            return 200, PICTURE
        return (200, json.dumps(answers[path]).encode()) if path in answers else (404, b"no such page")


@pytest.fixture(name="fake")
def fake_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Fake, str]]:
    made = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/ws?clientId="):
                self.wfile.write(accepted(self.headers["Sec-WebSocket-Key"]))
                for event in made.events:
                    self.wfile.write(frame(json.dumps(event).encode()))
                self.close_connection = True
                return
            self.reply()

        do_POST = do_GET

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.asked.append((self.path, body))
            status, content = made.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(remote, "LISTEN", 0.01)
    yield made, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def frame(payload: bytes, opcode: int = 1, last: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if last else 0)]) + length + payload


def accepted(key: str) -> bytes:
    """A server's consent to talk over a WebSocket (RFC 6455, section 4.2.2)."""
    proof = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {proof}\r\n\r\n"
    ).encode()


def workflow(**changes: Any) -> str:
    prompt = {"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    Path("w.json").write_text(json.dumps({**prompt, **changes}), encoding="utf-8")
    return "w.json"
