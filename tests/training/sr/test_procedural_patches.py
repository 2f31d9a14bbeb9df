"""Drawn patches in the stream of a training, and hard pictures that come more often."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sample_picture_sets import SMALL, make_set
from senga.arch import SengaError
from senga.training.datasets.procedural import kind_names
from senga.training.run.identity import differences, run_identity
from senga.training.run.settings import defaults_of, to_dict
from senga.training.sr.patches import chances, sample
from senga.training.sr.pictures.picture_files import Row
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.recipes import mixture, reduced_by
from senga.training.sr.settings import DataSettings, Settings

DRAWN = replace(SMALL, procedural=1.0, degradation="senga_clean", kinds=dict.fromkeys(["text"], 0.0))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return PictureSet(make_set(tmp_path_factory.mktemp("art")), 1.0)


def test_a_drawn_patch_depends_on_seed_step_and_place_alone(pictures):
    lr, hr = sample(pictures, DRAWN, 2, 5, 3, 1)
    again = sample(pictures, DRAWN, 2, 5, 3, 1)
    assert np.array_equal(hr, again[1])
    assert np.array_equal(lr, again[0])
    assert lr.shape == (12, 12, 3)
    assert hr.shape == (24, 24, 3)
    assert not np.array_equal(hr, sample(pictures, DRAWN, 2, 5, 3, 2)[1])


def test_single_pixel_patterns_reach_the_lr_patch(pictures):
    """Reduced by box or nearest they keep their contrast: bicubic alone would take a third of it."""
    settings = replace(DRAWN, kinds={name: 0.0 for name in kind_names() if name != "patterns"}, recolour=0.0)
    pairs = [sample(pictures, settings, 2, 0, step, 0) for step in range(12)]
    kept = [lr.std() / hr.std() for lr, hr in pairs if hr.std() > 30]
    assert len(kept) > 6
    assert max(kept) > 0.97


def test_without_drawn_patches_the_stream_is_what_it_was(pictures):
    plain = sample(pictures, SMALL, 2, 1, 0, 0)
    assert np.array_equal(plain[1], sample(pictures, replace(SMALL, procedural=0.0), 2, 1, 0, 0)[1])
    drawn = [sample(pictures, replace(SMALL, procedural=0.5, kinds={"text": 0.0}), 2, 1, 0, i)[1] for i in range(8)]
    same = [np.array_equal(hr, sample(pictures, SMALL, 2, 1, 0, i)[1]) for i, hr in enumerate(drawn)]
    assert not all(same)


def test_a_recipe_can_be_given_another_filter():
    (recipe, _), *_ = mixture("senga_blind", 2)
    changed = reduced_by(recipe, "box")
    assert changed.steps[0].values["filter"] == "box"
    assert changed.steps[1:] == recipe.steps[1:]


def test_the_hardest_picture_is_drawn_as_often_as_asked():
    rows = [Row(str(i), "train", "a", "MIT", 200, difficulty=float(d)) for i, d in enumerate([5, 900, 1])]
    sums = chances(rows, 4.0)
    odds = np.diff(sums, prepend=0)
    assert odds[1] == pytest.approx(4 * odds[2])
    assert odds[2] < odds[0] < odds[1]
    drawn = Counter(np.searchsorted(sums, np.random.default_rng(0).random(3000)).tolist())
    assert drawn[1] == pytest.approx(3000 * odds[1], rel=0.1)


def test_the_survey_finds_flat_pictures_easy_and_busy_ones_hard(pictures):
    assert all(row.difficulty > 1 for row in pictures.train)


def test_runs_begun_before_these_settings_go_on():
    old = {k: v for k, v in to_dict(DataSettings()).items() if k not in ("procedural", "kinds", "hard_pictures")}
    before, now, drawn, small = (
        run_identity({"data": data}) for data in (old, *map(to_dict, (DataSettings(), DRAWN, SMALL)))
    )
    assert differences(before, now, defaults_of(Settings)) == ""
    assert "data.procedural was 0.0, is 1.0" in differences(small, drawn, defaults_of(Settings))


def test_unknown_kinds_are_named():
    with pytest.raises(SengaError, match=r"data\.kinds is 'screntone'; did you mean 'screentone'"):
        DataSettings(kinds={"screntone": 1.0})
