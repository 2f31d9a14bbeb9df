"""Processes that a signal ends: whole files remain, and a rerun makes the rest."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT
from sample_faults import album, left_over, results, tagger  # noqa: F401 (pytest finds the fixtures by their names)
from sample_nodes import MADE, own_folder  # noqa: F401
from senga.headless.cli import INTERRUPTED, OK, main

pytestmark = pytest.mark.usefixtures("album")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are those of POSIX systems")

STARTED = """
import importlib.util, sys
from pathlib import Path
root = Path(sys.argv.pop(1))
spec = importlib.util.spec_from_file_location("senga", root / "__init__.py", submodule_search_locations=[str(root)])
sys.modules["senga"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from senga.headless.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(*arguments: str) -> "subprocess.Popen[str]":
    call = [sys.executable, "-c", STARTED, str(ROOT), *arguments]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@posix
def test_a_process_that_is_stopped_leaves_whole_files_and_a_rerun_makes_the_rest() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for number in range(80):
        Image.fromarray(np.roll(noise, number, 0)).save(f"album/{number:03}.png")
    calls = {sent: ["upscale", "album", "-o", sent, "--model", "models/" + MADE] for sent in ("SIGKILL", "SIGINT")}
    processes = {sent: start(*call) for sent, call in calls.items()}
    running, until = set(processes), time.monotonic() + 100
    while running and time.monotonic() < until:
        for sent in [sent for sent in running if len(list(Path(sent).glob("*.png"))) >= 5]:
            processes[sent].send_signal(getattr(signal, sent))
            running.remove(sent)
        time.sleep(0.001)
    for sent, process in processes.items():
        _, said = process.communicate(timeout=60)
        assert process.returncode == (INTERRUPTED if sent == "SIGINT" else -signal.SIGKILL)
        assert ("senga: interrupted" in said) == (sent == "SIGINT")
        assert "Traceback" not in said
        assert left_over(sent) == [] or sent == "SIGKILL"
        found = results(sent)
        assert 5 <= len(found) < 84
        assert main(calls[sent]) == OK
        after = results(sent)
        assert len(after) == 84
        assert found.items() <= after.items()
    assert results("SIGKILL") == results("SIGINT")
    for name in results("SIGKILL"):
        with Image.open(Path("SIGKILL", name)) as picture:
            picture.load()
