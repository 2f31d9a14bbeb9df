"""The upscale node shows its progress, inside ComfyUI also the picture so far and the time left."""

import sys
from types import SimpleNamespace

import pytest
import torch
from comfy_stand_ins import Bars, Speaker
from sample_upscalers import Recorder, picture
from senga.arch.tiling import Tile
from senga.nodes import host
from senga.nodes.upscale import SengaUpscale
from senga.nodes.watching import EVERY, Watcher

ARGUMENTS = {"scale": 0.0, "width": 0, "height": 0, "tile": 16, "halo": 0, "precision": "fp32", "self_ensemble": False}


class Clock:
    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def tiles_of(watcher, count):
    for number in range(count):
        watcher.watch(Tile(0, number, 1, number + 1), torch.ones(1, 3, 2, 2), 1, count, None)
        watcher.progress(number + 1, count)


def test_a_picture_is_due_twice_a_second_and_at_the_end():
    shown, said = [], []
    tiles_of(Watcher(lambda *given: shown.append(given), said.append, Clock(EVERY / 8)), 20)
    assert [given[:2] for given in shown] == [(number + 1, 20) for number in range(20)]
    pictures = [given[2] for given in shown if len(given) == 3]
    assert 4 <= len(pictures) == len(said) <= 6
    assert said[-1].startswith("20 tiles in ")
    assert all(text.startswith("tile ") for text in said[:-1])
    kind, image, longest = pictures[-1]
    assert (kind, image.size, longest) == ("JPEG", (40, 2), 40)


@pytest.mark.parametrize(("count", "step"), [(1, 10 * EVERY), (20, EVERY / 1000)])
def test_what_is_over_at_once_shows_no_picture(count, step):
    shown, said = [], []
    tiles_of(Watcher(lambda *given: shown.append(given), said.append, Clock(step)), count)
    assert len(shown) == count
    assert {len(given) for given in shown} == {2}
    assert said == []


@pytest.fixture
def comfy(monkeypatch):
    """ComfyUI's progress bar and server, and the node that runs."""
    bars, server = Bars(), Speaker()
    monkeypatch.setattr(host, "comfy_utils", bars)
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    context = SimpleNamespace(node_id="7:3")
    running = SimpleNamespace(get_executing_context=lambda: context)
    monkeypatch.setitem(sys.modules, "comfy_execution.utils", running)
    monkeypatch.setattr("senga.nodes.watching.EVERY", 0.0)
    return SimpleNamespace(bars=bars, server=server, running=running)


def test_inside_comfyui_the_node_shows_its_tiles(comfy):
    SengaUpscale().upscale(Recorder(), picture(16, 48), **ARGUMENTS)
    assert [given[:2] for given in comfy.bars.given] == [(256, 768), (512, 768), (768, 768)]
    assert [given[2][1].size for given in comfy.bars.given] == [(96, 32)] * 3
    assert [text.split(",")[0] for text, _, _ in comfy.server.said[:2]] == ["tile 1 of 3", "tile 2 of 3"]
    assert comfy.server.said[2][0] == "3 tiles in 0 s"
    assert {(node, sid) for _, node, sid in comfy.server.said} == {("7:3", "browser")}


def test_a_server_without_progress_texts_still_shows_pictures(comfy, monkeypatch):
    monkeypatch.delattr(Speaker, "send_progress_text")
    SengaUpscale().upscale(Recorder(), picture(16, 48), **ARGUMENTS)
    assert len(comfy.bars.given) == 3


def test_nothing_is_said_where_nobody_looks_or_the_node_is_not_known(comfy, monkeypatch):
    comfy.server.client_id = None
    SengaUpscale().upscale(Recorder(), picture(16, 48), **ARGUMENTS)
    comfy.server.client_id = "browser"
    monkeypatch.setattr(comfy.running, "get_executing_context", lambda: None)
    SengaUpscale().upscale(Recorder(), picture(16, 48), **ARGUMENTS)
    assert comfy.server.said == []
