"""The messages of a ComfyUI: frames, pings, silence, an end, and what a broken server sends instead."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest
from fake_comfy import Fake, accepted, fake_server, frame, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_nodes import own_folder  # noqa: F401
from senga.headless.cli import OK, main
from senga.headless.errors import SengaError
from senga.headless.server import events as module
from senga.headless.server.events import Events, listen

pytestmark = pytest.mark.usefixtures("own_folder")


PATIENCE = 60.0  # seconds: a busy machine is slow


def listening(*chunks: bytes, later: bytes = b"") -> tuple[Events, "SimpleQueue[bytes]", threading.Event]:
    """Messages whose server sends these pieces; what it hears after them; and what makes it send `later`.

    It stays until the client hangs up: to a server that is gone, an answered ping would destroy what is not read yet.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heard: SimpleQueue[bytes] = SimpleQueue()
    go_on = threading.Event()

    def serve() -> None:
        with listener, listener.accept()[0] as peer, suppress(ConnectionError):  # the client hangs up
            request = peer.recv(4096).decode()
            peer.sendall(accepted(request.partition("Sec-WebSocket-Key: ")[2].partition("\r")[0]))
            for chunk in chunks:
                peer.sendall(chunk)
            if later and go_on.wait(PATIENCE):
                peer.sendall(later)
            while answer := peer.recv(4096):
                heard.put(answer)

    threading.Thread(target=serve, daemon=True).start()
    events = listen(urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}"), "/ws")
    assert events is not None
    return events, heard, go_on


@pytest.mark.parametrize("size", [5, 200, 70_000])
def test_messages_of_any_length_whole_or_in_parts(size: int) -> None:
    text = json.dumps({"type": "t", "data": {"text": "線" * size}}).encode()
    whole = frame(text)
    parts = [frame(text[:7], last=False), frame(b"", 0x9), frame(text[7:], 0x0)]
    with listening(whole[:3], whole[3:], *parts)[0] as events:
        assert [events.receive(PATIENCE) for _ in range(2)] == [{"type": "t", "data": {"text": "線" * size}}] * 2


def test_silence_gives_no_message_and_half_a_message_is_kept() -> None:
    whole = frame(b'{"type": "a"}')
    events, _, go_on = listening(whole[:4], later=whole[4:])
    with events:
        assert events.receive(0.05) is None
        go_on.set()
        assert events.receive(PATIENCE) == {"type": "a", "data": {}}


def test_previews_are_passed_over_and_pings_answered() -> None:
    events, heard, _ = listening(
        frame(b"\x00jpeg", 0x2), frame(b"hello", 0x9), frame(b'{"type": "a", "data": {"b": 1}}')
    )
    with events:
        assert events.receive(PATIENCE) == {"type": "a", "data": {"b": 1}}
        answer = heard.get(timeout=PATIENCE)
    mask, payload = answer[2:6], answer[6:]
    assert answer[0] == 0x8A
    assert bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) == b"hello"


def test_a_closed_connection_is_an_error_of_the_system() -> None:
    with listening(frame(b"", 0x8))[0] as events, pytest.raises(ConnectionError, match="closed the connection"):
        events.receive(PATIENCE)


def test_a_refused_websocket(fake: tuple[Fake, str]) -> None:
    with pytest.raises(SengaError, match=r"the WebSocket was refused \(404\)"):
        listen(urlsplit(fake[1]), "/elsewhere")


@pytest.mark.parametrize("message", [b"[1]", b"not JSON", b"5", b'{"type": 5}', b"[" * 100_000, b"\xff\xfe", b"{}"])
def test_a_message_that_is_none_ends_the_messages(message: bytes) -> None:
    with listening(frame(message))[0] as events, pytest.raises((OSError, SengaError)) as caught:
        events.receive(PATIENCE)
    assert len(str(caught.value)) < 300


def test_data_of_another_type_counts_as_empty() -> None:
    with listening(frame(b'{"type": "progress", "data": [1]}'))[0] as events:
        assert events.receive(PATIENCE) == {"type": "progress", "data": {}}


def test_a_message_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_MESSAGE", 10_000)
    for pieces in ([frame(b"x" * 20_000)], [frame(b"x" * 500, last=False), *[frame(b"x" * 500, 0, last=False)] * 50]):
        with listening(*pieces)[0] as events, pytest.raises(ConnectionError, match="a message of more than 0 MB"):
            events.receive(PATIENCE)


def answering(answer: Callable[[socket.socket, str], None]) -> SplitResult:
    """The address of a server that gets one connection and its WebSocket key."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as peer, suppress(OSError):  # the client hangs up
            answer(peer, peer.recv(4096).decode().partition("Sec-WebSocket-Key: ")[2].partition("\r")[0])

    threading.Thread(target=serve, daemon=True).start()
    return urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_pings_without_end_do_not_hold_up_the_run() -> None:
    def ping(peer: socket.socket, key: str) -> None:
        peer.sendall(accepted(key))
        while True:
            peer.sendall(frame(b"", 0x9))
            time.sleep(0.01)

    events = listen(answering(ping), "/ws")
    assert events is not None
    with events:
        began = time.monotonic()
        assert events.receive(0.2) is None
        assert time.monotonic() - began < 2


HEADS = {
    "another protocol": b"SSH-2.0-OpenSSH\r\n",
    "a way elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/ws\r\n\r\n",
    "zeros": b"\x00" * 100_000,
    "headers without end": b"HTTP/1.1 101 Switching\r\n" + b"X: y\r\n" * 20_000,
    "no proof": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_not_a_websocket(name: str) -> None:
    with pytest.raises((SengaError, OSError)) as caught:
        listen(answering(lambda peer, key: peer.sendall(HEADS[name])), "/ws")
    assert len(str(caught.value)) < 400


def test_without_the_package_a_run_asks_from_time_to_time(
    fake: tuple[Fake, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "websocket", None)
    assert main(["run", workflow(), "--server", fake[1]]) == OK
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err == 'senga: no progress is shown without websocket-client: pip install -c constraints.txt ".[server]"\n'


PROGRESS: list[Any] = [{"value": "1", "max": 2}, {"value": 1, "max": "many"}, {"value": 1e400, "max": 1}, {"max": []}]


@pytest.mark.parametrize("data", [*PROGRESS, {"value": 10**400, "max": 10**401}, {"node": {"a": 1}}, {"node": 5}])
@pytest.mark.parametrize("kind", ["progress", "executing"])
def test_odd_progress_is_passed_over(fake: tuple[Fake, str], kind: str, data: Any) -> None:
    fake[0].events.insert(0, {"type": kind, "data": {**data, "prompt_id": "p"}})
    assert main(["run", workflow(), "--server", fake[1]]) == OK
