"""Steps for both pictures of a pair: HR has them, LR has them and the rest, and everything else is as without them."""

import json

import numpy as np
import pytest
from sample_drawings import drawing
from sample_picture_sets import make_set
from senga.arch import SengaError
from senga.training.degradation import Recipe, Report, degrade, degrade_pair
from senga.training.sr.patches import batch
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import DataSettings
from senga.training.sr.validation.validation_crops import Crop, make_pairs

TONE = {"step": "halftone", "period": [3, 6], "angle": [0, 90]}
BOTH = {"step": "lq_hq", "steps": [TONE]}
REST = [{"step": "jpeg", "quality": [40, 60]}, {"step": "resize", "of": "final", "filter": "box"}]


def recipe(*steps) -> Recipe:
    return Recipe.from_data({"scale": 2, "steps": list(steps)})


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_hr_has_the_shared_steps_and_lr_is_made_from_it(kind):
    image = drawing(48, 40) if kind == np.uint8 else (drawing(48, 40) / 255).astype(np.float32)
    lr, hr, report = degrade_pair(image, recipe(BOTH, *REST), seed=3, index=2)
    assert (lr.shape, hr.shape, hr.dtype) == ((24, 20, 3), (48, 40, 3), kind)
    drawn = report.entries[0].steps
    alone, _ = degrade(image, Recipe(drawn[:1]), seed=9)  # the one shared step, as it was drawn
    assert (hr == alone).all()
    assert not (hr == image).all()
    assert (lr == degrade(image, recipe(BOTH, *REST), seed=3, index=2)[0]).all()
    without = degrade(image, recipe(*REST), seed=3, index=2)[0]
    assert not (lr == without).all()


def test_without_shared_steps_hr_is_the_picture_and_the_report_is_as_it_was():
    image = drawing(48, 40)
    lr, hr, report = degrade_pair(image, recipe(*REST), seed=3)
    assert (hr == image).all()
    assert (lr == degrade(image, recipe(*REST), seed=3)[0]).all()
    assert set(json.loads(report.to_json())["frames"][0]) == {"index", "height", "width", "scale", "steps"}


def test_a_report_repeats_both_pictures():
    batch_of_two = np.stack([drawing(48, 40), drawing(48, 40)[::-1]])
    maybe = {**BOTH, "probability": 0.5}
    for seed in range(4):
        lr, hr, report = degrade_pair(batch_of_two, recipe(maybe, *REST), seed=seed)
        again = degrade_pair(batch_of_two, Report.from_json(report.to_json()))
        assert (lr == again[0]).all()
        assert (hr == again[1]).all()
        assert again[2].entries == report.entries


def test_alpha_stays_and_a_group_may_be_inside():
    rgba = np.concatenate((drawing(48, 40), np.full((48, 40, 1), 128, np.uint8)), axis=2)
    choice = {"step": "choose", "among": [{"steps": [TONE]}, {"steps": [{"step": "palette", "colours": 4}]}]}
    found = recipe({"step": "lq_hq", "steps": [choice]}, *REST)
    assert Recipe.from_json(found.to_json()) == found
    hr = degrade_pair(rgba, found, seed=1)[1]
    assert (hr[..., 3] == 128).all()
    assert not (hr[..., :3] == rgba[..., :3]).all()
    assert (degrade_pair(rgba, found.weakened(0), seed=1)[1] == rgba).mean() > 0.9  # strength reaches into the group


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([*REST, BOTH], "lq_hq comes after other steps; move it to the beginning"),
        ([{"step": "shuffle", "steps": [BOTH]}], r"step 1 \(lq_hq\) is inside a group"),
        ([{"step": "lq_hq", "steps": [{"step": "shuffle", "steps": REST}]}], "has a resize; HR keeps its size"),
        ([{"step": "lq_hq", "amount": 1, "steps": []}], "the key 'amount' is unknown"),
    ],
)
def test_where_they_cannot_be_is_named(steps, message):
    with pytest.raises(SengaError, match=message):
        recipe(*steps)


def test_a_report_that_shares_more_than_it_has_is_refused():
    data = json.loads(degrade_pair(drawing(8, 8), recipe(BOTH))[2].to_json())
    data["frames"][0]["shared"] = 7
    with pytest.raises(SengaError, match="frame 1: shared is 7; expected at most its 2 steps"):
        Report.from_data(data)


@pytest.mark.parametrize(
    "tone",
    [{"step": "halftone", "period": 6, "angle": 45}, {"step": "saturation", "factor": 0}],
    ids=["screentone", "grey scan"],
)
def test_a_training_and_a_validation_see_the_screentone_or_the_grey_on_both_sides(tone, tmp_path):
    path = tmp_path / "tone.json"
    path.write_text(json.dumps({"steps": [{"step": "lq_hq", "steps": [tone]}, REST[1]]}))
    settings = {"folder": make_set(tmp_path).as_posix(), "patch": 16, "batch": 2}
    pictures = PictureSet(tmp_path, 1.0)
    lr, hr = batch(pictures, DataSettings(**settings, degradation=path.as_posix()), 2, 1, 0)
    assert hr.shape == (2, 3, 32, 32)
    plain = batch(pictures, DataSettings(**settings, degradation="clean"), 2, 1, 0)[1]
    assert float((hr - plain).abs().mean()) > 0.05
    assert float((lr - hr.reshape(2, 3, 16, 2, 16, 2).mean((3, 5))).abs().max()) < 1.1 / 255  # box of the toned HR
    crop = Crop("a", "a", drawing(96, 96))
    (pair,) = make_pairs([crop], 2, path.as_posix())
    assert not (pair.hr == crop.picture).all()
    assert (make_pairs([crop], 2, "clean")[0].hr == crop.picture).all()
