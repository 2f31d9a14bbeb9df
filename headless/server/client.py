"""A running ComfyUI over HTTP: its node classes, pictures to and from it, workflows into its queue."""

import json
import mimetypes
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ..errors import UsageError
from . import answers
from .answers import a_list, a_text, an_object, member, read_json
from .events import Events, listen
from .transport import RefusedError, Transport

__all__ = ["RefusedError", "Server"]

JSON = "application/json"


class Server:
    """Each method is one request.

    They raise RefusedError for an error status, and SengaError where no server answers or the answer is not one of a
    ComfyUI.
    """

    def __init__(self, url: str) -> None:
        """Raises UsageError where `url` is not an address such as http://127.0.0.1:8188."""
        valid = False
        try:
            self.url = urlsplit(url if "//" in url else f"http://{url}")
            valid = self.url.scheme in ("http", "https") and bool(self.url.hostname) and self.url.port != 0
        except ValueError:  # the port is not a number
            pass
        if not valid:
            raise UsageError(f"--server {url}: not an address (expected one such as http://127.0.0.1:8188)")
        self._transport = Transport(self.url)
        self.client_id = uuid.uuid4().hex

    def object_info(self) -> dict[str, Any]:
        found = self._json("/object_info", limit=answers.LARGEST_DEFINITIONS)
        return an_object(found, "the node classes")

    def submit(self, prompt: Mapping[str, Any], extra_pnginfo: Mapping[str, Any] | None) -> str:
        """Queue a workflow; returns its id."""
        body: dict[str, Any] = {"prompt": prompt, "client_id": self.client_id}
        if extra_pnginfo:
            body["extra_data"] = {"extra_pnginfo": extra_pnginfo}
        answer = an_object(self._json("/prompt", body), "the answer to /prompt")
        return a_text(member(answer, "prompt_id", "/prompt"), "prompt_id")

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The history entry of a workflow, or None until it has ended."""
        found = an_object(self._json(f"/history/{quote(prompt_id, safe='', errors='replace')}"), "the history")
        entry = found.get(prompt_id)
        return None if entry is None else an_object(entry, "the history of the run")

    def is_queued(self, prompt_id: str) -> bool:
        """Whether a workflow is running or waiting."""
        return any(prompt_id in self._queue(key) for key in ("queue_running", "queue_pending"))

    def _queue(self, key: str) -> list[Any]:
        """The ids of the workflows that are running or waiting."""
        queue = an_object(self._json("/queue"), "the queue")
        entries = a_list(member(queue, key, "/queue"), key)
        return [entry[1] for entry in entries if isinstance(entry, list) and len(entry) > 1]

    def cancel(self, prompt_id: str) -> None:
        """Remove a workflow from the queue, or interrupt it if it is running."""
        self._post("/queue", {"delete": [prompt_id]})
        if prompt_id in self._queue("queue_running"):  # old servers interrupt whatever runs: spare others' work
            self._post("/interrupt", {"prompt_id": prompt_id})

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
        parts.append(file.encode(errors="surrogateescape") + path.read_bytes())
        mark = f"--{boundary}".encode()
        body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
        form = f"multipart/form-data; boundary={boundary}"
        text = self._transport.read("/upload/image", answers.LARGEST_JSON, body, form, answers.LONGEST_TRANSFER)
        stored = an_object(read_json(text, self._address("/upload/image")), "the answer to /upload/image")
        own_name = a_text(member(stored, "name", "/upload/image"), "the name of the upload")
        return "/".join(part for part in (a_text(stored.get("subfolder") or "", "its folder"), own_name) if part)

    def download(self, file: Mapping[str, Any], target: Path) -> None:
        """Write the content of a file that a node has written to `target`."""
        query = urlencode({key: file.get(key, "") for key in ("filename", "subfolder", "type")}, errors="replace")
        with target.open("wb") as opened:
            self._transport.save(f"/view?{query}", answers.LARGEST_FILE, answers.LONGEST_TRANSFER, opened)

    def events(self) -> Events | None:
        """The server's messages; None where the package that receives them is not installed."""
        try:
            return listen(self.url, f"{self.url.path.rstrip('/')}/ws?{urlencode({'clientId': self.client_id})}")
        except OSError as error:
            raise self._transport.absent(error) from error

    def _post(self, path: str, body: Any) -> None:
        self._transport.read(path, answers.LARGEST_JSON, json.dumps(body).encode(), JSON)

    def _json(self, path: str, body: Any = None, limit: int = answers.LARGEST_JSON) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return read_json(self._transport.read(path, limit, data, JSON), self._address(path))

    def _address(self, path: str) -> str:
        return f"{self.url.geturl()}{path}"


def _fields(subfolder: str) -> list[tuple[str, str]]:
    return [("type", "input"), *([("subfolder", subfolder)] if subfolder else [])]
