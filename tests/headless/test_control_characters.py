"""Names from files and servers are shown: a terminal that prints them obeys none of their characters."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest
from PIL import Image
from sample_nodes import MADE, node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch import Provenance, SengaError, UpscaleModel, save_model
from senga.arch.errors import printable
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.progress import ProgressLine
from senga.headless.stdout import say

pytestmark = pytest.mark.usefixtures("own_folder")

EVIL = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\x7f\u202ecod.png"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\x9b31m\r\x7f\u202ecod.png"
named = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def obeyed(text: str) -> set[str]:
    return {c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e\u2066")}


def test_control_characters_are_escaped_and_nothing_else() -> None:
    assert printable(EVIL) == SHOWN
    assert obeyed(printable("".join(map(chr, range(0x3000))))) == {"\t"}
    for text in ("線画 1girl, très “bien” 🎨\u200d🖌", "two\nlines\tand a tab", r"C:\x1b", "\u3000\u00a0"):
        assert printable(text) == text


def test_errors_and_the_log_are_safe_at_birth(caplog: pytest.LogCaptureFixture) -> None:
    assert str(SengaError(f"{EVIL}: empty")) == f"{SHOWN}: empty"
    logging.getLogger("senga").warning("%s: %d pages", EVIL, 3)
    assert caplog.messages == [f"{SHOWN}: 3 pages"]


@named
def test_a_file_name_reaches_a_terminal_escaped_and_a_program_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("album").mkdir()
    Image.new("RGB", (4, 4)).save(Path("album", EVIL))
    Path("album", f"b{EVIL}").write_text("no picture", encoding="utf-8")
    call = ["upscale", "album", "-o", "out", "--model", "models/" + MADE]
    assert main(call) == FAILED
    out, err = capsys.readouterr()
    assert out == f"out/{EVIL}\n"
    assert not obeyed(err)
    assert f"album/b{SHOWN}: not a picture" in err
    assert err.count(f"album/b{SHOWN}") == 2  # once for itself and once in the summary
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([*call, "--force"]) == FAILED
    assert terminal.getvalue() == f"out/{SHOWN}\n"


def test_texts_of_a_workflow_keep_their_lines_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    say("one\n\ttwo\x1b[0m")
    assert terminal.getvalue() == "one\n\ttwo\\x1b[0m\n"


def test_the_names_of_a_workflow_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    faulty = workflow(**{f"9{EVIL}": node(f"Kind{EVIL}", text=EVIL)})
    assert main(["run", faulty]) == USAGE
    assert not obeyed(capsys.readouterr().err)
    assert main(["run", f"none{EVIL}.json"]) == USAGE
    assert not obeyed(capsys.readouterr().err)


def test_what_runs_is_escaped_on_the_progress_line() -> None:
    class Bar:
        total: object = None
        n = 0
        text = ""

        def set_description_str(self, text: str, refresh: bool = True) -> None:
            self.text = text

        def reset(self) -> None: ...

        def refresh(self) -> None: ...

    bar = Bar()
    line = ProgressLine(bar)  # type: ignore[arg-type]
    line.start(EVIL)
    assert bar.text == SHOWN
    line.at(0.5, f"1/2 {EVIL}")
    assert bar.text == f"1/2 {SHOWN}"


def test_the_list_of_models_keeps_a_row_for_each_whatever_its_header_says(capsys: pytest.CaptureFixture[str]) -> None:
    provenance = Provenance(source="senga", licences=(f"MIT\nrow{EVIL}",))
    save_model("models/evil.safetensors", UpscaleModel.create("espcn_7", provenance, scale=2, widths=[4, 4]))
    assert main(["models", "--models-dir", "models"]) == OK
    out, _ = capsys.readouterr()
    assert not obeyed(out)
    assert len([line for line in out.splitlines() if "rowa" in line]) == 1
    assert any(line.startswith("evil.safetensors") and "MIT row" in line for line in out.splitlines())
    assert main(["models", "--models-dir", "models", "--json"]) == OK
    text = capsys.readouterr().out
    assert not obeyed(text)
    assert any(model.get("licences") == [f"MIT\nrow{EVIL}"] for model in json.loads(text))


def test_wrong_calls_do_not_repeat_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    for call in (
        ["models", f"--{EVIL}"],
        ["models", EVIL],
        [EVIL],
        ["upscale", "a.png", "-o", "b.png", "--scale", EVIL],
    ):
        with pytest.raises(SystemExit):
            main(call)
        assert not obeyed(capsys.readouterr().err)
