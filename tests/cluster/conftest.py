"""Two machines for the trainings of a file, with a shared disk and a run to compare with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_picture_sets import make_set
from sample_tag_sets import table
from sample_training_hosts import SR, Machine, good, machines, words, write_settings


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Machine, Machine]]:
    with machines() as found:
        yield found


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared disk: pictures, tagged pictures, settings."""
    folder = tmp_path_factory.mktemp("disk")
    make_set(folder)
    art = folder / "art"
    art.mkdir()
    for path in [*folder.glob("*.png"), folder / "manifest.csv"]:
        path.rename(art / path.name)
    write_settings(folder)
    table(folder / "tags", 60)
    return folder


@pytest.fixture(scope="module")
def reference(pair: tuple[Machine, Machine], disk: Path) -> Path:
    """The shared disk with the run "one": two processes of one machine."""
    good(pair[0].start("torchrun --standalone --nproc-per-node 2 " + SR + words("one"), disk))
    return disk
