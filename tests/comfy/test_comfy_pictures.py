"""The pictures that a real ComfyUI makes with our nodes are those of the headless runner and of other programs."""

import json
from pathlib import Path

import numpy as np
import pytest
from comfy_client import Client, Workflow
from comfy_samples import assert_same_picture, drawing, node, save, save_rrdb, upscale
from comfy_server import REPOSITORY, Server
from PIL import Image
from senga.headless.cli import main

pytestmark = pytest.mark.comfy

API = sorted((REPOSITORY / "example_workflows" / "api").glob("*.json"))
EXAMPLES = [file for file in API if '"SaveImage"' in file.read_text(encoding="utf-8")]  # the tagger's has its own test
assert EXAMPLES


def run_headless(workflow: Workflow, server: Server, folder: Path) -> dict[str, Image.Image]:
    """The pictures of `senga run`, by the prefix of their names."""
    file, output = folder / "workflow.json", folder / "output"
    file.write_text(json.dumps(workflow), encoding="utf-8")
    options = {"--input-dir": server.input, "--output-dir": output, "--models-dir": server.upscale_models}
    assert main(["run", str(file), *(str(item) for option in options.items() for item in option)]) == 0
    return {path.name.split("_")[0]: Image.open(path) for path in output.glob("*.png")}


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "transparent"])
def test_picture_and_mask_are_those_of_the_headless_run(
    alpha: bool, shipped_model: str, client: Client, server: Server, tmp_path: Path
) -> None:
    picture = drawing(150, 101, alpha=alpha)  # three tiles by two
    workflow = {
        "picture": node("LoadImage", image=client.upload(picture)),
        "model": node("SengaLoadUpscaleModel", model_name=shipped_model),
        # LoadImage's mask of an opaque picture is a blank one of 64x64, whatever the picture's size.
        "upscale": upscale(["model", 0], ["picture", 0], mask=["picture", 1]),
        "mask": node("MaskToImage", mask=["upscale", 1]),
        "save picture": save(["upscale", 0], "picture"),
        "save mask": save(["mask", 0], "mask"),
    }
    done = client.run(workflow)
    (enlarged,), (mask,) = (client.pictures(done, name) for name in ("save picture", "save mask"))
    headless = run_headless(workflow, server, tmp_path)

    scale = enlarged.width // picture.width
    assert scale > 1
    assert enlarged.size == mask.size == (picture.width * scale, picture.height * scale)
    assert_same_picture(enlarged, headless["picture"])
    if alpha:
        assert_same_picture(mask, headless["mask"])
        levels = np.asarray(mask)[..., 0]
        middle, corner = levels[levels.shape[0] // 2, levels.shape[1] // 2], levels[0, 0]
        assert middle < 10  # ComfyUI's masks are 1 - alpha
        assert corner > 245
    else:
        assert mask.getextrema() == headless["mask"].getextrema() == ((0, 0), (0, 0), (0, 0))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_example_workflow_gives_the_picture_of_the_headless_run(
    file: Path, client: Client, server: Server, tmp_path: Path
) -> None:
    workflow: Workflow = json.loads(file.read_text(encoding="utf-8"))
    saved = [name for name, part in workflow.items() if part["class_type"] == "SaveImage"]
    for part in workflow.values():
        if part["class_type"] == "LoadImage":
            picture = Image.open(file.parents[1] / part["inputs"]["image"])
            picture.thumbnail((128, 128))  # for the sake of the time it takes
            part["inputs"]["image"] = client.upload(picture)
        elif part["class_type"] == "SengaUpscale":
            part["inputs"].update(tile=64, precision="fp32")
    for name in saved:
        workflow[name]["inputs"]["filename_prefix"] = name
    done = client.run(workflow)
    headless = run_headless(workflow, server, tmp_path)
    assert sorted(headless) == sorted(saved)
    for name in saved:
        (picture,) = client.pictures(done, name)
        assert_same_picture(picture, headless[name])


def test_shipped_model_gives_the_same_in_the_builtin_upscaler(shipped_model: str, client: Client) -> None:
    done = client.run(
        {
            "picture": node("LoadImage", image=client.upload(drawing(130, 90))),
            "model": node("SengaLoadUpscaleModel", model_name=shipped_model),
            "ours": upscale(["model", 0], ["picture", 0]),
            "builtin": node("ImageUpscaleWithModel", upscale_model=["model", 0], image=["picture", 0]),
            "save ours": save(["ours", 0]),
            "save builtin": save(["builtin", 0]),
        }
    )
    (ours,), (builtin,) = (client.pictures(done, name) for name in ("save ours", "save builtin"))
    assert_same_picture(ours, builtin)


@pytest.mark.parametrize("scale", [2, 4])
def test_model_of_the_builtin_loader_gives_the_same_as_ours(scale: int, client: Client, server: Server) -> None:
    file = server.upscale_models / f"rrdb-x{scale}.safetensors"
    save_rrdb(file, seed=1, scale=scale, foreign=True)  # around files of its own Senga repeats the edge
    # Of x2 models spandrel wants multiples of 4 and reflects the edge to get there, where ours repeats it: this size
    # needs neither.
    picture = drawing(92, 72)
    done = client.run(
        {
            "picture": node("LoadImage", image=client.upload(picture)),
            "ours": node("SengaLoadUpscaleModel", model_name=file.name),
            "spandrel": node("UpscaleModelLoader", model_name=file.name),
            "ours in ours": upscale(["ours", 0], ["picture", 0]),
            "spandrel in ours": upscale(["spandrel", 0], ["picture", 0]),
            "spandrel in builtin": node("ImageUpscaleWithModel", upscale_model=["spandrel", 0], image=["picture", 0]),
            "ours in builtin": node("ImageUpscaleWithModel", upscale_model=["ours", 0], image=["picture", 0]),
            "save 1": save(["ours in ours", 0]),
            "save 2": save(["spandrel in ours", 0]),
            "save 3": save(["spandrel in builtin", 0]),
            "save 4": save(["ours in builtin", 0]),
        }
    )
    reference, *others = (client.pictures(done, f"save {number}")[0] for number in (3, 1, 2, 4))
    assert reference.size == (picture.width * scale, picture.height * scale)
    for other in others:
        assert_same_picture(other, reference)


def test_frames_of_a_batch_come_out_as_they_would_alone(shipped_model: str, client: Client) -> None:
    done = client.run(
        {
            "first": node("LoadImage", image=client.upload(drawing(70, 50, seed=1))),
            "second": node("LoadImage", image=client.upload(drawing(70, 50, seed=2))),
            "both": node("ImageBatch", image1=["first", 0], image2=["second", 0]),
            "model": node("SengaLoadUpscaleModel", model_name=shipped_model),
            "upscale both": upscale(["model", 0], ["both", 0]),
            "upscale second": upscale(["model", 0], ["second", 0]),
            "save both": save(["upscale both", 0]),
            "save second": save(["upscale second", 0]),
        }
    )
    frames, (second,) = (client.pictures(done, name) for name in ("save both", "save second"))
    assert len(frames) == 2
    assert_same_picture(frames[1], second)
    assert np.abs(np.asarray(frames[0]).astype(int) - np.asarray(second)).max() > 30  # they are two pictures


def test_a_report_from_one_node_is_replayed_by_another(client: Client) -> None:
    first = {"preset": "apisr", "seed": 2**64 - 1, "scale": 2.0, "strength": 0.5}
    done = client.run(
        {
            "picture": node("LoadImage", image=client.upload(drawing(96, 80))),
            "blur": node("SengaRecipeStep", step="gaussian_blur", parameters='{"sigma": [1, 2]}', probability=1.0),
            "jpeg": node("SengaRecipeStep", step="jpeg", parameters="{}", probability=1.0, recipe=["blur", 0]),
            "from preset": node("SengaDegradeImage", image=["picture", 0], **first),
            "from recipe": node("SengaDegradeImage", image=["picture", 0], **first, recipe=["jpeg", 0]),
            "replay": node("SengaDegradeImage", image=["picture", 0], **first | {"seed": 1}, recipe=["from preset", 1]),
            "save preset": save(["from preset", 0]),
            "save recipe": save(["from recipe", 0]),
            "save replay": save(["replay", 0]),
        }
    )
    (made,), (built,), (again,) = (client.pictures(done, f"save {name}") for name in ("preset", "recipe", "replay"))
    assert made.size == built.size == (48, 40)
    assert np.array_equal(np.asarray(made), np.asarray(again))
    assert not np.array_equal(np.asarray(made), np.asarray(built))
