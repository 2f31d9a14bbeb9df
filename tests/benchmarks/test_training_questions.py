"""The table of the open questions: equal times, one difference a row, and the place in the docs."""

import pytest
from sample_picture_sets import make_set
from senga.benchmarks import docs_tables, training_questions  # pyright: ignore[reportMissingImports]
from senga.benchmarks.training_questions import VARIANTS, Variant, measure, settings_of  # pyright: ignore[reportMissingImports]
from senga.training.run.settings import to_dict


def flat(settings) -> dict:
    return {f"{s}.{k}": v for s, part in to_dict(settings).items() if isinstance(part, dict) for k, v in part.items()}


def test_each_variant_differs_from_the_first_in_what_it_asks():
    first, *others = [flat(settings_of(variant, 0, "data", "runs", 100)) for variant in VARIANTS]
    changed = [{name for name in first if variant[name] != first[name]} for variant in others]
    assert changed == [
        {"loss.weights"},
        {"model.hyperparameters"},
        {"model.hyperparameters"},
        {"model.hyperparameters"},
        {"data.patch", "data.batch"},
        {"data.hard_crops"},
    ]
    pixels = [variant["data.patch"] ** 2 * variant["data.batch"] for variant in [first, *others]]
    assert len(set(pixels)) == 1  # a step costs the same


def test_a_variants_steps_are_those_that_fit_into_its_time(tmp_path, monkeypatch):
    cost = {2: 0.75, 1: 3.0}  # by the batch
    monkeypatch.setattr(training_questions, "seconds_each", lambda many: [cost[one.data.batch] for one in many])
    monkeypatch.setattr("senga.training.sr.validation.scores.ssimulacra2", lambda image, reference: [50.0] * len(image))
    data = make_set(tmp_path)
    small = {"widths": [16, 16]}
    variants = [Variant("(first)", "a", small, patch=16, batch=2), Variant("batch", "b", small, patch=16, batch=1)]
    rows = measure(variants, str(data), str(tmp_path / "runs"), minutes=0.05)
    assert [row[2] for row in rows] == ["4", "1"]
    assert rows[0][4] == ""
    assert float(rows[1][4]) == pytest.approx(float(rows[1][3]) - float(rows[0][3]), abs=0.011)


def test_the_table_takes_its_place_in_the_page(tmp_path, monkeypatch):
    rows = [["loss", "L1", "4", "30.00", "", "0.9", "50.0"]]
    begin, end = docs_tables.markers(training_questions.PROGRAM)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin}-->\nold\n{end}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(training_questions, "TRAINING", page)
    monkeypatch.setattr(training_questions, "measure", lambda *_: rows)
    assert training_questions.main(["--data", "my art", "--minutes", "2", "--write-docs"]) == 0
    made = page.read_text(encoding="utf-8")
    assert "<!-- made by python -m benchmarks.training_questions --data 'my art' --minutes 2 -->" in made
    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert "| loss | L1 | 4 | 30.00 |" in made
    assert "old" not in made
