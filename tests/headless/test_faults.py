"""What goes wrong around a command: no half file under a final name, an exit code that tells, a rerun that finishes."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_faults import COMMANDS, Command, album, check, for_all, left_over, results, tagger  # noqa: F401
from sample_nodes import MADE, own_folder, workflow  # noqa: F401 (pytest finds the fixtures by their names)
from senga.arch.files import atomic
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.files import results as written
from senga.headless.files.journal import LOCK, NAME
from senga.nodes import saving

pytestmark = pytest.mark.usefixtures("album")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are those of POSIX systems")


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], AbstractContextManager[object]]]:
    """A disturbance: while it lasts, call number `first` (and those after it, if `on`) of a function fails."""

    def make(owner: Any, name: str, failure: BaseException, *, first: int = 0, on: bool = False, half: bool = False):  # type: ignore[no-untyped-def]
        real = getattr(owner, name)

        @contextmanager
        def disturbed() -> Iterator[None]:
            calls = [0]

            def call(*arguments: Any, **options: Any) -> Any:
                calls[0] += 1
                if calls[0] - 1 == first or (on and calls[0] > first):
                    if half:
                        real(*arguments)
                        os.truncate(arguments[0], arguments[0].stat().st_size // 2)
                    raise failure
                return real(*arguments, **options)

            with monkeypatch.context() as patch:
                patch.setattr(owner, name, call)
                yield
            assert calls[0] > first, "it was not disturbed"

        return disturbed

    return make


BORDER = 3  # pixels that the made network adds around a window: one for each of its convolutions
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
READ_ONLY = OSError(errno.EROFS, os.strerror(errno.EROFS))


@for_all
@pytest.mark.parametrize("first", [0, 2])
def test_a_disk_that_is_full_for_one_file(command: Command, first: int, patched: Any) -> None:
    check(command, patched(written, "fill", FULL, first=first, half=True))


@for_all
def test_a_disk_that_fills_up_and_stays_full(command: Command, patched: Any) -> None:
    check(command, patched(written, "fill", FULL, first=1, on=True, half=True))


@for_all
def test_a_disk_that_is_full_when_a_result_is_noted(command: Command, patched: Any) -> None:
    check(command, patched(os, "write", FULL, first=1))


@for_all
@pytest.mark.parametrize("failure", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_folder_that_cannot_be_made(command: Command, failure: OSError, patched: Any) -> None:
    check(command, patched(Path, "mkdir", failure, on=True))


@for_all
def test_a_folder_that_cannot_be_written(command: Command, patched: Any) -> None:
    assert command("out") == OK
    expected = results("out")
    for path in Path("out").rglob("*.*"):
        if path.is_file():
            path.unlink()
    with patched(written, "fill", READ_ONLY, on=True)():
        assert command("out") == FAILED
    assert results("out") == {}
    assert command("out") == OK
    assert results("out") == expected


@for_all
def test_a_finished_folder_that_is_read_only_now_is_skipped(command: Command, patched: Any) -> None:
    assert command("out") == OK
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "fill", lambda *_: pytest.fail("something was written"))
        for name in ("write_bytes", "mkdir", "touch"):
            patch.setattr(Path, name, lambda *_: pytest.fail("something was written"))
        assert command("out") == OK


@for_all
def test_a_result_that_cannot_take_its_place(command: Command, patched: Any) -> None:
    check(command, patched(written, "publish", FULL, first=1))


@posix
@for_all
def test_too_many_open_files(command: Command) -> None:
    """With every number of files from none to enough, so that each opening fails once."""
    import resource

    @contextmanager
    def few(free: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        taken: list[int] = []
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for file in taken[:free]:
            os.close(file)
        try:
            yield
        finally:
            for file in taken[free:]:
                os.close(file)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    codes = []
    for free in range(5):
        codes.append(check(command, lambda free=free: few(free), (OK, FAILED, USAGE)))  # type: ignore[misc]
        for path in [*Path("out").rglob("*")][::-1]:
            path.unlink() if path.is_file() else path.rmdir()
    assert codes[0] != OK
    assert codes[-1] == OK


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("CUDA error: unspecified launch failure"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
    ],
    ids=["device lost", "device full", "memory full"],
)
@pytest.mark.parametrize("on", [False, True], ids=["once", "from then on"])
def test_a_network_that_fails_in_the_middle(failure: BaseException, on: bool, patched: Any) -> None:
    """The upscaler: a tile that finds no memory is tried again in halves, which nobody sees in the end."""
    from senga.arch.espcn import ESPCN7

    once = isinstance(failure, torch.OutOfMemoryError | MemoryError) and not on
    check(COMMANDS[0], patched(ESPCN7, "forward", failure, first=2, on=on), [OK if once else FAILED])


def test_a_device_that_is_lost_under_the_tagger(patched: Any) -> None:
    from senga.arch import TaggerModel

    failure = RuntimeError("CUDA error: unspecified launch failure")
    check(COMMANDS[1], patched(TaggerModel, "predict", failure, on=True))


@pytest.mark.parametrize("fits", [16, 24, 40])
def test_memory_that_is_enough_for_tiles_of_one_size_alone(fits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the largest tile down to the smallest; the result is that of enough memory."""
    from senga.arch.espcn import ESPCN7

    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save("large.png")
    call = ["upscale", "large.png", "--model", "models/" + MADE, "--halo", "8", "-o"]
    assert main([*call, "whole.png"]) == OK
    real, sizes = ESPCN7.forward, []

    def forward(self: ESPCN7, x: torch.Tensor) -> torch.Tensor:
        sizes.append(max(x.shape[-2:]))
        if sizes[-1] > fits + 2 * (8 + BORDER):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, x)

    monkeypatch.setattr(ESPCN7, "forward", forward)
    assert main([*call, "tiled.png"]) == OK
    whole, tiled = (np.asarray(Image.open(name)).astype(int) for name in ("whole.png", "tiled.png"))
    assert np.abs(whole - tiled).max() <= 1
    assert len(sizes) > 1


def test_memory_that_is_not_enough_for_the_smallest_tile(capsys: pytest.CaptureFixture[str], patched: Any) -> None:
    from senga.arch.espcn import ESPCN7

    failure = torch.OutOfMemoryError("CUDA out of memory")
    check(COMMANDS[0], patched(ESPCN7, "forward", failure, on=True))
    assert "cpu has too little memory for a tile of 16" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["cut short in place", "written over in place", "replaced", "removed"])
def test_the_file_of_a_loaded_model_may_change_under_it(how: str) -> None:
    """Weights are not read from the disk any more once a model is loaded."""
    from senga.arch import load_upscaler, upscale

    path = Path("models", MADE)
    model, image = load_upscaler(path), torch.rand(1, 8, 8, 3)
    before, size = upscale(model, image), path.stat().st_size
    if how == "cut short in place":
        os.truncate(path, 10)
    elif how == "written over in place":
        with path.open("r+b") as file:
            file.write(b"\xff" * size)
    elif how == "replaced":
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(b"\xff" * size)
    else:
        path.unlink()
    assert torch.equal(upscale(model, image), before)
    assert torch.isfinite(model.model.state_dict()[next(iter(model.model.state_dict()))]).all()


@for_all
def test_a_folder_that_another_run_holds_for_ever(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from senga.arch.files.locking import locked

    monkeypatch.setattr("senga.arch.files.locking.locked.__wrapped__.__defaults__", (0.01,))

    @contextmanager
    def held() -> Iterator[None]:
        for folder in ("out", "out/deep"):
            Path(folder).mkdir(exist_ok=True)
        with locked(Path("out", LOCK)), locked(Path("out/deep", LOCK)):
            yield

    check(command, held)


# --- workflows ---


@pytest.mark.parametrize("failure", [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_workflow_that_cannot_save(failure: OSError, patched: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with patched(saving, "publish", failure)():
        assert main(["run", workflow()]) == FAILED
    assert str(failure.strerror) in capsys.readouterr().err
    assert [*Path("output").iterdir()] == []
    assert main(["run", workflow()]) == OK
    assert [path.name for path in Path("output").iterdir()] == ["out_00001_.png"]


def test_a_results_list_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """`senga upscale ... > list` on a full disk: the pictures are there, and the exit code tells."""

    class Full:
        def write(self, text: str) -> int:
            raise FULL

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdout", Full())
    assert COMMANDS[0]("out") == FAILED
    monkeypatch.undo()


def test_the_journal_and_its_lock_are_all_that_is_left_besides_results() -> None:
    assert COMMANDS[0]("out") == OK
    hidden = {path.name for path in Path("out").rglob(".*")}
    assert hidden == {NAME, LOCK}
