"""Metrics of a tagger. All of them leave out the entries whose label is unknown.

Shapes: scores (N, T) float in [0, 1]; truth and known (N, T) bool; N pictures, T tags.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GRID = np.linspace(0.01, 0.99, 99)  # thresholds tried for all tags at once
BUCKETS = ((0, 50), (50, 200), (200, 1000), (1000, 10_000), (10_000, None))  # training pictures of a tag


@dataclass(frozen=True)
class Scored:
    """A split's pictures with the net's scores and the labels."""

    numbers: Array  # (N,) of the pictures, in the index
    scores: Array
    truth: Array
    known: Array

    def only(self, pictures: Array) -> "Scored":
        """Some of the pictures (numbers of rows or a mask)."""
        return Scored(self.numbers[pictures], self.scores[pictures], self.truth[pictures], self.known[pictures])

    def positives(self) -> Array:
        """(T,) pictures that have each tag."""
        return (self.truth & self.known).sum(axis=0)


def average_precision(scores: Array, truth: Array) -> float:
    """Area under precision over recall of one tag (N,), by steps, equal scores taken together; NaN without positives.

    The definition of scikit-learn's and torchmetrics' average precision.
    """
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(truth[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of each run of equal scores
    hits, taken = found[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / taken) / hits[-1])


def average_precisions(scored: Scored) -> Array:
    """(T,) average precision of each tag, over the pictures with a known label."""
    columns = range(scored.scores.shape[1])
    known = scored.known
    return np.array([average_precision(scored.scores[known[:, t], t], scored.truth[known[:, t], t]) for t in columns])


def mean_ap(scored: Scored, chosen: Array) -> float:
    """Mean average precision over the chosen tags (T,) bool that some picture bears; NaN if there is none."""
    found = average_precisions(scored)[chosen]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def confusion(scored: Scored, thresholds: Array | float) -> tuple[Array, Array, Array]:
    """(true positives, false positives, misses) of each tag; a tag is given where its score reaches the threshold."""
    given = (scored.scores >= thresholds) & scored.known
    truth = scored.truth & scored.known
    return (given & truth).sum(axis=0), (given & ~truth).sum(axis=0), (~given & truth).sum(axis=0)


def f1(true: Array, false: Array, missed: Array) -> Array:
    return 2 * true / np.maximum(2 * true + false + missed, 1)


def global_threshold(scored: Scored, chosen: Array) -> float:
    """The one threshold of GRID with the best F1 over all entries of the chosen tags, (T,) bool (micro)."""
    sums = [[counts[chosen].sum() for counts in confusion(scored, threshold)] for threshold in GRID]
    return float(GRID[int(np.argmax(f1(*np.array(sums).T)))])


def tag_thresholds(scored: Scored, otherwise: float, min_positives: int) -> Array:
    """(T,) the threshold with each tag's best F1; `otherwise` for tags on fewer than `min_positives` pictures.

    It is half way between the two scores that it separates, so that no single picture decides it.
    """
    thresholds = np.full(scored.scores.shape[1], otherwise)
    for t in np.flatnonzero(scored.positives() >= min_positives):
        scores, truth = scored.scores[scored.known[:, t], t], scored.truth[scored.known[:, t], t]
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.append(np.diff(ranked) != 0, True)
        hits, taken = np.cumsum(truth[order])[last], np.flatnonzero(last) + 1
        best = int(np.argmax(2 * hits / (taken + truth.sum())))  # 2 TP / (given + bearing)
        levels = np.append(ranked[last], 0.0)
        thresholds[t] = (levels[best] + levels[best + 1]) / 2
    return thresholds


@dataclass(frozen=True)
class GroupScores:
    """A group of tags on a split. F1 by the global threshold, and by each tag's own."""

    group: str
    tags: int  # scored: those on enough pictures
    too_few: int  # left out
    mean_ap: float
    macro_global: float
    micro_global: float
    macro_own: float
    micro_own: float


def score_group(
    scored: Scored, group: str, tags: Array, threshold: float, thresholds: Array, min_positives: int
) -> GroupScores:
    """`tags` (T,) bool: the tags of the group."""
    enough = tags & (scored.positives() >= min_positives)
    chosen = Scored(scored.numbers, scored.scores[:, enough], scored.truth[:, enough], scored.known[:, enough])
    if not enough.any():
        return GroupScores(group, 0, int(tags.sum()), *[float("nan")] * 5)
    found = []
    for at in (threshold, thresholds[enough]):
        counts = confusion(chosen, at)
        found += [float(f1(*counts).mean()), float(f1(*(c.sum() for c in counts)))]  # type: ignore[arg-type]
    mean_ap = float(average_precisions(chosen).mean())
    return GroupScores(group, int(enough.sum()), int((tags & ~enough).sum()), mean_ap, *found)


def groups(categories: tuple[str, ...], counts: Array, trained: Array) -> Iterator[tuple[str, Array]]:
    """(name, tags (T,) bool): all of them, each category, each bucket of frequency. Trained tags only."""
    yield "all", trained
    for category in dict.fromkeys(categories):
        chosen = trained & (np.array(categories) == category)
        if chosen.any():
            yield category, chosen
    for low, high in BUCKETS:
        chosen = trained & (counts >= low) & (counts < (high or np.inf))
        if chosen.any():
            yield f"{low:,} to {high - 1:,} pictures" if high else f"{low:,} pictures or more", chosen


def worst(scored: Scored, trained: Array, amount: int) -> list[tuple[int, int]]:
    """(row, tag) of the largest mistakes, one a picture, the worst first."""
    wrong = np.where(scored.truth, 1 - scored.scores, scored.scores) * (scored.known & trained)
    tag = wrong.argmax(axis=1)
    rows = np.argsort(-wrong.max(axis=1), kind="stable")[:amount]
    return [(int(row), int(tag[row])) for row in rows]
