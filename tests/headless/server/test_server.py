"""The client of a running ComfyUI against a made server: frames, uploads, refusals, a server that is gone."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from repository import ROOT
from sample_nodes import node, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.errors import SengaError, UsageError
from senga.headless.progress import ProgressLine
from senga.headless.server import run as remote
from senga.headless.server.client import Server
from senga.headless.server.definitions import classes_of
from senga.headless.server.websocket import WebSocket

pytestmark = pytest.mark.usefixtures("own_folder")

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
        if path.startswith("/view"):
            return 200, PICTURE
        return (200, json.dumps(answers[path]).encode()) if path in answers else (404, b"no such page")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Fake, str]]:
    made = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/ws?clientId="):
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
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


def workflow(**changes: Any) -> str:
    prompt = {"1": node("LoadImage", image="a.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    Path("w.json").write_text(json.dumps({**prompt, **changes}), encoding="utf-8")
    return "w.json"


def sent(fake: Fake, path: str) -> bytes:
    return next(body for asked, body in fake.asked if asked == path and body)


def test_a_run_uploads_queues_shows_progress_and_fetches(
    fake: tuple[Fake, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, url = fake
    parts: list[tuple[int, int]] = []
    monkeypatch.setattr(ProgressLine, "part", lambda self, done, total: parts.append((done, total)))
    assert main(["run", workflow(), "--server", url, "--set", "2.filename_prefix=y"]) == OK
    assert capsys.readouterr().out.splitlines() == [str(Path("output/s/x_1.png")), "t"]
    assert Path("output/s/x_1.png").read_bytes() == PICTURE
    assert Path("input/a.png").read_bytes() in sent(made, "/upload/image")
    prompt = json.loads(sent(made, "/prompt"))["prompt"]
    assert prompt["1"]["inputs"]["image"] == "a (1).png"
    assert prompt["2"]["inputs"]["filename_prefix"] == "y"
    assert parts == [(1, 2)]


def test_a_result_replaces_no_other_file(fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("output/s").mkdir(parents=True)
    Path("output/s/x_1.png").write_bytes(b"of another run")
    for _ in range(2):  # the second time it is there already
        assert main(["run", workflow(), "--server", fake[1]]) == OK
        assert capsys.readouterr().out.splitlines()[0] == str(Path("output/s/x_1-1.png"))
    assert Path("output/s/x_1.png").read_bytes() == b"of another run"


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png"])
def test_a_result_that_leads_out_of_the_folder_is_refused(
    fake: tuple[Fake, str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].entry = {"outputs": {"2": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}}
    assert main(["run", workflow(), "--server", fake[1]]) == FAILED
    assert "outside output; it was not stored" in capsys.readouterr().err


def test_a_file_that_is_not_here_is_left_to_the_server(fake: tuple[Fake, str]) -> None:
    theirs = {"1": node("LoadImage", image="theirs.png"), "3": node("LoadImage", image="a.png [output]")}
    assert main(["run", workflow(**theirs), "--server", fake[1]]) == OK
    assert "/upload/image" not in [path for path, _ in fake[0].asked]


def test_without_messages_the_result_comes_all_the_same(
    fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].events = []
    assert main(["run", workflow(), "--server", fake[1]]) == OK
    assert "the server sends no more messages" in capsys.readouterr().err


def test_a_workflow_that_the_server_has_lost(fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]) -> None:
    fake[0].events, fake[0].entry = [], None
    assert main(["run", workflow(), "--server", fake[1]]) == FAILED
    assert "the workflow is no longer in the queue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (
            {
                "error": {"message": "Prompt outputs failed validation"},
                "node_errors": {
                    "2": {
                        "errors": [
                            {
                                "message": "Value too big",
                                "details": "x\nis 9",
                                "extra_info": {"input_name": "filename_prefix"},
                            }
                        ]
                    }
                },
            },
            "senga: w.json: 2.filename_prefix (SaveImage): Value too big (x is 9)",
        ),
        ({"error": {"message": "No output"}, "node_errors": []}, "senga: w.json: workflow: No output"),
        (b"broken", "senga: w.json: {url}/prompt: the server answered 400 (broken)"),
    ],
)
def test_a_refusal_is_a_fault_of_the_workflow(
    fake: tuple[Fake, str], refusal: Any, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].refusal = refusal
    assert main(["run", workflow(), "--server", fake[1]]) == USAGE
    assert capsys.readouterr().err == line.format(url=fake[1]) + "\n"


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        (
            [
                [
                    "execution_error",
                    {"node_id": "2", "exception_type": "builtins.OSError", "exception_message": "full\n"},
                ]
            ],
            "senga: node 2 (SaveImage): OSError: full",
        ),
        ([["execution_interrupted", {}]], "senga: the run was interrupted on the server; queue it again"),
    ],
)
def test_a_run_that_fails_on_the_server(
    fake: tuple[Fake, str], messages: list[Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].entry = {"outputs": {}, "status": {"messages": messages}}
    assert main(["run", workflow(), "--server", fake[1]]) == FAILED
    assert capsys.readouterr().err == line + "\n"


def test_ctrl_c_interrupts_only_our_own_run(fake: tuple[Fake, str], monkeypatch: pytest.MonkeyPatch) -> None:
    fake[0].entry = None

    def part(self: ProgressLine, done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "part", part)
    assert main(["run", workflow(), "--server", fake[1]]) == INTERRUPTED
    assert json.loads(sent(fake[0], "/queue")) == {"delete": ["p"]}
    assert json.loads(sent(fake[0], "/interrupt")) == {"prompt_id": "p"}


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:port", "http://x:99999"])
def test_what_is_not_an_address(url: str) -> None:
    with pytest.raises(UsageError, match=r"not an address \(expected one such as http"):
        Server(url)


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert main(["run", workflow(), "--server", f"127.0.0.1:{port}"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"senga: --server http://127.0.0.1:{port}: no ComfyUI answers there (")


def test_a_server_that_is_not_a_comfyui(fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--server", fake[1] + "/elsewhere"]) == FAILED
    assert "/elsewhere/object_info: the server answered 404" in capsys.readouterr().err


def test_a_server_has_its_own_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--server", "x", "--models-dir", "models"]) == USAGE
    assert "a server uses its own models" in capsys.readouterr().err


def listening(*chunks: bytes) -> tuple[WebSocket, list[bytes], threading.Thread]:
    """A WebSocket whose server sends these pieces, and what it hears after them."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as peer:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            for chunk in chunks:
                peer.sendall(chunk)
            peer.settimeout(0.3)
            try:
                heard.append(peer.recv(4096))
            except TimeoutError:
                heard.append(b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return WebSocket(urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}"), "/ws"), heard, thread


@pytest.mark.parametrize("size", [5, 200, 70_000])
def test_messages_of_any_length_whole_or_in_parts(size: int) -> None:
    text = json.dumps({"text": "線" * size}).encode()
    whole = frame(text)
    parts = [frame(text[:7], last=False), frame(b"", 0x9), frame(text[7:], 0x0)]
    with listening(whole[:3], whole[3:], *parts)[0] as events:
        assert [events.receive(5.0) for _ in range(2)] == [{"text": "線" * size}] * 2


def test_silence_gives_no_message_and_half_a_message_is_kept() -> None:
    whole = frame(b'{"a": 1}')
    with listening(whole[:4])[0] as events:
        assert events.receive(0.05) is None
        events._buffer += whole[4:]
        assert events.receive(0.05) == {"a": 1}


def test_previews_are_passed_over_and_pings_answered() -> None:
    events, heard, thread = listening(frame(b"\x00jpeg", 0x2), frame(b"hello", 0x9), frame(b'{"a": 1}'))
    with events:
        assert events.receive(5.0) == {"a": 1}
        thread.join()
    answer = heard[0]
    mask, payload = answer[2:6], answer[6:]
    assert answer[0] == 0x8A
    assert bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) == b"hello"


def test_a_closed_connection_is_an_error_of_the_system() -> None:
    with listening(frame(b"", 0x8))[0] as events, pytest.raises(ConnectionError, match="closed the connection"):
        events.receive(5.0)


def test_a_refused_websocket(fake: tuple[Fake, str]) -> None:
    with pytest.raises(SengaError, match="the WebSocket was refused"):
        WebSocket(urlsplit(fake[1]), "/elsewhere")


def test_classes_of_a_server_take_odd_declarations() -> None:
    odd = {"input": {"required": {"a": ["IMAGE", None], "b": ["INT"]}, "hidden": {"p": "PROMPT"}}, "output": None}
    made = classes_of({"Odd": odd})["Odd"]
    assert made.INPUT_TYPES() == {"required": {"a": ("IMAGE", {}), "b": ("INT", {})}}  # type: ignore[attr-defined]
