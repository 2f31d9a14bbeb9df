"""The harness itself: a genuine ComfyUI starts, takes a picture and hands it back."""

import numpy as np
import pytest
from comfy_client import Client
from PIL import Image

pytestmark = pytest.mark.comfy


def test_builtin_workflow_hands_the_picture_back(client: Client) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (23, 31, 3), dtype=np.uint8)
    workflow = {
        "load": {"class_type": "LoadImage", "inputs": {"image": client.upload(Image.fromarray(pixels))}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["load", 0], "filename_prefix": "same"}},
    }
    (picture,) = client.pictures(client.run(workflow), "save")
    np.testing.assert_array_equal(np.asarray(picture), pixels)
