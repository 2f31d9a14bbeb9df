"""What tests of trainings share: a small set of pictures, the settings of a tiny run, quick scores."""

from pathlib import Path

import pytest
from sample_picture_sets import make_set
from sample_runs import tiny_config


@pytest.fixture
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSIMULACRA2 has tests of its own and takes seconds."""
    monkeypatch.setattr("senga.training.sr.validation.scores.ssimulacra2", lambda image, reference: [50.0] * len(image))


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("art"))


@pytest.fixture
def config(tmp_path: Path, art: Path) -> Path:
    """tiny.toml, whose runs go to TMP_PATH/runs."""
    return tiny_config(tmp_path, art)
