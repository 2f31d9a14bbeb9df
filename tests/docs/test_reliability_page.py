"""docs/reliability.md names tests that exist, and SECURITY.md is found where people look for it."""

import ast
import re

import pytest
from repository import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda text: text.rpartition("/")[2])
def test_a_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_of_a_promise_names_its_test() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| fault"))
    ]
    rows = [row for row in rows if not row.startswith("| code")]
    assert len(rows) > 25
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::test_\w+`", row)] == []
    assert len(NAMED) > 30


def test_security_md_says_how_to_report_and_what_is_supported() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "/security/advisories/new" in text
    assert "Supported versions" in text
    for link in re.findall(r"\]\(((?!https)[^)#]+)", text):
        assert (ROOT / link).is_file(), link
