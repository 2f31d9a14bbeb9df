"""Workflows, recipes, captions and options of any text at all: a result or one of our sentences, never another error.

The examples are the same in every run (`derandomize`: the seed is made of the test), so that a failure can be repeated;
what once was a fault is kept as an `example`.
"""

import ast
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from repository import ROOT
from senga.arch import SengaError
from senga.arch.files.reading import open_text, read_text
from senga.headless.errors import UsageError
from senga.headless.workflow import widgets
from senga.headless.workflow.budget import check_memory
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.graph import NodeClasses
from senga.headless.workflow.node_classes import TITLES, all_nodes
from senga.headless.workflow.overrides import apply_overrides
from senga.headless.workflow.read import read_workflow
from senga.headless.workflow.validate import validate
from senga.training.degradation import Recipe, preset, preset_names, read_document
from senga.training.degradation.steps import KINDS
from senga.training.tagger.sources import parse_caption

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

kept = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([0, 1, -1, 10**400, 1e308, "nan", "", "1", "\ud800", "a\x00b", "x" * 300, "%width%", "../x"]),
)


def documents(names: list[str]) -> st.SearchStrategy[Any]:
    """JSON whose keys and texts are often those that a parser looks for."""
    keys = st.one_of(st.sampled_from(names), st.text(max_size=4))
    leaves = st.one_of(LEAVES, st.sampled_from(names))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
        max_leaves=12,
    )


Result = TypeVar("Result")


def tried(call: Callable[[], Result]) -> tuple[Result | None, str]:
    """A result, or one of our sentences; any other error is the test's."""
    try:
        return call(), ""
    except SengaError as error:
        fault = str(error)
    assert fault.strip()
    return None, fault


def as_text(data: Any) -> str:
    return json.dumps(data)  # NaN and Infinity as other programs write them


# --- recipes ---

RECIPE_WORDS = [
    "format",
    "name",
    "source",
    "scale",
    "steps",
    "step",
    "probability",
    "among",
    "weight",
    "frames",
    "choose",
    "shuffle",
    "of",
    "seed",
    "version",
]
RECIPE_WORDS += [*KINDS, *sorted({name for kind in KINDS.values() for name in kind.parameters})]


STEP = st.fixed_dictionaries({"step": st.sampled_from([*KINDS])}, optional={"probability": LEAVES})


def read_recipe(text: str) -> None:
    found, _ = tried(lambda: read_document(text))
    if found is None:
        return
    again = read_document(found.to_json())
    assert again == found
    if isinstance(found, Recipe):
        with contextlib.suppress(SengaError):
            found.with_scale(2.0).weakened(0.5)


@kept
@given(st.text())
@example("\ufeff{}")
@example("NaN")
@example('{"steps": [], "steps": 5}')
def test_any_text_as_a_recipe(text: str) -> None:
    read_recipe(text)


@kept
@given(documents(RECIPE_WORDS))
@example({"steps": [{"step": ["blur"]}]})
@example({"format": 10**400, "steps": []})
@example({"steps": [{"step": "blur", "probability": float("nan")}]})
def test_any_json_as_a_recipe(data: Any) -> None:
    read_recipe(as_text(data))


@kept
@given(
    st.lists(st.fixed_dictionaries({"step": st.sampled_from([*KINDS])}, optional={"probability": LEAVES}), max_size=3)
)
def test_any_steps_as_a_recipe(steps: list[Any]) -> None:
    read_recipe(as_text({"steps": steps}))


@kept
@given(st.sampled_from(preset_names()), documents(RECIPE_WORDS), st.data())
def test_a_preset_with_anything_in_one_place(name: str, value: Any, data: st.DataObject) -> None:
    recipe = json.loads(preset(name).to_json())
    there = data.draw(st.sampled_from([recipe, *recipe["steps"]]))
    there[data.draw(st.sampled_from([*there]))] = value
    read_recipe(as_text(recipe))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"steps":' * 50_000, '{"steps": 1' + "0" * 5000 + "}"])
def test_deep_and_long_recipes(text: str) -> None:
    with pytest.raises(SengaError):
        read_document(text)


# --- workflows ---


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> NodeClasses:
    folder = tmp_path_factory.mktemp("folders")
    return all_nodes(Folders(folder / "input", folder / "output", folder / "temp"))


WORKFLOW_WORDS = [
    "class_type",
    "inputs",
    "nodes",
    "links",
    "widgets_values",
    "type",
    "id",
    "outputs",
    "mode",
    "prompt",
    "1",
    "2",
    "image",
    "images",
    "link",
    "name",
]
WORKFLOW_WORDS += [
    "filename_prefix",
    "SaveImage",
    "LoadImage",
    "ImageScale",
    "Reroute",
    "extra_data",
    "extra_pnginfo",
    "_meta",
    "title",
]
WORKFLOW_WORDS += ["definitions", "subgraphs", "__value__"]
LINK = st.tuples(st.sampled_from(["1", "2", "3", "4"]), st.sampled_from([0, 1, -1, True, 0.5, 10**30])).map(list)


def read_and_check(path: Path, text: str, nodes: NodeClasses) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

    def check() -> bool:
        checked = validate(read_workflow(path, nodes, TITLES), nodes)
        check_memory(checked, nodes, 10**9, source="w")
        return True

    _, fault = tried(check)
    assert len(fault) < 10_000


@kept
@given(text=st.text())
@example(text="\x00")
@example(text="\ufeff{}")
@example(text='{"1": {"class_type": "PreviewAny", "inputs": {"source": NaN}}}')
def test_any_text_as_a_workflow(text: str, nodes: NodeClasses, tmp_path: Path) -> None:
    read_and_check(tmp_path / "w.json", text, nodes)


@kept
@given(data=documents(WORKFLOW_WORDS))
@example(data={"1": {"class_type": ["a"], "inputs": {}}})
@example(data={"1": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}})
@example(data={"prompt": {"class_type": "x"}, "nodes": None})
def test_any_json_as_a_workflow(data: Any, nodes: NodeClasses, tmp_path: Path) -> None:
    read_and_check(tmp_path / "w.json", as_text(data), nodes)


@kept
@given(data=st.data())
def test_any_values_and_links_of_nodes_that_exist(data: st.DataObject, nodes: NodeClasses, tmp_path: Path) -> None:
    prompt: dict[str, Any] = {}
    for node_id in ("1", "2", "3", "4"):
        kind = data.draw(st.sampled_from(sorted(nodes)))
        declared = nodes[kind].INPUT_TYPES()  # type: ignore[attr-defined]
        names = [name for group in ("required", "optional") for name in declared.get(group, {})]
        inputs = {name: data.draw(st.one_of(LINK, LEAVES, st.just("p"))) for name in names}
        prompt[node_id] = {"class_type": kind, "inputs": inputs}
    read_and_check(tmp_path / "w.json", as_text(prompt), nodes)


@kept
@given(data=documents(WORKFLOW_WORDS), links=documents(WORKFLOW_WORDS))
def test_any_json_as_a_workflow_of_the_editor(data: Any, links: Any, nodes: NodeClasses, tmp_path: Path) -> None:
    node = {"id": 1, "type": "SaveImage", "inputs": data, "outputs": [], "widgets_values": data, "mode": 0}
    for found in ([data], [node], [node, data]):
        read_and_check(tmp_path / "w.json", as_text({"nodes": found, "links": links, "definitions": data}), nodes)


@kept
@given(text=st.one_of(st.text(), st.text().map("3.width={}".format), st.text().map("3.filename_prefix={}".format)))
@example(text="3.width=NaN")
@example(text="3.width=1" + "0" * 5000)
@example(text="=.=")
def test_any_text_as_an_override(text: str, nodes: NodeClasses) -> None:
    prompt = {"3": {"class_type": "ImageScale", "inputs": {"width": 1}}}
    with contextlib.suppress(UsageError):
        apply_overrides(prompt, [text], nodes)


def test_a_deep_override(nodes: NodeClasses) -> None:
    prompt = {"3": {"class_type": "ImageScale", "inputs": {"width": 1}}}
    changed = apply_overrides(prompt, ["3.width=" + "[" * 100_000], nodes)
    assert changed["3"]["inputs"]["width"] == "[" * 100_000  # text, which the check of values refuses


def by_the_rules(text: str) -> str:
    """Comments and choices of a text as the editor's own patterns have them, always the first choice."""
    text = re.sub(r"/\*[\s\S]*?\*/|//.*", "", text)
    while (found := re.search(r"(?<!\\)\{([^{}]*)(?<!\\)\}", text)) is not None:
        text = text[: found.start()] + found[1].split("|")[0] + text[found.end() :]
    return re.sub(r"\\([{}])", r"\1", text)


@settings(kept, max_examples=400)
@given(text=st.text(st.sampled_from("{}|\\/*a\n"), max_size=16))
def test_comments_and_choices_follow_the_editor_s_rules(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets.random, "randrange", lambda count: 0)
    assert widgets.without_comments(text) == by_the_rules(text)


# --- captions and other texts ---


@kept
@given(st.text())
@example("\ufeff1girl, 1girl")
@example("a\x00b,,, ,\u2028")
@example("rating:, rating:general")
def test_any_text_as_a_caption(text: str) -> None:
    caption = parse_caption(text)
    names = [*caption.mixed, *caption.characters, *([caption.rating] if caption.rating else [])]
    assert all(name and "," not in name and "\n" not in name and name == name.strip() for name in names)
    assert len(set(caption.mixed)) == len(caption.mixed)
    assert parse_caption(", ".join(caption.mixed)).mixed == caption.mixed


@kept
@given(content=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-16")), st.text().map(str.encode)))
@example(content=b"\xff\xfe")
@example(content=b"\xff\xfea")
@example(content=b"\xef\xbb\xbf\x00")
def test_any_bytes_as_a_text(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    text, fault = tried(lambda: read_text(path))
    if text is None:
        assert fault.startswith(f"{path}: byte ")
        return
    assert "\r" not in text
    with open_text(path) as file:
        assert file.read().replace("\r\n", "\n").replace("\r", "\n") == text


def test_every_property_is_tried_with_examples_that_stay_the_same() -> None:
    """Every function with @given has settings of its file that are derandomized."""
    found = 0
    for path in ROOT.joinpath("tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        fixed = {
            ast.unparse(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and re.match(r"settings\(.*derandomize=True", ast.unparse(node.value))
            for target in node.targets
        }
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            names = [ast.unparse(decorator) for decorator in function.decorator_list]
            if any(name.startswith("given(") for name in names):
                found += 1
                assert any(
                    name in fixed or name.startswith(tuple(f"settings({one}, " for one in fixed)) for name in names
                ), function.name
    assert found > 15
