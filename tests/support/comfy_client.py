"""A small client of ComfyUI's HTTP interface and of its websocket, from the standard library alone."""

import base64
import http.client
import io
import itertools
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

Workflow = dict[str, dict[str, Any]]  # ComfyUI's API format: node id -> {"class_type", "inputs"}
Json = Any

REQUEST_TIMEOUT = 60.0  # seconds for one answer
RUN_TIMEOUT = 240.0  # seconds for one workflow
POLL = 0.05  # seconds between two looks at the history

_numbers = itertools.count()


class RefusedError(Exception):
    """ComfyUI answered with an error status; `body` is its JSON answer, or the text where it is not JSON."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"ComfyUI answered {status}: {body}")
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Run:
    """The history entry of one workflow."""

    outputs: dict[str, Json]  # of the output nodes, by node id
    messages: dict[str, dict[str, Any]]  # by kind: execution_cached, execution_error, execution_interrupted, ...

    @property
    def cached(self) -> list[str]:
        return self.messages["execution_cached"]["nodes"]


@dataclass(frozen=True)
class Client:
    port: int
    host: str = "127.0.0.1"

    def get(self, path: str) -> Json:
        return json.loads(self._answer(path))

    def post(self, path: str, body: Json) -> Json:
        answer = self._answer(path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.loads(answer) if answer else None

    def upload(self, picture: Image.Image) -> str:
        """Store a picture as PNG in ComfyUI's input folder; returns the name that LoadImage knows it by."""
        png = io.BytesIO()
        picture.save(png, "PNG")
        boundary, name = uuid.uuid4().hex, f"{next(_numbers)}.png"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        body = head.encode() + png.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        answer = self._answer("/upload/image", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        return json.loads(answer)["name"]

    def submit(self, workflow: Workflow, client_id: str = "") -> str:
        """Queue a workflow; returns its prompt id. Raises RefusedError when ComfyUI finds it invalid."""
        return self.post("/prompt", {"prompt": workflow, "client_id": client_id})["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = RUN_TIMEOUT) -> Run:
        """Wait until a workflow has ended, in whatever way."""
        deadline = time.monotonic() + timeout
        while not (entry := self.get(f"/history/{prompt_id}").get(prompt_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"prompt {prompt_id} has not ended within {timeout:.0f} s")
            time.sleep(POLL)
        return Run(entry["outputs"], dict(entry["status"]["messages"]))

    def run(self, workflow: Workflow) -> Run:
        """Queue a workflow and wait until it has succeeded; raises RuntimeError with ComfyUI's error otherwise."""
        done = self.wait(self.submit(workflow))
        if "execution_success" not in done.messages:
            raise RuntimeError(f"the workflow failed: {json.dumps(done.messages, indent=1)}")
        return done

    def pictures(self, run: Run, node: str) -> list[Image.Image]:
        """The pictures that one SaveImage or PreviewImage node has written, in its order."""
        files = run.outputs[node]["images"]
        return [Image.open(io.BytesIO(self._answer(f"/view?{urllib.parse.urlencode(file)}"))) for file in files]

    def events(self, client_id: str) -> "Events":
        return Events(self.host, self.port, client_id)

    def _answer(self, path: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        request = urllib.request.Request(f"http://{self.host}:{self.port}{path}", data, headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy could not reach this machine
        try:
            with opener.open(request, timeout=REQUEST_TIMEOUT) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                body = json.loads(text)
            except json.JSONDecodeError:
                body = text
            raise RefusedError(error.code, body) from error


class Events:
    """ComfyUI's websocket, to listen alone: iterating gives its JSON messages one by one (binary previews are skipped).

    Raises TimeoutError when nothing comes for as long as a workflow may take.
    """

    def __init__(self, host: str, port: int, client_id: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=RUN_TIMEOUT)
        self._stream = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        status = self._stream.readline().decode().strip()
        http.client.parse_headers(self._stream)
        if " 101 " not in status:
            self.__exit__()
            raise ConnectionError(f"ComfyUI refused the websocket: {status}")

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            opcode, payload = self._frame()
            if opcode == 0x1:
                yield json.loads(payload)
            elif opcode == 0x8:
                return

    def _frame(self) -> tuple[int, bytes]:
        # RFC 6455, section 5.2. A server does not mask, and ComfyUI's does not split a message into several frames.
        first, second = self._read(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(self._read(2 if length == 126 else 8), "big")
        return first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise ConnectionError("ComfyUI closed the websocket in the middle of a message")
        return data
