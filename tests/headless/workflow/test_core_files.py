"""The stand-ins that read and write files name, load and save as ComfyUI 0.3.75 does, and never leave their folders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from senga.arch import SengaError
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.core_nodes import core_nodes
from senga.headless.workflow.graph import sockets
from senga.nodes.saving import next_name

RNG = np.random.default_rng(3)
RGBA = RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8)


@pytest.fixture
def nodes(tmp_path: Path) -> dict[str, type]:
    """The stand-ins, bound to folders in tmp_path."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    folders.input.mkdir()
    return core_nodes(folders)


def call(node_class: type, *arguments: Any) -> Any:
    return getattr(node_class(), node_class.FUNCTION)(*arguments)


# --- reading ---


def put(folder: Path, array: np.ndarray, name: str = "x.png") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(folder / name)
    return name


def test_load_image_with_alpha(nodes: dict[str, type], tmp_path: Path) -> None:
    image, mask = call(nodes["LoadImage"], put(tmp_path / "input", RGBA))
    assert image.dtype == mask.dtype == torch.float32
    assert torch.equal(image, torch.from_numpy(RGBA[None, :, :, :3].astype(np.float32) / 255))
    assert torch.equal(mask, 1 - torch.from_numpy(RGBA[None, :, :, 3].astype(np.float32) / 255))


def test_load_image_without_alpha_has_a_blank_mask_of_64(nodes: dict[str, type], tmp_path: Path) -> None:
    image, mask = call(nodes["LoadImage"], put(tmp_path / "input", RGBA[..., :3]))
    assert image.shape == (1, 4, 6, 3)
    assert torch.equal(mask, torch.zeros(1, 64, 64))


def test_load_image_makes_a_batch_of_an_animation(nodes: dict[str, type], tmp_path: Path) -> None:
    first, second = Image.fromarray(RGBA), Image.fromarray(RGBA[::-1].copy())
    first.save(tmp_path / "input" / "x.webp", save_all=True, append_images=[second], lossless=True, exact=True)
    image, mask = call(nodes["LoadImage"], "x.webp")
    assert image.shape == (2, 4, 6, 3)
    assert torch.equal(mask[1], mask[0].flip(0))


def test_load_image_takes_sub_folders_and_marked_folders(nodes: dict[str, type], tmp_path: Path) -> None:
    put(tmp_path / "input", RGBA, "sub/a.png")
    put(tmp_path / "output", RGBA[:2], "b.png")
    assert nodes["LoadImage"].VALIDATE_INPUTS("sub/a.png") is True
    assert call(nodes["LoadImage"], "sub/a.png")[0].shape[1] == 4
    assert call(nodes["LoadImage"], "sub/a.png [input]")[0].shape[1] == 4
    assert call(nodes["LoadImage"], "b.png [output]")[0].shape[1] == 2


def test_load_image_says_what_there_is(nodes: dict[str, type], tmp_path: Path) -> None:
    put(tmp_path / "input", RGBA, "a.png")
    (tmp_path / "input" / "notes.txt").touch()
    refusal = nodes["LoadImage"].VALIDATE_INPUTS("b.png")
    assert refusal == f"'b.png' is not in the folder {tmp_path / 'input'} (--input-dir); choose from: a.png"
    assert sockets(nodes["LoadImage"])["image"].choices == ["a.png"]
    assert sockets(nodes["LoadImageMask"])["image"].choices == ["a.png", "notes.txt"]


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2)])
def test_load_image_mask_of_a_colour(nodes: dict[str, type], tmp_path: Path, channel: str, index: int) -> None:
    (mask,) = call(nodes["LoadImageMask"], put(tmp_path / "input", RGBA), channel)
    assert torch.equal(mask, torch.from_numpy(RGBA[None, :, :, index].astype(np.float32) / 255))


def test_load_image_mask_of_alpha(nodes: dict[str, type], tmp_path: Path) -> None:
    (mask,) = call(nodes["LoadImageMask"], put(tmp_path / "input", RGBA), "alpha")
    assert torch.equal(mask, 1 - torch.from_numpy(RGBA[None, :, :, 3].astype(np.float32) / 255))
    (blank,) = call(nodes["LoadImageMask"], put(tmp_path / "input", RGBA[..., :3]), "alpha")
    assert torch.equal(blank, torch.zeros(1, 4, 6))


# --- writing ---


def save(nodes: dict[str, type], image: torch.Tensor, prefix: str = "p", **metadata: Any) -> list[dict[str, str]]:
    return nodes["SaveImage"]().save_images(image, prefix, **metadata)["ui"]["images"]


def test_save_image_truncates_and_counts_on(nodes: dict[str, type], tmp_path: Path) -> None:
    image = torch.tensor([0.0, 0.999 / 255, 1.5]).reshape(1, 1, 1, 3).repeat(2, 2, 3, 1)
    saved = save(nodes, image)
    assert saved == [
        {"filename": "p_00001_.png", "subfolder": "", "type": "output"},
        {"filename": "p_00002_.png", "subfolder": "", "type": "output"},
    ]
    assert np.array(Image.open(tmp_path / "output" / "p_00002_.png"))[0, 0].tolist() == [0, 0, 255]
    assert save(nodes, image[:1])[0]["filename"] == "p_00003_.png"
    assert save(nodes, image[:1], "other")[0]["filename"] == "other_00001_.png"


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_save_image_takes_grey_rgb_and_rgba(nodes: dict[str, type], tmp_path: Path, channels: int, mode: str) -> None:
    save(nodes, torch.rand(1, 3, 3, channels))
    assert Image.open(tmp_path / "output" / "p_00001_.png").mode == mode


def test_save_image_embeds_the_workflow(nodes: dict[str, type], tmp_path: Path) -> None:
    prompt = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "線"}}}
    save(nodes, torch.zeros(1, 2, 2, 3), prompt=prompt, extra_pnginfo={"workflow": {"nodes": [1]}})
    with Image.open(tmp_path / "output" / "p_00001_.png") as picture:
        assert json.loads(picture.info["prompt"]) == prompt
        assert json.loads(picture.info["workflow"]) == {"nodes": [1]}


def test_save_image_into_a_sub_folder_with_variables(nodes: dict[str, type], tmp_path: Path) -> None:
    (saved,) = save(nodes, torch.zeros(1, 2, 5, 3), "deep/er/%width%x%height%")
    assert saved == {"filename": "5x2_00001_.png", "subfolder": "deep/er", "type": "output"}
    assert (tmp_path / "output" / "deep" / "er" / "5x2_00001_.png").is_file()


@pytest.mark.parametrize("prefix", ["../out", "a/../../out", "/absolute/out", "sub/../../output_2/x", ".", ".."])
def test_save_image_never_leaves_its_folder(nodes: dict[str, type], tmp_path: Path, prefix: str) -> None:
    with pytest.raises(SengaError, match="filename_prefix"):
        save(nodes, torch.zeros(1, 2, 2, 3), prefix)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "input"] in ([], ["output"])


def test_save_image_does_not_follow_a_link_out_of_its_folder(nodes: dict[str, type], tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "elsewhere").mkdir()
    try:
        (tmp_path / "output" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    with pytest.raises(SengaError, match="leads out of the folder"):
        save(nodes, torch.zeros(1, 2, 2, 3), "link/x")


def test_batch_numbers_never_fall_on_earlier_pictures(nodes: dict[str, type]) -> None:
    first = save(nodes, torch.zeros(2, 2, 2, 3), "p%batch_num%")
    again = save(nodes, torch.zeros(2, 2, 2, 3), "p%batch_num%")
    assert [image["filename"] for image in first + again] == [
        "p0_00001_.png",
        "p1_00002_.png",
        "p0_00003_.png",
        "p1_00004_.png",
    ]


def test_the_counter_goes_on_from_the_highest_of_its_own_prefix(tmp_path: Path) -> None:
    for name in ("a_00001_.png", "a_00007_.jpg", "a_12.png", "a_x_00050_.png", "ab_00040_.png", "a_.png", "a.png"):
        (tmp_path / name).touch()
    assert next_name(tmp_path, "a", width=1, height=1) == (tmp_path.resolve() / "a", 8)
    assert next_name(tmp_path, "b", width=1, height=1)[1] == 1


def test_preview_image_writes_into_the_temporary_folder(nodes: dict[str, type], tmp_path: Path) -> None:
    shown = nodes["PreviewImage"]().save_images(torch.zeros(1, 2, 2, 3))["ui"]["images"]
    assert shown[0]["type"] == "temp"
    assert (tmp_path / "temp" / shown[0]["filename"]).is_file()
    assert not (tmp_path / "output").exists()


def test_pictures_over_the_limit_of_a_run_are_refused_and_a_mask_needs_one_frame_alone(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (8, 8), (40 * number, 0, 0)) for number in range(3)]
    pages[0].save(tmp_path / "x.gif", save_all=True, append_images=pages[1:])
    nodes = core_nodes(Folders(input=tmp_path, max_pixels=100))
    with pytest.raises(SengaError, match=r"has 3 frames of 8x8 pixels.*--max-pixels raises the limit"):
        nodes["LoadImage"]().load_image("x.gif")
    assert nodes["LoadImageMask"]().load_image("x.gif", "red")[0].shape == (1, 8, 8)
