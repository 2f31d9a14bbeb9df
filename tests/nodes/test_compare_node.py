"""SengaCompareImages: pictures for the slider inside ComfyUI, none elsewhere, and the numbers as text."""

import types

import numpy as np
from PIL import Image
from sample_upscalers import picture
from senga.nodes import host
from senga.nodes.compare_images import SengaCompareImages


def test_standalone_the_numbers_are_the_text_and_no_file_is_written():
    answer = SengaCompareImages().compare(picture(16, 20), picture(16, 20, seed=1), "difference")
    image, psnr, ssim = answer["result"]
    assert image.shape == (1, 16, 20, 3)
    assert answer["ui"] == {"text": [f"PSNR {psnr:.2f} dB, SSIM {ssim:.4f}"], "senga_compared": []}


def test_inside_comfyui_the_slider_gets_both_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "folder_paths", types.SimpleNamespace(get_temp_directory=lambda: str(tmp_path)))
    a, b = picture(16, 20), picture(16, 20, seed=1)
    files = SengaCompareImages().compare(a, b, "slider")["ui"]["senga_compared"]
    assert [file["type"] for file in files] == ["temp", "temp"]
    for file, image in zip(files, (a, b), strict=True):
        with Image.open(tmp_path / file["filename"]) as saved:
            assert (np.asarray(saved) == (image[0].numpy() * 255).astype(np.uint8)).all()
    (beside,) = SengaCompareImages().compare(a, b, "side by side")["ui"]["senga_compared"]
    with Image.open(tmp_path / beside["filename"]) as saved:
        assert saved.size == (48, 16)
