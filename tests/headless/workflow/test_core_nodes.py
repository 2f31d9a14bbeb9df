"""The stand-ins for ComfyUI's own nodes do what ComfyUI 0.3.75's do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from senga.arch import SengaError, UpscaleModel, save_model, upscale
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.core_nodes import as_text, core_nodes, resize
from senga.headless.workflow.graph import input_types, sockets
from senga.headless.workflow.node_classes import all_nodes
from senga.nodes import host

RNG = np.random.default_rng(3)
RGBA = RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8)

# Saved workflows hold values by position: ids, names, order and types are ComfyUI's, not ours to change.
SIGNATURES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "LoadImage": (["image"], ("IMAGE", "MASK")),
    "LoadImageMask": (["image", "channel"], ("MASK",)),
    "SaveImage": (["images", "filename_prefix"], ()),
    "PreviewImage": (["images"], ()),
    "ImageScale": (["image", "upscale_method", "width", "height", "crop"], ("IMAGE",)),
    "ImageScaleBy": (["image", "upscale_method", "scale_by"], ("IMAGE",)),
    "ImageBatch": (["image1", "image2"], ("IMAGE",)),
    "ImageInvert": (["image"], ("IMAGE",)),
    "MaskToImage": (["mask"], ("IMAGE",)),
    "ImageToMask": (["image", "channel"], ("MASK",)),
    "SplitImageWithAlpha": (["image"], ("IMAGE", "MASK")),
    "JoinImageWithAlpha": (["image", "alpha"], ("IMAGE",)),
    "UpscaleModelLoader": (["model_name"], ("UPSCALE_MODEL",)),
    "ImageUpscaleWithModel": (["upscale_model", "image"], ("IMAGE",)),
    "PreviewAny": (["source"], ()),
}
DEFAULTS = {
    ("SaveImage", "filename_prefix"): {"default": "ComfyUI"},
    ("ImageScale", "width"): {"default": 512, "min": 0, "max": 16384, "step": 1},
    ("ImageScale", "height"): {"default": 512, "min": 0, "max": 16384, "step": 1},
    ("ImageScaleBy", "scale_by"): {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01},
}
CHOICES = {
    ("ImageScale", "upscale_method"): ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"],
    ("ImageScale", "crop"): ["disabled", "center"],
    ("ImageToMask", "channel"): ["red", "green", "blue", "alpha"],
    ("LoadImageMask", "channel"): ["alpha", "red", "green", "blue"],
}


@pytest.fixture
def nodes(tmp_path: Path) -> dict[str, type]:
    """The stand-ins, bound to folders in tmp_path."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    folders.input.mkdir()
    return core_nodes(folders)


def call(node_class: type, *arguments: Any) -> Any:
    return getattr(node_class(), node_class.FUNCTION)(*arguments)


def test_signatures(nodes: dict[str, type]) -> None:
    found = {name: (list(sockets(node)), tuple(node.RETURN_TYPES)) for name, node in nodes.items()}
    assert found == SIGNATURES


def test_defaults_and_choices(nodes: dict[str, type]) -> None:
    for (name, socket), options in DEFAULTS.items():
        assert dict(sockets(nodes[name])[socket].options) == options
    for (name, socket), choices in CHOICES.items():
        assert sockets(nodes[name])[socket].choices == choices


def test_output_nodes_and_hidden_inputs(nodes: dict[str, type]) -> None:
    assert {name for name, node in nodes.items() if getattr(node, "OUTPUT_NODE", False)} == {
        "SaveImage",
        "PreviewImage",
        "PreviewAny",
    }
    for name in ("SaveImage", "PreviewImage"):
        assert input_types(nodes[name])["hidden"] == {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def test_every_node_has_a_function_of_its_name_and_a_category(nodes: dict[str, type]) -> None:
    for node in nodes.values():
        assert callable(getattr(node, node.FUNCTION))
        assert node.CATEGORY


# --- pictures in memory ---

IMAGE = torch.from_numpy(RGBA[None, :, :, :3].astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(0, 0, (4, 6)), (3, 0, (2, 3)), (0, 8, (8, 12)), (5, 7, (7, 5)), (1, 0, (1, 1))]
)
def test_image_scale_sizes(nodes: dict[str, type], width: int, height: int, expected: tuple[int, int]) -> None:
    (result,) = call(nodes["ImageScale"], IMAGE, "bilinear", width, height, "disabled")
    assert result.shape == (1, *expected, 3)


def test_nearest_exact_and_area() -> None:
    assert torch.equal(resize(IMAGE, 12, 8, "nearest-exact")[:, ::2, 1::2], IMAGE)
    mean = IMAGE.reshape(1, 2, 2, 3, 2, 3).mean((2, 4))
    assert torch.allclose(resize(IMAGE, 3, 2, "area"), mean)


def test_bicubic_is_not_clamped() -> None:
    edge = torch.zeros(1, 1, 6, 3)
    edge[:, :, 3:] = 1
    assert resize(edge, 24, 4, "bicubic").max() > 1.01


def test_lanczos_is_pillows_on_8_bits() -> None:
    expected = Image.fromarray(RGBA[..., :3]).resize((9, 5), Image.Resampling.LANCZOS)
    assert torch.equal(resize(IMAGE, 9, 5, "lanczos"), torch.from_numpy(np.array(expected)[None] / np.float32(255)))


def test_centre_crop_keeps_the_aspect(nodes: dict[str, type]) -> None:
    (result,) = call(nodes["ImageScale"], IMAGE, "nearest-exact", 4, 4, "center")
    assert torch.equal(result, IMAGE[:, :, 1:5])
    (result,) = call(nodes["ImageScale"], IMAGE, "nearest-exact", 6, 2, "center")
    assert torch.equal(result, IMAGE[:, 1:3])


def test_a_centre_crop_to_an_extreme_aspect_keeps_a_pixel() -> None:
    assert resize(torch.rand(1, 24, 1, 3), 46, 8, "bilinear", "center").shape == (1, 8, 46, 3)


def test_image_scale_by(nodes: dict[str, type]) -> None:
    assert call(nodes["ImageScaleBy"], IMAGE, "bilinear", 1.5)[0].shape == (1, 6, 9, 3)
    assert call(nodes["ImageScaleBy"], IMAGE, "bilinear", 0.01)[0].shape == (1, 1, 1, 3)


def test_image_batch(nodes: dict[str, type]) -> None:
    (same,) = call(nodes["ImageBatch"], IMAGE, 1 - IMAGE)
    assert torch.equal(same, torch.cat((IMAGE, 1 - IMAGE)))
    (scaled,) = call(nodes["ImageBatch"], IMAGE, torch.rand(2, 9, 9, 3))
    assert scaled.shape == (3, 4, 6, 3)
    (opaque,) = call(nodes["ImageBatch"], IMAGE, torch.zeros(1, 4, 6, 4))
    assert opaque.shape == (2, 4, 6, 4)
    assert opaque[0, ..., 3].eq(1).all()
    with pytest.raises(SengaError, match="image1 has 3 channels and image2 1"):
        call(nodes["ImageBatch"], IMAGE, torch.zeros(1, 4, 6, 1))


def test_invert(nodes: dict[str, type]) -> None:
    assert torch.equal(call(nodes["ImageInvert"], IMAGE)[0], 1 - IMAGE)


def test_masks_and_images(nodes: dict[str, type]) -> None:
    mask = torch.rand(2, 4, 6)
    (image,) = call(nodes["MaskToImage"], mask)
    assert image.shape == (2, 4, 6, 3)
    for channel in ("red", "green", "blue"):
        assert torch.equal(call(nodes["ImageToMask"], image, channel)[0], mask)
    assert call(nodes["MaskToImage"], mask[0])[0].shape == (1, 4, 6, 3)
    with pytest.raises(SengaError, match="no alpha"):
        call(nodes["ImageToMask"], image, "alpha")


def test_joining_and_splitting_alpha(nodes: dict[str, type]) -> None:
    mask = torch.rand(1, 4, 6)
    (joined,) = call(nodes["JoinImageWithAlpha"], IMAGE, mask)
    assert torch.equal(joined, torch.cat((IMAGE, 1 - mask[..., None]), dim=3))
    image, again = call(nodes["SplitImageWithAlpha"], joined)
    assert torch.equal(image, IMAGE)
    assert torch.allclose(again, mask)
    image, none = call(nodes["SplitImageWithAlpha"], IMAGE)
    assert torch.equal(none, torch.zeros(1, 4, 6))


def test_joining_resizes_the_mask_and_cuts_to_the_shorter_batch(nodes: dict[str, type]) -> None:
    (joined,) = call(nodes["JoinImageWithAlpha"], IMAGE.repeat(3, 1, 1, 1), torch.zeros(2, 64, 64))
    assert joined.shape == (2, 4, 6, 4)
    assert joined[..., 3].eq(1).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        (None, "None"),
        (1.5, "1.5"),
        (True, "True"),
        ({"a": [1]}, '{\n    "a": [\n        1\n    ]\n}'),
        (torch.zeros(1), "tensor([0.])"),
    ],
)
def test_preview_any(nodes: dict[str, type], value: object, text: str) -> None:
    assert as_text(value) == text
    assert call(nodes["PreviewAny"], value) == {"ui": {"text": (text,)}}


# --- models ---


def test_the_built_in_upscaling_nodes_with_our_model(
    nodes: dict[str, type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = UpscaleModel.create("espcn_7", scale=2, widths=[4, 4])
    save_model(tmp_path / "made_x2.safetensors", model)
    monkeypatch.setattr(host.standalone, "model_dirs", [tmp_path])
    assert "made_x2.safetensors" in (sockets(nodes["UpscaleModelLoader"])["model_name"].choices or [])
    (loaded,) = call(nodes["UpscaleModelLoader"], "made_x2.safetensors")
    (result,) = call(nodes["ImageUpscaleWithModel"], loaded, IMAGE)
    assert torch.allclose(result, upscale(model, IMAGE, precision="fp32"), atol=1e-6)


def test_our_own_nodes_are_there_too() -> None:
    assert {"SengaLoadUpscaleModel", "SengaUpscale", *SIGNATURES} <= all_nodes(Folders()).keys()
