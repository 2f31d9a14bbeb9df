"""The header on the load nodes and out of SengaModelInfo, and the route of ComfyUI's server."""

import asyncio
import sys
import types

import pytest
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import SengaError, save_model
from senga.nodes import host
from senga.nodes.load_model import SengaLoadUpscaleModel
from senga.nodes.model_info import SengaModelInfo, describe


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "standalone", host.Standalone(model_dirs=[tmp_path]))
    save_model(tmp_path / "mine.safetensors", small_model("rrdb", scale=4))
    save_model(tmp_path / "tags.safetensors", small_tagger())
    return tmp_path


def test_the_defaults_come_first_and_are_marked():
    assert SengaLoadUpscaleModel.INPUT_TYPES()["required"]["model_name"][0][0] == host.DEFAULT_UPSCALER
    assert host.tagger_names()[0] == host.DEFAULT_TAGGER
    assert describe({"task": "upscale", "name": host.DEFAULT_UPSCALER})["default"] is True
    assert describe({"task": "tag", "name": host.DEFAULT_TAGGER})["default"] is True


def test_the_line_of_another_file_says_its_scale(models):
    found = describe({"task": "upscale", "name": "mine.safetensors"})
    assert found["default"] is False
    assert found["line"].startswith("x4, ")


def test_a_replaced_file_has_a_new_line(models):
    before = describe({"task": "upscale", "name": "mine.safetensors"})["line"]
    save_model(models / "mine.safetensors", small_model("compact", scale=3))
    after = describe({"task": "upscale", "name": "mine.safetensors"})["line"]
    assert before != after
    assert after.startswith("x3, ")


def test_a_damaged_file_has_the_reason_as_its_line(models):
    (models / "broken.safetensors").write_text("oops")
    assert "cut short" in describe({"task": "upscale", "name": "broken.safetensors"})["line"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"task": "upscale"},
        {"task": "tag", "name": "mine.safetensors"},
        {"task": "draw", "name": "mine.safetensors"},
        {"task": "upscale", "name": "../mine.safetensors"},
    ],
)
def test_names_that_are_not_in_the_list_are_not_opened(models, query):
    assert describe(query) == {}


def test_the_node_shows_and_gives_the_header(models):
    answer = SengaModelInfo().read("tags.safetensors")
    assert answer["ui"]["text"] == [answer["result"][0]]
    assert "file: tags.safetensors" in answer["result"][0].splitlines()
    assert "network: mobilenetv3" in answer["result"][0]
    names = SengaModelInfo.INPUT_TYPES()["required"]["model_name"][0]
    assert {"mine.safetensors", "tags.safetensors"} <= set(names)
    before = SengaModelInfo.IS_CHANGED("mine.safetensors")
    save_model(models / "mine.safetensors", small_model("compact"))
    assert SengaModelInfo.IS_CHANGED("mine.safetensors") != before
    with pytest.raises(SengaError, match=r"'gone\.safetensors' was not found"):
        SengaModelInfo().read("gone.safetensors")


def test_the_server_answers_with_the_same_line(monkeypatch):
    """The parts of ComfyUI's server that host.serve touches."""
    routes = {}
    table = types.SimpleNamespace(get=lambda path: lambda handler: routes.setdefault(path, handler))
    web = types.SimpleNamespace(json_response=lambda data: ("json", data))
    instance = types.SimpleNamespace(routes=table)
    module = types.SimpleNamespace(PromptServer=types.SimpleNamespace(instance=instance), web=web)
    monkeypatch.setitem(sys.modules, "server", module)
    assert host.serve("/senga/model", describe) is True
    query = {"task": "upscale", "name": host.DEFAULT_UPSCALER}

    async def ask():
        instance.loop = asyncio.get_running_loop()
        return await routes["/senga/model"](types.SimpleNamespace(query=query))

    assert asyncio.run(ask()) == ("json", describe(query))
    monkeypatch.delitem(sys.modules, "server")
    assert host.serve("/senga/other", describe) is False
