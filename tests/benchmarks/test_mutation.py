"""Mutants are told from the module that they replace by its tests, and the file stays as it is."""

import os
from pathlib import Path

import pytest
from senga.benchmarks import mutation  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants run in forked processes")

SOURCE = "def double(value):\n    return 2 * value\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (SOURCE, True),
        (SOURCE.replace("2 *", "3 *"), False),
        (SOURCE.replace("return", "return (("), False),
        (SOURCE.replace("return 2 * value", "while True: pass"), False),
    ],
    ids=["unchanged", "changed", "broken", "endless"],
)
def test_a_mutant_passes_only_where_its_tests_do(source: str, found: bool, tmp_path: Path) -> None:
    module = tmp_path / "doubling_of_mutants.py"
    module.write_text(SOURCE, encoding="utf-8")
    test = tmp_path / "test_doubling.py"
    lines = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom doubling_of_mutants import double\n"
    test.write_text(lines + "def test_it():\n    assert double(2) == 4\n", encoding="utf-8")
    assert mutation.passes(module, source, [str(test)], 60 if found else 10) == found
    assert module.read_text(encoding="utf-8") == SOURCE


def test_every_subject_and_its_tests_exist() -> None:
    for subject in mutation.SUBJECTS:
        assert all((mutation.ROOT / path).is_file() for path in (subject.module, *subject.tests))
    assert sum(subject.mutants for subject in mutation.SUBJECTS) == 200


def test_a_difference_is_the_lines_that_changed() -> None:
    assert mutation.difference("a\nb\nc", "a\nd\nc") == "@@ -2 +2 @@\n-b\n+d"
