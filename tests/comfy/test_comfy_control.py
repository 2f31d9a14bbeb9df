"""What a user does besides waiting: cancel, choose wrong values, replace a model's file."""

import uuid
from typing import Any

import numpy as np
import pytest
from comfy_client import Client, RefusedError, Run, Workflow
from comfy_samples import drawing, node, save, save_rrdb, upscale
from comfy_server import Server

pytestmark = pytest.mark.comfy


def workflow(client: Client, model_name: str, *, side: int = 40, tile: int = 64) -> Workflow:
    # ComfyUI keeps the results of equal nodes: a new prefix makes it save, and so answer, each time.
    return {
        "picture": node("LoadImage", image=client.upload(drawing(side, side))),
        "model": node("SengaLoadUpscaleModel", model_name=model_name),
        "upscale": upscale(["model", 0], ["picture", 0], tile=tile),
        "save": save(["upscale", 0], uuid.uuid4().hex),
    }


def pixels(client: Client, run: Run) -> np.ndarray[Any, np.dtype[np.uint8]]:
    (picture,) = client.pictures(run, "save")
    return np.asarray(picture)


def test_cancel_in_the_middle_stops_soon_and_leaves_the_server_usable(client: Client, server: Server) -> None:
    file = server.upscale_models / "cancelled.safetensors"
    save_rrdb(file, seed=1)
    client_id = uuid.uuid4().hex
    progress: list[tuple[int, int]] = []  # tiles done, tiles in all
    with client.events(client_id) as events:
        prompt_id = client.submit(workflow(client, file.name, side=480, tile=16), client_id)  # 900 tiles
        for event in events:
            if event["type"] == "progress" and event["data"]["node"] == "upscale":
                progress.append((event["data"]["value"], event["data"]["max"]))
                if len(progress) == 1:
                    client.post("/interrupt", {"prompt_id": prompt_id})
            elif event["type"] in ("execution_interrupted", "execution_success", "execution_error"):
                break
    cancelled = client.wait(prompt_id)
    assert progress, "no progress was shown"

    assert cancelled.messages["execution_interrupted"]["node_type"] == "SengaUpscale"
    assert "execution_success" not in cancelled.messages
    assert cancelled.outputs == {}
    (first, total), (last, _) = progress[0], progress[-1]
    assert first < total / 10  # it was far from done
    assert last - first < total / 4
    assert client.get("/queue")["queue_running"] == []
    assert pixels(client, client.run(workflow(client, file.name))).shape == (80, 80, 3)


@pytest.mark.parametrize(("name", "value"), [("tile", -5), ("scale", -1), ("width", -1), ("precision", "fp8")])
def test_value_out_of_range_is_refused_before_anything_runs(
    name: str, value: int | str, shipped_model: str, client: Client
) -> None:
    prompt = workflow(client, shipped_model)
    prompt["upscale"]["inputs"][name] = value
    with pytest.raises(RefusedError) as refused:
        client.submit(prompt)
    assert refused.value.status == 400
    faults = refused.value.body["node_errors"]["upscale"]["errors"]
    assert [fault["extra_info"]["input_name"] for fault in faults] == [name]


def test_tile_too_small_to_be_one_is_refused_in_a_sentence(shipped_model: str, client: Client) -> None:
    with pytest.raises(RefusedError) as refused:
        client.submit(workflow(client, shipped_model, tile=7))
    (fault,) = refused.value.body["node_errors"]["upscale"]["errors"]
    assert "\n" not in fault["details"]
    assert all(word in fault["details"] for word in ("tile", "7", "16"))


def test_broken_model_file_is_named_in_a_sentence(client: Client, server: Server) -> None:
    (server.upscale_models / "broken.safetensors").write_text("no weights in here")
    error = failure(client, workflow(client, "broken.safetensors"))
    assert error["node_type"] == "SengaLoadUpscaleModel"
    message = error["exception_message"].strip()
    assert "\n" not in message
    assert message.startswith("broken.safetensors: ")


def test_replaced_model_file_is_read_again_and_an_unchanged_one_is_not(client: Client, server: Server) -> None:
    file, other = (server.upscale_models / f"{name}.safetensors" for name in ("replaced", "other"))
    save_rrdb(file, seed=1)
    save_rrdb(other, seed=2)
    expected = pixels(client, client.run(workflow(client, other.name)))
    before = pixels(client, client.run(workflow(client, file.name)))
    unchanged = client.run(workflow(client, file.name))
    assert "model" in unchanged.cached
    assert np.array_equal(pixels(client, unchanged), before)

    save_rrdb(file, seed=2)
    after = client.run(workflow(client, file.name))
    assert "model" not in after.cached
    assert np.array_equal(pixels(client, after), expected)
    assert not np.array_equal(before, expected)


def failure(client: Client, workflow: Workflow) -> dict[str, Any]:
    """The error that a workflow ends with while it runs."""
    return client.wait(client.submit(workflow)).messages["execution_error"]
