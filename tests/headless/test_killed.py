"""SIGKILL at every stage of a video and of an animation: no half file has a final name, and a rerun finishes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from repository import ROOT
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_videos import Film, draw, look
from senga.headless.cli import OK, main
from senga.headless.files import video_parts
from senga.headless.files.video_parts import FOLDER

pytestmark = [
    pytest.mark.usefixtures("own_folder"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, so that imports are paid for once"),
]

FRAMES = 12
PART = 4  # frames of a part of a video

# Each call runs in a forked process that kills itself before or after call number `at` of a function.
FORKED = """
import importlib.util, json, os, signal, sys
from pathlib import Path
root = Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("senga", root / "__init__.py", submodule_search_locations=[str(root)])
sys.modules["senga"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import torch
torch.set_num_threads(1)
from senga.headless.cli import main
from senga.headless.commands import upscale, upscale_work
from senga.headless.files import results, video_parts, video_write

def run(line, where, name, at, after):
    owner = {"upscale_work": upscale_work, "results": results, "video_parts": video_parts, "os": os}[where]
    real, calls = getattr(owner, name), [0]

    def call(*arguments, **options):
        calls[0] += 1
        result = real(*arguments, **options) if calls[0] != at or after else None
        if calls[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, call)
    video_parts.FRAMES = int(sys.argv[2])
    os._exit(main(line))

for line, where, name, at, after in json.loads(sys.stdin.read()):
    child = os.fork()
    if not child:
        run(line, where, name, at, after)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@dataclass(frozen=True)
class Killed:
    title: str  # and stem of the result
    source: str
    where: tuple[str, str, int, bool]  # module, function, number of the call, after it rather than before
    there: int | None = 0  # frames that need not be made again; None: as many parts as were written in that moment


CASES = [
    Killed("film_between_frames", "in.mp4", ("upscale_work", "call_node", 10, False), None),
    Killed("film_before_the_first_frame", "in.mp4", ("upscale_work", "call_node", 1, False), 0),
    Killed("film_between_two_parts", "in.mp4", ("video_parts", "write_part", 3, False), 2 * PART),
    Killed("film_with_a_part_not_yet_in_place", "in.mp4", ("video_parts", "write_part", 2, True), PART),
    Killed("film_before_its_parts_are_joined", "in.mp4", ("video_parts", "join", 1, False), FRAMES),
    Killed("film_written_and_without_its_name", "in.mp4", ("video_parts", "join", 1, True), FRAMES),
    Killed("animation_between_frames", "in.webp", ("upscale_work", "call_node", 10, False)),
    Killed("animation_before_it_is_written", "in.webp", ("results", "fill", 1, False)),
    Killed("animation_written_and_without_its_name", "in.webp", ("results", "fill", 1, True)),
]


def line(case: Killed) -> list[str]:
    return ["upscale", case.source, "-o", case.title + Path(case.source).suffix, "--model", "models/" + MADE]


def content(path: Path) -> tuple[list[float], list[bytes]]:
    """When each frame is shown, or how long in an animation, and the frames."""
    if path.suffix == ".mp4":
        found = look(path)
        return list(found.seconds), [frame.tobytes() for frame in found.frames]
    times, frames = [], []
    with Image.open(path) as picture:
        for frame in ImageSequence.Iterator(picture):
            frames.append(frame.convert("RGB").tobytes())
            times.append(frame.info["duration"])  # known once it is decoded
    return times, frames


def test_a_film_and_an_animation_that_are_killed_leave_no_half_file_and_are_finished_by_a_rerun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(video_parts, "FRAMES", PART)
    draw(Film(Path("in.mp4"), times=range(0, FRAMES * 512, 512)))
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 16, 24, 3), dtype=np.uint8)
    first, *rest = map(Image.fromarray, noise)
    first.save("in.webp", save_all=True, append_images=rest, duration=40, lossless=True)
    whole = {}
    for source in ("in.mp4", "in.webp"):
        assert main(line(Killed("whole", source, ("", "", 0, False)))) == OK
        whole[source] = content(Path("whole" + Path(source).suffix))
        assert len(whole[source][1]) == FRAMES

    process = subprocess.run(
        [sys.executable, "-c", FORKED, str(ROOT), str(PART)],
        input=json.dumps([(line(case), *case.where) for case in CASES]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.stdout.split() == [str(-signal.SIGKILL)] * len(CASES), process.stderr
    finals = {case.title + Path(case.source).suffix for case in CASES}
    assert finals & {path.name for path in Path().iterdir()} == set(), "a killed run has given a name"

    capsys.readouterr()
    for case in CASES:
        result = Path(line(case)[3])
        assert main(line(case)) == OK
        said = capsys.readouterr().err
        if case.there is not None:
            assert (f"goes on after {case.there} of {FRAMES} frames" in said) == (case.there > 0), case.title
        assert content(result) == whole[case.source], case.title
    assert list(Path().glob(f"{FOLDER}*")) == []
