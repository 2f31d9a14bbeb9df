"""The editor posts, for each example workflow, the prompt that is in the repository."""

import json
from pathlib import Path
from typing import Any

import pytest
from comfy_editor import Editor
from repository import ROOT
from senga.benchmarks import templates  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.browser
FILES = sorted((ROOT / "example_workflows" / "api").glob("*.json"))


def posted(editor: Editor) -> dict[str, Any]:
    """The editor's prompt. Early front ends add what a Preview Any shows."""
    prompt = editor.prompt()
    for node in prompt.values():
        if node["class_type"] == "PreviewAny":
            node["inputs"].pop("preview", None)
    return prompt


@pytest.mark.parametrize("title", templates.TEMPLATES)
def test_a_template_is_posted_as_its_table_says(title: str, editor: Editor) -> None:
    editor.open_template(title)
    assert posted(editor) == templates.prompt(templates.TEMPLATES[title])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_the_api_format_is_what_the_editor_makes_of_it(path: Path, editor: Editor) -> None:
    """Opened in the editor and exported again: every input that the editor would write is in the file."""
    file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    editor.open_prompt(file, path.stem)
    assert posted(editor) == file
