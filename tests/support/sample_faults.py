"""Commands that are disturbed, and what holds afterwards: nothing half, an exit code that tells, a rerun that ends."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger
from senga.arch import save_model
from senga.arch.files.atomic import TEMPORARY
from senga.headless.cli import FAILED, OK, main

PICTURES = ("a.png", "b.png", "c.png", "deep/d.png")


@dataclass(frozen=True)
class Command:
    name: str
    options: tuple[str, ...]

    def __call__(self, out: str) -> int:
        return main([self.name, "album", "-o", out, "--workers", "1", *self.options])


COMMANDS = [
    Command("upscale", ("--model", "models/" + MADE)),
    Command("tag", ("--model", "t.safetensors", "--json")),
    Command("degrade", ("--report",)),
]
for_all = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tagger") / "t.safetensors"
    save_model(path, known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    return path.read_bytes()


@pytest.fixture
def album(own_folder: None, tagger: bytes) -> Path:  # noqa: F811 (the fixture of that name)
    Path("t.safetensors").write_bytes(tagger)
    for number, name in enumerate(PICTURES):
        path = Path("album", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return Path("album")


def results(folder: str) -> dict[str, bytes]:
    """Name -> content of all that looks finished."""
    found = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(".senga_")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def left_over(folder: str) -> list[Path]:
    return list(Path(folder).rglob(TEMPORARY))


def check(
    command: Command, disturbed: Callable[[], AbstractContextManager[object]], codes: Iterable[int] = (FAILED,)
) -> int:
    """Run a command without and with a disturbance, and once more after it; returns the disturbed run's exit code."""
    assert command("whole") == OK
    expected = results("whole")
    with disturbed():
        code = command("out")
    assert code in codes
    found = results("out")
    assert found.items() <= expected.items(), "half a file, or a wrong one"
    assert (found == expected) == (code == OK), "the exit code does not tell"
    assert left_over("out") == []
    assert command("out") == OK
    assert results("out") == expected
    return code
