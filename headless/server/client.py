"""A running ComfyUI over HTTP: its node classes, pictures to and from it, workflows into its queue."""

import http.client
import ipaddress
import json
import mimetypes
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..errors import SengaError, UsageError
from .websocket import WebSocket

TIMEOUT = 60.0  # seconds for one answer; a large picture may take some
Json = Any


class RefusedError(SengaError):
    """The server answered with an error status; `body` is its JSON, or its text."""

    def __init__(self, url: str, status: int, body: Json) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        super().__init__(f"{url}: the server answered {status} ({' '.join(text.split())[:300]})")
        self.status = status
        self.body = body


class Server:
    """Each method is one request. They raise RefusedError, or SengaError where no server answers."""

    def __init__(self, url: str) -> None:
        """Raises UsageError where `url` is not an address such as http://127.0.0.1:8188."""
        self.url = urlsplit(url if "//" in url else f"http://{url}")
        try:
            valid = self.url.scheme in ("http", "https") and bool(self.url.hostname) and self.url.port != 0
        except ValueError:  # the port is not a number
            valid = False
        if not valid:
            raise UsageError(f"--server {url}: not an address (expected one such as http://127.0.0.1:8188)")
        proxies = (
            urllib.request.ProxyHandler({}) if _is_loopback(self.url.hostname or "") else urllib.request.ProxyHandler()
        )
        self._opener = urllib.request.build_opener(proxies)
        self.client_id = uuid.uuid4().hex

    def object_info(self) -> dict[str, Json]:
        return self._json("/object_info")

    def submit(self, prompt: Mapping[str, Any], extra_pnginfo: Mapping[str, Any] | None) -> str:
        """Queue a workflow; returns its id."""
        body: dict[str, Any] = {"prompt": prompt, "client_id": self.client_id}
        if extra_pnginfo:
            body["extra_data"] = {"extra_pnginfo": extra_pnginfo}
        return self._json("/prompt", body)["prompt_id"]

    def history(self, prompt_id: str) -> Json | None:
        """The history entry of a workflow, or None until it has ended."""
        return self._json(f"/history/{prompt_id}").get(prompt_id)

    def is_queued(self, prompt_id: str) -> bool:
        """Whether a workflow is running or waiting."""
        queue = self._json("/queue")
        return any(entry[1] == prompt_id for key in ("queue_running", "queue_pending") for entry in queue[key])

    def cancel(self, prompt_id: str) -> None:
        """Remove a workflow from the queue, or interrupt it if it is running."""
        self._answer("/queue", json.dumps({"delete": [prompt_id]}).encode(), "application/json")
        running = self._json("/queue")["queue_running"]
        if any(entry[1] == prompt_id for entry in running):  # old servers interrupt whatever runs: spare others' work
            self._answer("/interrupt", json.dumps({"prompt_id": prompt_id}).encode(), "application/json")

    def upload(self, path: Path, subfolder: str) -> str:
        """Upload a file into the server's input folder; returns its name there, as nodes use it.

        An existing file of that name with other content is kept, and this one gets a new name.
        """
        boundary = uuid.uuid4().hex
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        name = path.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        parts = [
            f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in _fields(subfolder)
        ]
        file = f'Content-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        parts.append(file.encode() + path.read_bytes())
        mark = f"--{boundary}".encode()
        body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
        stored = json.loads(self._answer("/upload/image", body, f"multipart/form-data; boundary={boundary}"))
        return "/".join(part for part in (stored.get("subfolder"), stored["name"]) if part)

    def view(self, file: Mapping[str, Any]) -> bytes:
        """The content of a file that a node has written."""
        return self._answer("/view?" + urlencode({key: file.get(key, "") for key in ("filename", "subfolder", "type")}))

    def events(self) -> WebSocket:
        try:
            return WebSocket(self.url, f"{self.url.path.rstrip('/')}/ws?{urlencode({'clientId': self.client_id})}")
        except OSError as error:
            raise self._absent(error) from error

    def _json(self, path: str, body: Json = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        answer = self._answer(path, data, "application/json")
        try:
            return json.loads(answer)
        except ValueError as error:
            raise SengaError(f"{self.url.geturl()}{path}: the answer is not JSON; is this a ComfyUI?") from error

    def _answer(self, path: str, data: bytes | None = None, kind: str = "") -> bytes:
        address = self.url.geturl().rstrip("/") + path
        request = urllib.request.Request(address, data, {"Content-Type": kind} if data is not None else {})
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                body = json.loads(text)
            except ValueError:
                body = text
            raise RefusedError(address, error.code, body) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._absent(error) from error

    def _absent(self, error: Exception) -> SengaError:
        reason = getattr(error, "reason", None) or error
        return SengaError(
            f"--server {self.url.geturl()}: no ComfyUI answers there ({reason}); start it or correct the URL"
        )


def _fields(subfolder: str) -> list[tuple[str, str]]:
    return [("type", "input"), *([("subfolder", subfolder)] if subfolder else [])]


def _is_loopback(host: str) -> bool:
    """Whether this is our own machine, which a proxy cannot reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
