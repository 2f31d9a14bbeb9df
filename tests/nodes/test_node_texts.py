"""Every node, input and output has its texts in each language and a help page; nothing is left of older ones."""

import json
import re

import pytest
from node_texts import FOLDER, LANGUAGES, MARK, PAGES, english, head, page_of, read
from senga.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from senga.nodes.degrade_image import step_examples
from senga.training.degradation import KINDS, read_document

UPDATE = "run: python tests/support/node_texts.py"
KANA = re.compile(r"[\u3040-\u30ff]")
HAN = re.compile(r"[\u4e00-\u9fff]")
OTHERS = [language for language in LANGUAGES if language != "en"]


def texts(node):
    yield node["display_name"]
    yield node["description"]
    for group in ("inputs", "outputs"):
        for socket in node[group].values():
            yield socket["name"]
            yield socket["tooltip"]


def test_there_is_a_folder_for_each_language_and_no_other():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(LANGUAGES)


def test_the_english_texts_are_those_of_the_classes():
    assert read("en", "nodeDefs.json") == english(), UPDATE


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", NODE_CLASS_MAPPINGS)
def test_each_language_has_every_input_and_output_in_order_and_nothing_else(language, name):
    expected, found = english()[name], read(language, "nodeDefs.json")[name]
    assert list(found) == list(expected)
    for group in ("inputs", "outputs"):
        assert list(found[group]) == list(expected[group])
        for socket in found[group].values():
            assert list(socket) == ["name", "tooltip"]
    assert all(text.strip() for text in texts(found))
    assert "Senga" in found["display_name"]


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_of_a_node_that_is_gone_is_left(language):
    assert list(read(language, "nodeDefs.json")) == list(NODE_CLASS_MAPPINGS)


@pytest.mark.parametrize(("language", "script"), [("ja", KANA), ("zh", HAN)])
def test_each_tooltip_is_in_its_language(language, script):
    for name, node in read(language, "nodeDefs.json").items():
        for text in [node["description"], *(s["tooltip"] for g in ("inputs", "outputs") for s in node[g].values())]:
            assert script.search(text), f"{name}: {text}"
            if language == "zh":
                assert not KANA.search(text), f"{name}: {text}"


@pytest.mark.parametrize("language", OTHERS)
def test_choices_and_placeholders_stay_as_they_are_typed(language):
    """A tooltip that explains the values of a list names each as it is in the list."""
    own = read(language, "nodeDefs.json")
    for name, node in NODE_CLASS_MAPPINGS.items():
        types = node.INPUT_TYPES()
        for key, (kind, options) in {**types["required"], **types.get("optional", {})}.items():
            translated = own[name]["inputs"][key]["tooltip"]
            if isinstance(kind, list) and key not in ("model_name", "preset", "step"):
                assert [v for v in kind if v in options["tooltip"]] == [v for v in kind if v in translated], (name, key)
            assert set(re.findall(r"%\w+%", options["tooltip"])) == set(re.findall(r"%\w+%", translated)), (name, key)


def test_the_words_of_the_front_end_are_in_every_language():
    english_words = read("en", "main.json")["senga"]
    assert english_words
    for language in OTHERS:
        assert read(language, "main.json").keys() == {"senga"}
        own = read(language, "main.json")["senga"]
        assert own.keys() == english_words.keys()
        assert all(own[key] != english_words[key] for key in own)
    code = "".join(path.read_text(encoding="utf-8") for path in PAGES.parent.glob("*.js"))
    assert all(key in code for key in english_words)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NODE_CLASS_MAPPINGS)
def test_the_help_page_has_the_current_texts(name, language):
    page = page_of(name, language).read_text(encoding="utf-8")
    assert page.startswith(head(name, language, read(language, "nodeDefs.json")[name])), UPDATE
    if language == "en":
        assert len(page.partition(MARK)[2]) > 100, "say when to use the node"


def test_no_help_page_of_a_node_that_is_gone_is_left():
    expected = {page_of(name, language) for name in NODE_CLASS_MAPPINGS for language in LANGUAGES}
    assert {path for path in PAGES.rglob("*") if path.is_file()} == expected


def test_the_page_of_recipe_steps_has_an_example_of_each_that_runs():
    page = page_of("SengaRecipeStep", "en").read_text(encoding="utf-8")
    examples = dict(re.findall(r"^- `(\w+)`: `(\{.*\})`$", page, re.MULTILINE))
    assert examples == step_examples()
    assert list(examples) == list(KINDS)
    for step, text in examples.items():
        read_document(json.dumps({"steps": [{"step": step, **json.loads(text)}]}))
        for parameter in KINDS[step].parameters:
            assert f"  - `{parameter}`: " in page


@pytest.mark.parametrize(
    ("word", "node"),
    [
        ("waifu2x", "SengaUpscale"),
        ("esrgan", "SengaUpscale"),
        ("danbooru", "SengaTagImage"),
        ("caption", "SengaSaveTags"),
        ("jpeg", "SengaDegradeImage"),
    ],
)
def test_a_search_for_a_known_word_finds_the_node_by_its_name(word, node):
    """Older servers do not send SEARCH_ALIASES."""
    assert word in NODE_DISPLAY_NAME_MAPPINGS[node].lower()
