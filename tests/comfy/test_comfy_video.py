"""The docs' example for videos, on a genuine ComfyUI: core's nodes read and write, Senga's enlarges the frames."""

import json
import re

import pytest
from comfy_client import Client
from comfy_samples import save_rrdb
from comfy_server import REPOSITORY, Server
from sample_videos import Film, draw, look

pytestmark = pytest.mark.comfy
FRAMES, RATE = 5, 25


def example() -> dict[str, dict[str, object]]:
    page = (REPOSITORY / "docs" / "comfyui.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    return json.loads(block)


def test_a_video_goes_through_core_s_nodes_and_keeps_its_frames_and_sound(server: Server, client: Client) -> None:
    prompt = example()
    (load,) = [one["inputs"] for one in prompt.values() if one["class_type"] == "LoadVideo"]
    assert isinstance(load, dict)
    draw(Film(server.input / str(load["file"]), times=range(0, FRAMES * 512, 512), sound="aac"))
    save_rrdb(server.upscale_models / "video.safetensors", seed=1)
    for one in prompt.values():
        if one["class_type"] == "SengaLoadUpscaleModel":
            one["inputs"] = {"model_name": "video.safetensors"}  # a network that takes no time
    done = client.run(prompt)
    (end,) = [number for number, one in prompt.items() if one["class_type"] == "SaveVideo"]
    (file,) = done.outputs[end]["images"]
    found = look(server.base / "output" / file["subfolder"] / file["filename"])
    assert found.size == (96, 64)
    assert found.seconds == pytest.approx([number / RATE for number in range(FRAMES)], abs=0.001)
    assert "aac" in found.codecs
