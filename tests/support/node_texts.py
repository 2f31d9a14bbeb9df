"""The texts of the nodes as ComfyUI's front end looks them up, and the files that hold them.

    python tests/support/node_texts.py

writes what follows from the classes and from locales/*/nodeDefs.json: locales/en/nodeDefs.json and the tables of the
help pages in web/docs. What is below the mark of an English page is written by hand and stays.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "locales"
PAGES = ROOT / "web" / "docs"
LANGUAGES = ("en", "ja", "zh")
MARK = "<!-- by hand from here on -->\n"
HEADINGS = {"en": ("Inputs", "Outputs", "Steps"), "ja": ("入力", "出力", "手順"), "zh": ("输入", "输出", "步骤")}


def read(language: str, name: str) -> dict[str, Any]:
    return json.loads((FOLDER / language / name).read_text(encoding="utf-8"))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def english() -> dict[str, Any]:
    """What locales/en/nodeDefs.json has to be: the texts of the classes themselves."""
    from senga.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    found: dict[str, Any] = {}
    for name, node in NODE_CLASS_MAPPINGS.items():
        types = node.INPUT_TYPES()
        sockets = {**types["required"], **types.get("optional", {})}
        outputs = zip(node.RETURN_NAMES, node.OUTPUT_TOOLTIPS, strict=True)
        found[name] = {
            "display_name": NODE_DISPLAY_NAME_MAPPINGS[name],
            "description": node.DESCRIPTION,
            "inputs": {key: {"name": key, "tooltip": options["tooltip"]} for key, (_, options) in sockets.items()},
            "outputs": {str(i): {"name": key, "tooltip": tip} for i, (key, tip) in enumerate(outputs)},
        }
    return found


def page_of(name: str, language: str) -> Path:
    """Where the front end looks for a help page: a language's own first, then the English one."""
    return PAGES / f"{name}.md" if language == "en" else PAGES / name / f"{language}.md"


def head(name: str, language: str, texts: Mapping[str, Any]) -> str:
    """The part of a help page that follows from the texts of its node."""
    inputs, outputs, steps = HEADINGS[language]
    ids = english()[name]
    parts = [f"# {texts['display_name']}", texts["description"]]
    rows = [
        (f"`{key}`" if one["name"] == key else f"`{key}` {one['name']}", one) for key, one in texts["inputs"].items()
    ]
    parts += [f"## {inputs}", _table(rows)]
    if texts["outputs"]:
        known = [ids["outputs"][key]["name"] for key in texts["outputs"]]
        pairs = zip(known, texts["outputs"].values(), strict=True)
        rows = [(f"`{key}`" if one["name"] == key else f"`{key}` {one['name']}", one) for key, one in pairs]
        parts += [f"## {outputs}", _table(rows)]
    if name == "SengaRecipeStep":
        parts += [f"## {steps}", recipe_steps()]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[tuple[str, Mapping[str, str]]]) -> str:
    lines = [f"| {label} | {one['tooltip'].replace('|', chr(92) + '|')} |" for label, one in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def recipe_steps() -> str:
    """Each kind of step with an example that can be pasted, and its parameters with range and default."""
    from senga.nodes.degrade_image import step_examples, towards_zero
    from senga.training.degradation.params import Name, Number
    from senga.training.degradation.steps import KINDS

    lines: list[str] = []
    examples = step_examples()
    for name, kind in KINDS.items():
        lines.append(f"- `{name}`: `{examples[name]}`")
        for key, one in kind.parameters.items():
            if isinstance(one, Number):
                what = f"{towards_zero(one.low)} to {towards_zero(one.high)}{', odd' if one.odd else ''}"
            else:
                what = ", ".join(one.names) if isinstance(one, Name) else "a list, one entry for each further pass"
            lines.append(f"  - `{key}`: {what}")
    return "\n".join(lines)


def update() -> None:
    write(FOLDER / "en" / "nodeDefs.json", json.dumps(english(), ensure_ascii=False, indent=2) + "\n")
    for language in LANGUAGES:
        for name, texts in read(language, "nodeDefs.json").items():
            path = page_of(name, language)
            own = path.read_text(encoding="utf-8").partition(MARK)[2] if path.is_file() else ""
            write(path, head(name, language, texts) + (f"\n{MARK}{own}" if language == "en" else ""))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import load_root

    load_root()
    update()
