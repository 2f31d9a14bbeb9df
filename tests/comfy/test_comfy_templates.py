"""Every template runs on a genuine ComfyUI as it is, with the one picture that a fresh input folder has."""

import io
import urllib.parse

import pytest
from comfy_client import Client, RefusedError
from comfy_samples import drawing, node
from comfy_server import Server
from PIL import Image
from senga.benchmarks import templates  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.comfy


@pytest.fixture(autouse=True)
def example(server: Server) -> None:
    """ComfyUI's own example.png is in its tree; the server's input folder is another one. A small one is quicker."""
    drawing(64, 48, alpha=True).save(server.input / templates.PICTURE)


@pytest.mark.parametrize("title", templates.TEMPLATES)
def test_a_template_runs_and_its_thumbnail_is_served(title: str, client: Client) -> None:
    done = client.run(templates.prompt(templates.TEMPLATES[title]))
    saved = [file for output in done.outputs.values() for file in output.get("images", [])]
    assert any(file["type"] == "output" for file in saved)
    (name,) = [name for name, titles in client.get("/workflow_templates").items() if title in titles]
    data = client._answer(f"/api/workflow_templates/{name}/{urllib.parse.quote(title)}.jpg")
    with Image.open(io.BytesIO(data)) as thumbnail:
        assert thumbnail.format == "JPEG"


def test_the_tagged_picture_and_its_caption_agree_on_the_ground(client: Client) -> None:
    title = "Turn a picture into a prompt"
    done = client.run(templates.prompt(templates.TEMPLATES[title]))
    (picture,) = client.pictures(done, "5")
    assert picture.mode == "RGB"


def test_the_comparison_gives_the_slider_two_pictures(client: Client) -> None:
    done = client.run(templates.prompt(templates.TEMPLATES["Damage, upscale, then compare it"]))
    shown = done.outputs["5"]
    assert shown["text"][0].startswith("PSNR ")
    for file in shown["senga_compared"]:
        data = client._answer(f"/view?{urllib.parse.urlencode(file)}")
        assert Image.open(io.BytesIO(data)).size == (64, 48)
    assert len(shown["senga_compared"]) == 2


def test_a_folder_goes_through_with_its_names(server: Server, client: Client) -> None:
    folder = server.input / "set"
    folder.mkdir(exist_ok=True)
    for name, size in (("one", (8, 6)), ("two", (7, 9))):
        drawing(*size).save(folder / f"{name}.png")
    prompt = {
        "1": node("SengaLoadImages", folder="set", limit=0, start=0),
        "2": node("SengaSaveTags", images=["1", 0], tags="a", filename_prefix="named/x", mask=["1", 1], names=["1", 2]),
        "3": node("SaveImage", images=["1", 0], filename_prefix=["1", 2]),
    }
    done = client.run(prompt)
    assert [file["filename"] for file in done.outputs["2"]["images"]] == ["one.png", "two.png"]
    assert [file["filename"] for file in done.outputs["3"]["images"]] == ["one_00001_.png", "two_00001_.png"]


@pytest.mark.parametrize("folder", ["..", "/", "set/../.."])
def test_a_folder_outside_the_input_folder_is_refused(folder: str, client: Client) -> None:
    prompt = {
        "1": node("SengaLoadImages", folder=folder, limit=0, start=0),
        "2": node("PreviewImage", images=["1", 0]),
    }
    with pytest.raises(RefusedError) as refused:
        client.submit(prompt)
    assert "leads out of the input folder" in str(refused.value.body)
