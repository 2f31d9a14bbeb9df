"""The page that a tagger's training ends with: how good it is, on what, tag by tag, and where it is most wrong."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...arch import Header
from ..run import report
from ..run.report import Plot
from ..run.sheet import draw_grid
from .batches import TagPictures
from .index import TagIndex
from .metrics import Array, GroupScores, Scored, average_precisions, confusion, f1, groups, score_group, worst

SHEET, COLUMNS, SIDE = 20, 5, 256  # mistakes shown, in how many columns, pixels of the longer side
PLOTS = (
    Plot("loss", ("loss",)),
    Plot("mean average precision", ("map_*",)),
    Plot("learning rate", ("learning_rate",)),
    Plot("pictures a second", ("images_per_second",)),
    Plot("waiting for data, share of the time", ("waiting",)),
)
NAMES = {
    "val": "validation (the thresholds are fitted on it)",
    "test": "test (held-out pictures)",
    "unseen": "unseen (drawing styles that were never trained on)",
}


@dataclass(frozen=True)
class Findings:
    """What the report shows: the splits with the net's scores, and the thresholds fitted on `val`."""

    splits: dict[str, Scored]
    threshold: float
    thresholds: Array  # (T,)
    trained: Array  # (T,) bool: tags that were trained
    min_positives: int

    def group_scores(self, index: TagIndex, split: str) -> list[GroupScores]:
        """Every group of tags and, where there are several, every drawing style of a split."""
        scored, counts = self.splits[split], index.counts()[0]
        fixed = self.threshold, self.thresholds, self.min_positives
        rows = [
            score_group(scored, name, tags, *fixed) for name, tags in groups(index.categories, counts, self.trained)
        ]
        styles = index.styles[scored.numbers]
        for style in sorted(set(styles) - {""}):
            rows.append(score_group(scored.only(styles == style), f"style {style}", self.trained, *fixed))
        return rows

    def metrics(self, index: TagIndex) -> dict[str, float]:
        """The metrics of the weights' header: means over all tags of each split, and of how many tags and pictures."""
        found: dict[str, float] = {}
        for split in self.splits:
            row = self.group_scores(index, split)[0]
            values = {
                "map": row.mean_ap,
                "macro_f1": row.macro_own,
                "micro_f1": row.micro_own,
                "macro_f1_one_threshold": row.macro_global,
                "micro_f1_one_threshold": row.micro_global,
            }
            found |= {f"{name}_{split}": round(value, 4) for name, value in values.items() if math.isfinite(value)}
            if row.tags:
                found |= {f"tags_{split}": row.tags, f"pictures_{split}": len(self.splits[split].numbers)}
        return found


def facts(header: Header) -> dict[str, str]:
    """What the header records of the run."""
    provenance = header.provenance
    assert header.vocabulary is not None
    assert header.preprocessing is not None
    return {
        "network": f"{header.architecture}, {len(header.vocabulary):,} tags, {header.preprocessing.size} px",
        "command": f"`{provenance.command}`",
        "commit": provenance.commit or "unknown",
        "pictures": f"sha256 {provenance.data_sha256}; {provenance.notes}",
        "licences": ", ".join(provenance.licences) or "not recorded",
        "not trained": ", ".join(header.vocabulary.untrained) or "nothing",
    }


def write_report(folder: Path, header: Header, findings: Findings, pictures: TagPictures) -> Path:
    """Write report.md, curves.png, tags.csv and worst.png; returns the page's path.

    `folder` is a run's, with its settings, curve and weights.
    """
    index = pictures.index
    write_tags(folder / "tags.csv", findings, index)
    shown = "test" if "test" in findings.splits else "val"
    draw_worst(folder / "worst.png", findings.splits[shown], findings.trained, pictures)
    page = report.write_report(
        folder,
        {},
        facts=facts(header),
        command=header.provenance.command,
        exports=False,
        use="senga tag PICTURE --model",
        plots=PLOTS,
    )
    names = np.array(index.names)
    parts = [page.read_text(encoding="utf-8")]
    for split, scored in findings.splits.items():
        parts += [f"## {NAMES[split]}: {len(scored.numbers):,} pictures", table(findings.group_scores(index, split))]
    scarce = {s: findings.trained & (v.positives() < findings.min_positives) for s, v in findings.splits.items()}
    lines = [f"- {split} ({mask.sum()}): {', '.join(names[mask]) or 'none'}" for split, mask in scarce.items()]
    parts += [
        "mAP is the mean of the tags' average precision. F1 is given twice: with one threshold for all tags"
        f" ({findings.threshold:.2f}, the best micro F1 on validation) and with each tag's own, fitted on validation."
        f" Tags on fewer than {findings.min_positives} pictures of a split are left out of its means. Every tag's"
        f" figures are in [tags.csv](tags.csv). worst.png shows the largest mistakes ({shown}).",
        "## Tags on too few pictures to be scored",
        "\n".join([*lines, *not_trained(index, findings.trained)]),
    ]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def not_trained(index: TagIndex, trained: Array) -> list[str]:
    names = [name for name, used in zip(index.names, trained, strict=True) if not used]
    return [f"- not trained, since no training picture has a label for them: {', '.join(names)}"] if names else []


def table(rows: list[GroupScores]) -> str:
    scores = "mAP", "macro F1", "micro F1", "macro F1, one threshold", "micro F1, one threshold"
    head = ["tags", "scored", "too few", *scores]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        values = row.mean_ap, row.macro_own, row.micro_own, row.macro_global, row.micro_global
        cells = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
        lines.append([row.group, str(row.tags), str(row.too_few), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_tags(path: Path, findings: Findings, index: TagIndex) -> None:
    """One line a tag: counts, threshold, and on each split the positives, average precision and F1."""
    counts = index.counts()[0]
    columns: dict[str, list[object]] = {
        "tag": list(index.names),
        "category": list(index.categories),
        "train": counts.tolist(),
        "threshold": [f"{value:.4f}" for value in findings.thresholds],
    }
    for split, scored in findings.splits.items():
        own = f1(*confusion(scored, findings.thresholds))
        columns[split] = scored.positives().tolist()
        columns[f"{split}_ap"] = ["" if math.isnan(v) else f"{v:.4f}" for v in average_precisions(scored)]
        columns[f"{split}_f1"] = [f"{v:.4f}" for v in own]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def draw_worst(path: Path, scored: Scored, trained: Array, pictures: TagPictures) -> None:
    """A sheet of the pictures with the entries that the net got most wrong."""
    tiles = []
    for row, tag in worst(scored, trained, SHEET):
        image = pictures.stored(int(scored.numbers[row]))
        factor = SIDE / max(image.size)
        image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
        verdict = "missed" if scored.truth[row, tag] else "wrong"
        caption = f"{verdict} {scored.scores[row, tag]:.2f}: {pictures.index.names[tag]}"
        tiles.append((caption, np.asarray(image)))
    Image.fromarray(draw_grid(tiles, COLUMNS)).save(path)
