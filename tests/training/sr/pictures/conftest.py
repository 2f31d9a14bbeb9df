"""Sets of pictures to damage."""

import shutil
from pathlib import Path

import pytest
from sample_picture_sets import drawing


@pytest.fixture
def own(tmp_path, art) -> Path:
    """A copy of the set, to damage."""
    return Path(shutil.copytree(art, tmp_path / "set", ignore=shutil.ignore_patterns(".*")))


@pytest.fixture
def plain(tmp_path) -> Path:
    """Thirty pictures in folders, without a manifest."""
    for i in range(30):
        path = tmp_path / "plain" / f"f{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(80, i).save(path)
    (tmp_path / "plain" / "notes.txt").write_text("no picture")
    (tmp_path / "plain" / ".hidden.png").write_bytes(b"")
    return tmp_path / "plain"
