"""Names that are not UTF-8, linked and hidden files, and a reader of the results that goes away."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import small_tagger
from senga.arch import save_model
from senga.headless import stdout
from senga.headless.cli import CLOSED, FAILED, OK, main
from senga.headless.files.plan import make_plan

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]
SJIS = "\udc83e\udc83X.png"


@pytest.fixture
def foreign() -> Path:
    folder = Path("foreign")
    folder.mkdir()
    for name in ("1.png", SJIS):
        try:
            Image.fromarray(RGBA).save(folder / name)
        except OSError:
            pytest.skip("this file system takes UTF-8 names alone")
    return folder


@pytest.mark.parametrize("kind", ["--json", "--txt", "--csv", "--print"])
def test_a_name_that_is_not_utf_8_is_tagged_like_the_others(
    foreign: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model("t.safetensors", small_tagger())
    assert main(["tag", str(foreign), kind, "--model", "t.safetensors"]) == OK
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "Traceback" not in captured.err
    if kind == "--json":
        written = json.loads((foreign / SJIS).with_suffix(".json").read_text(encoding="utf-8"))
        assert written["file"] == f"foreign/{SJIS}"
        assert main(["tag", str(foreign), kind, "--model", "t.safetensors"]) == OK
        assert "2 of 2 skipped" in capsys.readouterr().err


def test_a_name_that_is_not_utf_8_is_upscaled_and_named_in_messages(
    foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (foreign / SJIS).write_bytes(b"no picture")
    assert main(["upscale", str(foreign), "-o", "out", *MODEL]) == FAILED
    captured = capsys.readouterr()
    assert r"foreign/\udc83e\udc83X.png: not a picture" in captured.err
    assert "1 done" in captured.err


def test_a_name_that_is_not_utf_8_is_degraded_like_the_others(foreign: Path) -> None:
    assert main(["degrade", str(foreign), "-o", "out", "--scale", "1"]) == OK
    assert {path.name for path in Path("out").glob("*.png")} == {"1.png", SJIS}


def test_folders_and_patterns_follow_links_and_leave_hidden_files_out() -> None:
    Path("real/deep").mkdir(parents=True)
    Path("d/.ipynb_checkpoints").mkdir(parents=True)
    for name in ("real/y.png", "real/deep/z.png", "d/c.png", "d/._c.png", "d/.ipynb_checkpoints/c.png"):
        Image.fromarray(RGBA).save(name)
    Path("d/linked").symlink_to(Path("real").absolute(), target_is_directory=True)
    Path("d/linked/back").symlink_to(Path("d").absolute(), target_is_directory=True)
    for text in ("d", "d/**/*.png", "d/**"):
        sources = [job.source.as_posix() for job in make_plan([text], "out/", None)]
        assert sources == ["d/c.png", "d/linked/deep/z.png", "d/linked/y.png"], text
    assert [job.source.as_posix() for job in make_plan(["d/*/*.png"], "out/", None)] == ["d/linked/y.png"]


def test_a_batch_stops_quietly_when_nobody_reads_its_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("d").mkdir()
    for number in range(6):
        Image.fromarray(RGBA).save(f"d/{number}.png")

    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            pass

    monkeypatch.setattr(stdout.sys, "stdout", Closed())
    monkeypatch.setattr("senga.headless.cli.silence", lambda: None)
    assert main(["upscale", "d", "-o", "out", "--workers", "1", *MODEL]) == CLOSED
    assert capsys.readouterr().err == ""
    assert len(list(Path("out").glob("*.png"))) < 6


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of a shell")
def test_models_into_a_pipe_that_closes_says_nothing() -> None:
    root = Path(__file__).resolve().parents[3]
    code = (
        "import importlib.util as u, sys\n"
        f"s = u.spec_from_file_location('senga', {str(root / '__init__.py')!r},"
        f" submodule_search_locations=[{str(root)!r}])\n"
        "m = u.module_from_spec(s); sys.modules['senga'] = m; s.loader.exec_module(m)\n"
        "from senga.headless.cli import main\n"
        "sys.exit(main(['models']))\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == CLOSED
    assert done.stderr == b""
