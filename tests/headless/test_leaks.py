"""A process that runs many workflows and jobs holds no more after thirty than after ten."""

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from PIL import Image
from sample_nodes import MADE, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import OK, main

pytestmark = pytest.mark.usefixtures("own_folder")

FIRST, LAST = 10, 30
SIDE = 64  # pixels of the picture: its levels alone are four times what is allowed
ALLOWED = 3000  # bytes a run that Python's own caches may still grow by


@pytest.fixture(autouse=True)
def picture(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    Image.new("RGB", (SIDE, SIDE), "red").save("input/a.png")


def upscale() -> list[str]:
    return ["upscale", "input/a.png", "-o", "big/", "--force", "--model", "models/" + MADE]


def run_workflow() -> list[str]:
    return ["run", workflow()]


@pytest.mark.parametrize("line", [run_workflow, upscale])
def test_memory_does_not_grow_after_the_tenth_run(
    line: Callable[[], list[str]], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def held(runs: int) -> tuple[int, int]:
        """Python's bytes and objects that are there after so many more runs; a tensor's values are not in the bytes."""
        for _ in range(runs):
            assert main(line()) == OK
            capsys.readouterr()  # what is printed and logged is kept for the test
            caplog.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], len(gc.get_objects())

    tracemalloc.start()
    try:
        (first, objects), (last, objects_later) = held(FIRST), held(LAST - FIRST)
    finally:
        tracemalloc.stop()
    assert objects_later - objects < (LAST - FIRST) // 2
    assert last - first <= ALLOWED * (LAST - FIRST), f"it grows by {(last - first) / (LAST - FIRST):.0f} bytes a run"
