"""From scores to tables: means, pictures won, the lead over the best peer, and their text and markdown."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .quality_contenders import Score
from .quality_metrics import METRICS


@dataclass(frozen=True)
class Table:
    title: str
    header: list[str]
    rows: list[list[str]]  # cells; one that begins with "*" is the best of its column

    def as_text(self) -> str:
        widths = [max(len(row[i]) for row in [self.header, *self.rows]) for i in range(len(self.header))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in [self.header, *self.rows]
        ]
        return "\n".join([self.title, *lines, ""])

    def as_markdown(self) -> str:
        marks = ["---", *["---:"] * (len(self.header) - 1)]
        rows = [[re.sub(r"^\*(\S+)", r"**\1**", cell) for cell in row] for row in self.rows]
        lines = ["| " + " | ".join(row) + " |" for row in [self.header, marks, *rows]]
        return "\n".join([f"**{self.title}**", "", *lines, ""])


Key = tuple[str, str]  # contender, condition


def by_key(scores: Sequence[Score], metric: str) -> dict[Key, dict[str, float]]:
    """(contender, condition) -> picture -> value, in the order in which they came."""
    found: dict[Key, dict[str, float]] = {}
    for score in scores:
        found.setdefault((score.name, score.condition), {})[score.picture] = score.values[metric]
    return found


def mean_of_groups(scores: Sequence[Score], metric: str) -> dict[Key, float]:
    """(contender, condition) -> the mean of its groups' means: every kind of picture counts alike."""
    cells: dict[Key, dict[str, list[float]]] = {}
    for score in scores:
        own = cells.setdefault((score.name, score.condition), {})
        own.setdefault(score.group, []).append(score.values[metric])
    return {key: mean([mean(values) for values in own.values()]) for key, own in cells.items()}


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def won(table: dict[Key, dict[str, float]], metric: str) -> dict[Key, int]:
    """On how many pictures a contender is the best of all under that condition. Each of several equals counts."""
    counts = dict.fromkeys(table, 0)
    for condition in dict.fromkeys(condition for _, condition in table):
        rivals = {key: values for key, values in table.items() if key[1] == condition}
        for picture in next(iter(rivals.values())):
            best = METRICS[metric].best(values[picture] for values in rivals.values())
            for key, values in rivals.items():
                counts[key] += values[picture] == best
    return counts


def means(scores: Sequence[Score], metric: str, title: str) -> Table:
    """Rows contenders, columns conditions: the mean of the domains' means, and how many pictures the contender won."""
    table, digits = by_key(scores, metric), METRICS[metric].digits
    average = mean_of_groups(scores, metric)
    counts = won(table, metric)
    names, conditions = (list(dict.fromkeys(part)) for part in zip(*table, strict=True))
    best = {condition: METRICS[metric].best(average[name, condition] for name in names) for condition in conditions}
    rows = []
    for name in names:
        row = [name]
        for condition in conditions:
            value = average[name, condition]
            star = "*" if value == best[condition] else ""
            row.append(f"{star}{value:.{digits}f} ({counts[name, condition]})")
        rows.append(row)
    return Table(f"{title}{METRICS[metric].title}", ["", *conditions], rows)


def groups(scores: Sequence[Score], metric: str, condition: str, title: str) -> Table:
    """Rows contenders, columns groups of pictures: the mean under one condition, and the mean of those means."""
    cells: dict[tuple[str, str], list[float]] = {}
    for score in scores:
        if score.condition == condition:
            cells.setdefault((score.name, score.group), []).append(score.values[metric])
    names = list(dict.fromkeys(name for name, _ in cells))
    kinds = sorted({group for _, group in cells})
    header = ["", *(f"{kind} ({len(cells[names[0], kind])})" for kind in kinds), "domains alike"]
    rows = []
    for name in names:
        values = [mean(cells[name, kind]) for kind in kinds]
        rows.append([name, *(f"{value:.{METRICS[metric].digits}f}" for value in [*values, mean(values)])])
    return Table(f"{title}{METRICS[metric].title}, {condition}, by domain (crops)", header, rows)


def leads(scores: Sequence[Score], metric: str, title: str) -> Table | None:
    """Each of ours against the peer or filter with the best mean under each condition, picture by picture.

    The lead is the mean of the differences (ours less theirs), with its standard error. None without ours or others.
    """
    table, best, digits = by_key(scores, metric), METRICS[metric].best, METRICS[metric].digits
    sides = {score.name: score.side for score in scores}
    own = [name for name, side in sides.items() if side == "ours"]
    others = [name for name, side in sides.items() if side != "ours"]
    if not own or not others:
        return None
    rows = []
    for name in own:
        for condition in dict.fromkeys(condition for _, condition in table):
            theirs_by_name = {other: mean(list(table[other, condition].values())) for other in others}
            rival = next(other for other, value in theirs_by_name.items() if value == best(theirs_by_name.values()))
            theirs, mine = table[rival, condition], table[name, condition]
            ahead = [mine[picture] - theirs[picture] for picture in mine]
            better = sum(mine[p] != theirs[p] and best((mine[p], theirs[p])) == mine[p] for p in mine)
            lead, error = f"{mean(ahead):+.{digits}f}", f"{standard_error(ahead):.{digits}f}"
            values = (f"{mean(list(mine.values())):.{digits}f}", f"{theirs_by_name[rival]:.{digits}f}")
            rows.append([name, condition, *values, rival, f"{lead} ± {error}", f"{better} of {len(ahead)}"])
    header = ["", "condition", "ours", "theirs", "best other", "ours less theirs", "pictures better"]
    return Table(f"{title}{METRICS[metric].title}, against the best other", header, rows)


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; 0 for a single value."""
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / max(1, len(values) - 1) / len(values))
