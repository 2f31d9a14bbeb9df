"""The shipped upscalers: what their headers claim is seen on pictures that they never saw."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from senga.arch import load_upscaler, read_header
from senga.arch.pictures.metrics import psnr_y
from senga.training.model_card import WEIGHTS, render, with_table
from senga.training.sr.patches import to_tensor
from senga.training.sr.pictures.picture_files import flatten

UPSCALERS = [path for path in sorted(WEIGHTS.glob("*.safetensors")) if read_header(path).scale not in (None, 1)]


def test_the_weights_page_is_made_from_the_headers():
    stale = "stale: run python -m senga.training.model_card"
    page, readme = ((folder / "README.md").read_text(encoding="utf-8") for folder in (WEIGHTS, WEIGHTS.parent))
    assert page == render(WEIGHTS), stale
    assert readme == with_table(readme, WEIGHTS), stale


@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_beat_lanczos_by_three_decibels(path):
    metrics = read_header(path).provenance.metrics
    assert metrics["psnr_y"] >= metrics["psnr_y_lanczos"] + 3
    assert path.stat().st_size < 12e6


def unseen_drawing():
    """(1, 3, 256, 256): the face of the example picture, which nothing was trained on."""
    with Image.open(WEIGHTS.parent / "example_workflows" / "senga_lucy.png") as image:
        return to_tensor([flatten(np.asarray(image.convert("RGBA"))[:256, 32:288], np.full(3, 255, np.uint8))])


def resized(picture, side, kernel):
    return to_tensor([np.asarray(Image.fromarray(to_pixels(picture)).resize((side, side), kernel))])


def to_pixels(picture):
    return (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def edge_energy(picture):
    return sum(picture.clamp(0, 1).diff(dim=axis).square().mean().item() for axis in (-1, -2))


@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_restore_a_drawing_they_never_saw(path):
    """Reduced by bicubic: what the header claims of other pictures can be seen here. A GAN gives up some of it."""
    model, hr = load_upscaler(path), unseen_drawing()
    lr = resized(hr, 256 // model.scale, Image.Resampling.BICUBIC)
    ours, plain = (psnr_y(made, hr, 2) for made in (model(lr), resized(lr, 256, Image.Resampling.LANCZOS)))
    assert ours > plain + (1 if path.stem.endswith("_gan") else 2)


def test_the_gan_s_lines_are_nearly_as_sharp_as_the_drawing_s():
    hr = unseen_drawing()
    lr = resized(hr, 64, Image.Resampling.BICUBIC)
    gan, plain = (
        edge_energy(load_upscaler(WEIGHTS / f"{name}.safetensors")(lr)) / edge_energy(hr)
        for name in ("senga_rrdb_6b_x4_gan", "senga_rrdb_6b_x4")
    )
    assert plain < 0.8 < gan < 1.1


@pytest.mark.parametrize("quality", [75, 50])
def test_the_x1_net_cleans_a_jpeg_it_never_saw(quality):
    hr, file = unseen_drawing(), BytesIO()
    Image.fromarray(to_pixels(hr)).save(file, "JPEG", quality=quality)
    damaged = to_tensor([np.asarray(Image.open(file))])
    cleaned = load_upscaler(WEIGHTS / "senga_compact_x1.safetensors")(damaged)
    assert psnr_y(cleaned, hr, 2) > psnr_y(damaged, hr, 2) + 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 2), (48, 48)])
@pytest.mark.parametrize("colour", [(30, 40, 230), (0, 255, 0), (200, 10, 30), (250, 220, 200), (255, 255, 255)])
@pytest.mark.parametrize("path", UPSCALERS, ids=lambda path: path.stem)
def test_shipped_weights_keep_flat_colours_flat_up_to_the_corners(path, size, colour):
    flat = (torch.tensor(colour) / 255).view(1, 3, 1, 1).expand(1, 3, *size)
    out = load_upscaler(path)(flat)
    assert (out - flat[..., :1, :1]).abs().max() * 255 < 6
