"""`senga degrade --workers N`: other processes make the same files, and say what goes wrong in one sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, INTERRUPTED, main
from senga.headless.errors import SengaError
from senga.headless.files.journal import LOCK, NAME
from senga.headless.processes import processes

posix = pytest.mark.skipif(os.name != "posix", reason="needs links and signals")


@pytest.fixture(autouse=True)
def package(
    own_folder: None,  # noqa: F811 (the fixture of that name)
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder in which new processes find the package by its name, as an installed one; pictures in album/."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "senga").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.syspath_prepend(str(folder))
    Path("album").mkdir()
    for number in range(5):
        levels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(levels).save(Path("album", f"{number}.png"))
    return folder


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.startswith(".")}


@posix
def test_any_number_of_processes_makes_the_same_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("album", "2.png").write_text("no picture")
    frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
    frames[0].save("album/5.gif", save_all=True, append_images=frames[1:])
    said = []
    for workers in ("1", "2"):
        call = ["degrade", "album", "-o", f"out{workers}", "--report", "--preset", "realesrgan", "--seed", "3"]
        assert main([*call, "--workers", workers]) == FAILED
        out, err = capsys.readouterr()
        said.append((out.replace(f"out{workers}", "out"), sorted(err.splitlines())))
    assert said[0] == said[1]
    assert contents("out1") == contents("out2")
    assert len(contents("out1")) == 10
    (broken,) = [line for line in said[1][1] if "2.png" in line and "failed" not in line]
    assert broken.startswith("senga: album/2.png: ")
    assert any("5.gif: it has 2 frames; only the first is degraded" in line for line in said[1][1])


@posix
def test_a_process_that_is_killed_is_one_sentence() -> None:
    with processes(1) as others:
        assert others.call(os.getpid) != os.getpid()
        with pytest.raises(SengaError, match=r"one of the processes of --workers was ended.*; run the command again"):
            others.call(os._exit, 1)
        with pytest.raises(SengaError, match="was ended"):
            others.call(os.getpid)


@posix
def test_ctrl_c_in_a_terminal_leaves_whole_files_and_no_process(package: Path) -> None:
    levels = np.random.default_rng(9).integers(0, 256, (200, 200, 3), dtype=np.uint8)  # each takes a while
    for number in range(40):
        Image.fromarray(levels).save(Path("album", f"{number}.png"), compress_level=0)
    call = ["degrade", "album", "-o", "out", "--preset", "realesrgan", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    process = subprocess.Popen(
        [sys.executable, "-m", "senga.headless", *call],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 100
    while len(list(Path("out").glob("*.png"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, said = process.communicate(timeout=60)  # waits for every process that has the pipe
    assert process.returncode == INTERRUPTED
    assert said.splitlines()[-1] == "senga: interrupted"
    assert "Traceback" not in said
    found = contents("out")
    assert 3 <= len(found) < 40
    for name in found:
        with Image.open(Path("out", name)) as picture:
            picture.load()
    assert {path.name for path in Path("out").iterdir() if path.suffix != ".png"} == {NAME, LOCK}
