"""Average precision, F1 and thresholds, against torchmetrics and by hand; what is not known never counts."""

import numpy as np
import pytest
import torch
import torchvision_cpu_shim  # noqa: F401 (torchmetrics imports torchvision)
from senga.training.tagger.metrics import (
    Scored,
    average_precisions,
    confusion,
    f1,
    global_threshold,
    groups,
    mean_ap,
    score_group,
    tag_thresholds,
    worst,
)
from torchmetrics.functional.classification import multilabel_average_precision, multilabel_f1_score


def scored(pictures: int = 200, tags: int = 6, seed: int = 0, all_known: bool = True) -> Scored:
    """Scores that tell something of the truth, with many ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random((pictures, tags)) < np.linspace(0.05, 0.6, tags)
    scores = np.clip(0.35 * truth + rng.random(truth.shape) * 0.7, 0, 1).round(2).astype(np.float32)
    known = np.ones_like(truth) if all_known else rng.random(truth.shape) < 0.7
    return Scored(np.arange(pictures), scores, truth, known)


def test_average_precision_is_torchmetrics():
    made = scored()
    theirs = multilabel_average_precision(
        torch.from_numpy(made.scores), torch.from_numpy(made.truth).long(), 6, average=None
    )
    assert average_precisions(made) == pytest.approx(theirs.numpy(), abs=1e-5)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_f1_is_torchmetrics(average):
    made, at = scored(), 0.455  # no score is just there: torchmetrics wants more than the threshold
    theirs = multilabel_f1_score(
        torch.from_numpy(made.scores), torch.from_numpy(made.truth).long(), 6, threshold=at, average=average
    )
    row = score_group(made, "all", np.ones(6, bool), at, np.full(6, at), 1)
    ours = (row.macro_global, row.macro_own) if average == "macro" else (row.micro_global, row.micro_own)
    assert ours == pytest.approx((float(theirs),) * 2)


def test_what_is_not_known_counts_for_nothing():
    made = scored(all_known=False)
    turned = Scored(
        made.numbers,
        np.where(made.known, made.scores, 1 - made.scores),
        np.where(made.known, made.truth, ~made.truth),
        made.known,
    )
    everything = np.ones(6, bool)
    assert average_precisions(made) == pytest.approx(average_precisions(turned))
    assert global_threshold(made, everything) == global_threshold(turned, everything)
    assert tag_thresholds(made, 0.5, 1) == pytest.approx(tag_thresholds(turned, 0.5, 1))
    assert score_group(made, "a", everything, 0.4, np.full(6, 0.5), 5) == score_group(
        turned, "a", everything, 0.4, np.full(6, 0.5), 5
    )
    assert worst(made, everything, 9) == worst(turned, everything, 9)


def test_a_tags_own_threshold_gives_its_best_f1():
    made = scored()
    fitted = tag_thresholds(made, 0.5, 1)
    own = f1(*confusion(made, fitted))
    for t in range(6):
        best = max(f1(*confusion(made, level))[t] for level in np.linspace(0, 1, 1001))
        assert own[t] == pytest.approx(best)
    few = np.array([p < 40 for p in made.positives()])
    assert few.any()
    assert not few.all()
    assert (tag_thresholds(made, 0.123, 40) == 0.123).tolist() == few.tolist()


def test_the_one_threshold_is_the_best_of_its_grid():
    made = scored()
    at = global_threshold(made, np.ones(6, bool))

    def micro(level: float) -> float:
        return float(f1(*(counts.sum() for counts in confusion(made, level))))

    assert micro(at) == max(micro(level) for level in np.linspace(0.01, 0.99, 99))


def test_tags_on_too_few_pictures_are_counted_and_left_out():
    made = scored()
    scarce = made.positives() < 50
    row = score_group(made, "all", np.ones(6, bool), 0.5, np.full(6, 0.5), 50)
    assert (row.tags, row.too_few) == ((~scarce).sum(), scarce.sum())
    assert row.mean_ap == pytest.approx(average_precisions(made)[~scarce].mean())
    nothing = score_group(made, "all", np.ones(6, bool), 0.5, np.full(6, 0.5), 1000)
    assert (nothing.tags, nothing.too_few) == (0, 6)
    assert np.isnan(nothing.mean_ap)


def test_tags_without_positives_are_no_part_of_the_mean():
    made = scored()
    made.truth[:, 2] = False
    found = average_precisions(made)
    assert np.isnan(found[2])
    assert mean_ap(made, np.ones(6, bool)) == pytest.approx(np.nanmean(found))
    assert np.isnan(mean_ap(made, np.arange(6) == 2))


def test_groups_are_all_the_categories_and_the_buckets_of_frequency():
    counts, trained = np.array([10, 60, 5000, 20_000, 3]), np.array([True, True, True, True, False])
    categories = ("general", "general", "character", "general", "rating")
    found = {name: np.flatnonzero(tags).tolist() for name, tags in groups(categories, counts, trained)}
    assert found == {
        "all": [0, 1, 2, 3],
        "general": [0, 1, 3],
        "character": [2],
        "0 to 49 pictures": [0],
        "50 to 199 pictures": [1],
        "1,000 to 9,999 pictures": [2],
        "10,000 pictures or more": [3],
    }


def test_the_worst_mistakes_come_first_one_a_picture():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.99]], np.float32)
    truth = np.array([[True, False], [False, True], [False, True]])
    made = Scored(np.arange(3), scores, truth, np.ones((3, 2), bool))
    assert worst(made, np.ones(2, bool), 2) == [(1, 1), (2, 0)]
    assert worst(made, np.array([True, False]), 1) == [(2, 0)]
