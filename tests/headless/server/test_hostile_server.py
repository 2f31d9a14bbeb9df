"""Whatever a server sends ends in one sentence, within limits, and writes nothing outside the output folder."""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bounds import within_bounds
from fake_comfy import INFO, Fake, fake_server, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_nodes import node, own_folder  # noqa: F401
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.server import answers
from senga.headless.server.answers import MB

pytestmark = pytest.mark.usefixtures("own_folder")

SOON = 8.0  # seconds; a tenth of it on an idle machine
DEEP = b"[" * 200_000
SAVE = INFO["SaveImage"]


def outputs(ui: Any) -> dict[str, Any]:
    return {"p": {"outputs": {"2": ui}}}


def image(**file: Any) -> dict[str, Any]:
    return outputs({"images": [{"filename": "a.png", "subfolder": "", "type": "output", **file}]})


def info(**changes: Any) -> dict[str, Any]:
    return {**INFO, "SaveImage": {**SAVE, **changes}}


# (path, answer): each ends in one sentence and exit code 1
REFUSED: list[tuple[str, Any]] = [
    *[(path, wrong) for path in ("/object_info", "/prompt", "/upload/image", "/history/p") for wrong in ([], 5, "x")],
    *[(path, raw) for path in ("/object_info", "/prompt", "/upload/image", "/history/p") for raw in (DEEP, b"", b"{")],
    ("/object_info", None),
    ("/object_info", b"\xff\xfe{}"),
    ("/object_info", {**INFO, "SaveImage": []}),
    ("/object_info", {**INFO, "A\u0000\ud800": 5}),
    ("/object_info", info(input=[])),
    ("/object_info", info(input={"required": ["images"]})),
    ("/object_info", info(output="IMAGE")),
    ("/object_info", info(output={"0": "IMAGE"})),
    ("/prompt", {}),
    ("/prompt", {"prompt_id": 5}),
    ("/prompt", {"prompt_id": ["p"]}),
    ("/prompt", {"prompt_id": "\ud800/../../queue"}),
    ("/upload/image", {}),
    ("/upload/image", {"name": 7}),
    ("/upload/image", {"name": "a.png", "subfolder": ["s"]}),
    ("/history/p", {"p": []}),
    ("/history/p", {"p": "done"}),
    ("/history/p", {"p": {"outputs": []}}),
    ("/history/p", {"p": {"outputs": {}, "status": []}}),
    ("/history/p", {"p": {"outputs": {}, "status": {"messages": {"a": 1}}}}),
    ("/history/p", {"p": {"outputs": {}, "status": {"messages": ["execution_error"]}}}),
    ("/history/p", {"p": {"outputs": {}, "status": {"messages": [["execution_error", "all"]]}}}),
    ("/history/p", {"p": {"outputs": {}, "status": {"messages": [["execution_error", {}]]}}}),
    ("/history/p", outputs([])),
    ("/history/p", outputs("x")),
    ("/history/p", image(filename=5)),
    ("/history/p", image(filename=["a"])),
    ("/history/p", image(filename="a\u0000.png")),
    ("/history/p", image(filename="x" * 5000)),
    ("/history/p", image(filename="")),
    ("/history/p", image(filename=".")),
    ("/history/p", image(filename="..")),
    ("/history/p", image(filename="../a.png")),
    ("/history/p", image(filename="\u001b[31m/../../../a.png")),
    ("/history/p", image(subfolder={"a": 1})),
    ("/history/p", image(subfolder="../..")),
    ("/history/p", image(subfolder="..\\..")),
    ("/history/p", image(subfolder="/tmp")),
    ("/history/p", image(subfolder="a\u0000b")),
    ("/history/p", image(subfolder="d/" * 3000)),
    ("/history/p", outputs({"images": [{"filename": "a.png"}] * 10_001})),
]

# Odd, but nothing that we need is wrong.
HARMLESS: list[tuple[str, Any]] = [
    ("/object_info", info(input={"required": None, "hidden": 5})),
    ("/object_info", info(display_name={"a": []}, output=None, output_node="yes")),
    ("/object_info", {**INFO, "A\u0000\ud800": {"input": {"required": {"x": [{"a": 1}], "y": [], "z": None}}}}),
    ("/object_info", info(input={"required": {"images": ["COMBO", {"options": 5}], "n": ["INT", {"min": "0"}]}})),
    ("/history/p", {"p": {"outputs": None, "status": None}}),
    ("/history/p", outputs(None)),
    ("/history/p", outputs({"images": None, "text": {"a": [1]}, "n": 5})),
    ("/history/p", outputs({"images": [None, 5, [], {"file": 1}], "text": "whole"})),
    ("/history/p", image(type=["output"])),
    ("/queue", {"queue_running": [[], 5, None, [1]], "queue_pending": [{}]}),
]


def run(url: str, capsys: pytest.CaptureFixture[str], soon: float = SOON) -> tuple[int, list[str]]:
    began = time.monotonic()
    file = workflow()
    with within_bounds(Path("output")):
        code = main(["run", file, "--server", url])
    assert time.monotonic() - began < soon
    return code, [line for line in capsys.readouterr().err.splitlines() if "sends no more messages" not in line]


@pytest.mark.parametrize(("path", "answer"), REFUSED)
def test_an_answer_of_another_type_is_one_sentence(
    fake: tuple[Fake, str], path: str, answer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].replaced[path] = answer
    code, lines = run(fake[1], capsys)
    assert code == FAILED
    assert len(lines) == 1, lines
    assert lines[0].startswith("senga: ")
    assert len(lines[0]) < 400
    assert lines[0].isprintable()
    assert "Traceback" not in lines[0]
    there = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert there <= {"input", "models", "weights", "w.json", "output"}
    assert not [path for path in tmp_path.glob("output/**/*") if path.is_file()]
    assert not list(tmp_path.parent.glob("a*.png"))


@pytest.mark.parametrize(("path", "answer"), HARMLESS)
def test_an_odd_answer_that_lacks_nothing_is_taken(
    fake: tuple[Fake, str], path: str, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].replaced[path] = answer
    assert run(fake[1], capsys)[0] == OK


REFUSALS: list[Any] = [
    *[[], 5, "no", None, DEEP, b"", b"\xff", {}],
    *[{"node_errors": wrong} for wrong in ([1], "x", {"2": []}, {"2": {"errors": "x"}}, {"2": {"errors": [1, None]}})],
    {"node_errors": {"2": {"errors": [{"message": ["a"], "details": 5, "extra_info": [1]}]}}},
    {"node_errors": {"9": {"errors": [{}], "class_type": {"a": 1}}}},
    {"error": "no"},
    {"error": {"message": "x" * 100_000, "details": "\u001b[2J"}},
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_any_form_is_one_sentence(
    fake: tuple[Fake, str], refusal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].refusal = refusal if isinstance(refusal, bytes) else json.dumps(refusal).encode()
    code, lines = run(fake[1], capsys)
    assert code == USAGE
    assert len(lines) == 1
    assert len(lines[0]) < 1300
    assert lines[0].isprintable()


def test_of_very_many_faults_the_first_are_shown(fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]) -> None:
    fake[0].refusal = {"node_errors": {str(i): {"errors": [{"message": "no"}], "class_type": "A"} for i in range(5000)}}
    code, lines = run(fake[1], capsys)
    assert (code, len(lines)) == (USAGE, 50)


# --- bodies without end ---


def raw(answer: Callable[[socket.socket], None]) -> str:
    """The address of a server that sends what it likes to whoever connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, suppress(OSError):  # the client hangs up
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                answer(peer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def endless(peer: socket.socket, piece: bytes, pause: float) -> None:
    while True:
        peer.sendall(piece)
        time.sleep(pause)


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
BODIES: dict[str, tuple[bytes, bytes, float, str]] = {
    "endless": (OK_HEAD + b"\r\n", b"[" * 65536, 0, "more than 1 MB"),
    "endless in chunks": (
        OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        b"400\r\n" + b" " * 1024 + b"\r\n",
        0,
        "than 1",
    ),
    "announced": (OK_HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", b"x", 0.01, "more than 1 MB"),
    "slow": (OK_HEAD + b"\r\n", b" ", 0.01, "took more than 0 s"),
    "slow headers": (OK_HEAD, b"X", 0.01, "took more than 0 s"),
    "endless headers": (OK_HEAD, b"X: y\r\n" * 1000, 0, "no ComfyUI answers there"),
    "endless line": (b"", b"H" * 65536, 0, "no ComfyUI answers there"),
    "slow error": (b"HTTP/1.1 500 Oh\r\n\r\n", b" ", 0.01, "the server answered 500"),
    "endless error": (b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 65536, 0, "the server answered 500"),
    "silence": (b"", b"", 1, "took more than 0 s"),
    "half a chunk size": (OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"", 1, "no ComfyUI answers there"),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_answer_without_end_is_cut(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answers, "LARGEST_DEFINITIONS", 10**6)
    monkeypatch.setattr(answers, "LONGEST_ANSWER", 0.4)
    head, piece, pause, message = BODIES[name]

    def answer(peer: socket.socket) -> None:
        peer.sendall(head)
        endless(peer, piece, pause)

    code, lines = run(raw(answer), capsys)
    assert code == FAILED
    assert len(lines) == 1
    assert message in lines[0]
    assert len(lines[0]) < 500


LARGE: dict[str, tuple[bytes, str]] = {
    "lists": (b"[" + b"[]," * (10 * MB) + b"[]]", "in memory"),
    "objects": (b"[" + b"{}," * (10 * MB) + b"{}]", "in memory"),
    "texts": (b"[" + b'"ab",' * (6 * MB) + b'""]', "in memory"),
    "numbers": (b"[" + b"1.5," * (7 * MB) + b"1]", "a list"),
    "a number": (b"9" * (31 * MB), "not JSON"),
    "deep": (b"[" * (31 * MB), "in memory"),
}


@pytest.mark.parametrize("name", LARGE)
def test_an_answer_as_large_as_is_read_stays_within_the_bounds(
    name: str, fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake[0].replaced["/object_info"], words = LARGE[name]
    code, lines = run(fake[1], capsys, soon=60)  # what it takes of the processor is what counts here
    assert code == FAILED
    assert len(lines) == 1
    assert words in lines[0]


def test_an_answer_that_is_cut_short_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    url = raw(lambda peer: peer.sendall(OK_HEAD + b"Content-Length: 50\r\n\r\n{}"))
    code, lines = run(url, capsys)
    assert code == FAILED
    assert "the server sent 2 of 50 bytes" in lines[0]


def test_a_server_may_not_send_us_elsewhere(fake: tuple[Fake, str], capsys: pytest.CaptureFixture[str]) -> None:
    url = raw(lambda peer: peer.sendall(f"HTTP/1.1 302 Found\r\nLocation: {fake[1]}/object_info\r\n\r\n".encode()))
    code, lines = run(url, capsys)
    assert code == FAILED
    assert "the server answered 302" in lines[0]
    assert fake[0].asked == []


def test_a_file_without_end_leaves_nothing(
    fake: tuple[Fake, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answers, "LARGEST_FILE", 10**6)
    fake[0].replaced["/view"] = b"x" * (10**6 + 1)
    code, lines = run(fake[1], capsys)
    assert code == FAILED
    assert "the server sends more than 1 MB" in lines[0]
    assert [path for path in Path("output").rglob("*") if path.is_file()] == []


# --- our files ---


@pytest.mark.parametrize("name", ["../private.png", "link.png", "{here}/private.png"])
def test_a_workflow_does_not_send_files_from_outside_the_input_folder(
    fake: tuple[Fake, str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("private.png").write_bytes(b"secret")
    if name == "link.png":
        try:
            Path("input/link.png").symlink_to(tmp_path / "private.png")
        except OSError:
            pytest.skip("this system does not let us make links")
    wanted = {"1": node("LoadImage", image=name.format(here=tmp_path))}
    arguments = ["run", workflow(**wanted), "--server", fake[1]]
    assert main(arguments) == USAGE
    assert "leads out of the folder input; give a file inside it, or allow it with" in capsys.readouterr().err
    assert not any(b"secret" in body for _, body in fake[0].asked)
    assert main([*arguments, "--allow-outside"]) == OK
    assert any(b"secret" in body for _, body in fake[0].asked)
