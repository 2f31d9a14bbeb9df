"""`-` for standard input and output: pictures and captions of pipes; messages say where they come from."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger
from senga.arch import save_model
from senga.headless.cli import CLOSED, FAILED, OK, USAGE, main

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]
Feed = Callable[[bytes], None]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Give bytes to standard input."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("options", "kind"), [([], "PNG"), (["-f", "webp"], "WEBP")])
def test_a_picture_goes_through(
    feed: Feed, options: list[str], kind: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    feed(Path("input/a.png").read_bytes())
    assert main(["upscale", "-", "-o", "-", *MODEL, *options]) == OK
    out, err = capfdbinary.readouterr()
    assert (picture(out).size, picture(out).format) == ((10, 12), kind)
    assert err == b""


def test_one_end_may_be_a_file(feed: Feed, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    feed(Path("input/a.png").read_bytes())
    assert main(["upscale", "-", "-o", "b.webp", *MODEL]) == OK
    assert capfdbinary.readouterr().out.strip() == b"b.webp"
    assert Image.open("b.webp").size == (10, 12)
    assert main(["degrade", "input/a.png", "-o", "-", "--scale", "1"]) == OK
    assert picture(capfdbinary.readouterr().out).size == (5, 6)


def test_captions_go_out(feed: Feed, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    save_model("t.safetensors", known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    data = Path("input/a.png").read_bytes()

    def said(*options: str) -> str:
        feed(data)
        assert main(["tag", "-", *options, "-m", "t.safetensors"]) == OK
        return capfdbinary.readouterr().out.decode()

    caption = "hatsune miku, solo, ^_^, cat (animal), long hair, 1girl"
    assert said() == caption + "\n"
    assert json.loads(said("--print"))["file"] == "-"
    assert json.loads(said("--json")) | {"file": "-", "tags": caption} == json.loads(said("--json", "-o", "-"))
    assert said("-o", "x.txt").strip() == "x.txt"
    assert Path("x.txt").read_text(encoding="utf-8") == caption + "\n"


def test_messages_say_standard_input(feed: Feed, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    feed(b"no picture")
    assert main(["upscale", "-", "-o", "-", *MODEL]) == FAILED
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.decode().startswith("senga: standard input: not a picture that Pillow can read")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["upscale", "-", "input/a.png", "-o", "big/"], "-: standard input is one picture; give it alone"),
        (["upscale", "input", "-o", "-"], "-o standard output: with more than one picture this must be a folder"),
        (["degrade", "input/a.png", "-o", "-", "--report"], "--report writes a file next to the result"),
    ],
)
def test_wrong_calls(call: list[str], words: str, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    feed(b"")
    assert main(call) == USAGE
    assert words in capsys.readouterr().err


def test_a_terminal_gets_no_picture(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["upscale", "input/a.png", "-o", "-", *MODEL]) == USAGE
    assert "standard output is a terminal" in capsys.readouterr().err


def test_nobody_reads_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.BytesIO):
        def write(self, *_: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Gone()))
    assert main(["upscale", "input/a.png", "-o", "-", *MODEL]) == CLOSED
