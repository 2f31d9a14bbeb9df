"""The client of a running ComfyUI against a made server: frames, uploads, refusals, a server that is gone."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from fake_comfy import PICTURE, Fake, fake_server, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_nodes import node, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.errors import UsageError
from senga.headless.progress import ProgressLine
from senga.headless.server.client import Server
from senga.headless.server.definitions import classes_of

pytestmark = pytest.mark.usefixtures("own_folder")


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


def test_classes_of_a_server_take_odd_declarations() -> None:
    odd = {"input": {"required": {"a": ["IMAGE", None], "b": ["INT"]}, "hidden": {"p": "PROMPT"}}, "output": None}
    made = classes_of({"Odd": odd})["Odd"]
    assert made.INPUT_TYPES() == {"required": {"a": ("IMAGE", {}), "b": ("INT", {})}}  # type: ignore[attr-defined]
