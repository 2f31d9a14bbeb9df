"""Transparency: alpha channels, masks, and colour under what is clear."""

import pytest
import torch
from sample_upscalers import Recorder, picture, small_model
from senga.arch import SengaError, upscale
from senga.arch.image import apply_mask, bleed
from senga.arch.pictures.fitting import plan_fit
from senga.arch.upscaling import Options, upscale_masked


def sprite() -> torch.Tensor:
    """A white disc whose transparent surroundings are black, as image editors leave them."""
    y, x = torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij")
    alpha = ((x - 20) ** 2 + (y - 20) ** 2 < 144).float()
    return torch.stack((alpha, alpha, alpha, alpha), dim=-1)[None]


def test_no_dark_fringe_appears_around_a_transparent_sprite():
    """With the bicubic-like resize at the end, black from under alpha 0 would mix into the rim."""
    image = sprite()
    out = upscale(Recorder(), image, size=(100, 100))
    visible = out[..., 3] > 0.02
    assert out[..., :3][visible].min() > 0.99
    dark = upscale(Recorder(), image[..., :3], size=(100, 100))  # what happens without alpha
    assert dark[visible].min() < 0.9


def test_alpha_is_upscaled_and_colour_under_it_kept():
    image = sprite()
    out = upscale(Recorder(), image)
    assert torch.equal(out[..., 3], image[..., 3].repeat_interleave(2, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize("size", [None, (100, 90)])
def test_flat_alpha_stays_exactly_opaque_and_exactly_transparent(size):
    """Even with a network that answers noise."""
    image = sprite()
    out = upscale(small_model("rrdb"), image, size=size, tile=16)[..., 3]
    height, width = out.shape[1:]
    inside = out[:, height * 15 // 40 : height * 25 // 40, width * 15 // 40 : width * 25 // 40]
    assert (inside == 1).all()
    assert (out[:, : height // 10] == 0).all()
    assert ((out > 0.1) & (out < 0.9)).any()


def test_an_opaque_picture_costs_the_network_nothing_extra():
    model = Recorder()
    image = torch.cat((picture(20, 20), torch.ones(1, 20, 20, 1)), dim=3)
    out = upscale(model, image, tile=16)
    assert len(model.calls) == 4
    assert torch.equal(out[..., 3], torch.ones(1, 40, 40))


def test_bleeding_keeps_visible_pixels_and_fills_the_rest():
    colour, alpha = torch.rand(1, 3, 13, 29), torch.zeros(1, 1, 13, 29)
    alpha[..., 4:8, 5:9] = 0.5
    out = bleed(colour, alpha)
    visible = (alpha > 0).expand_as(out)
    assert torch.equal(out[visible], colour[visible])
    seen = colour[..., 4:8, 5:9]
    for c in range(3):
        assert out[:, c].min() >= seen[:, c].min() - 1e-6
        assert out[:, c].max() <= seen[:, c].max() + 1e-6
    assert torch.equal(bleed(colour, torch.zeros_like(alpha)), colour)
    assert torch.equal(bleed(colour, torch.ones_like(alpha)), colour)


def same(image: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Through a network that changes nothing."""
    return upscale_masked(Recorder(scale=1), image, mask, Options())


def test_masks_become_alpha_and_come_back():
    image, mask = picture(8, 10, frames=2), torch.rand(2, 8, 10)
    joined = apply_mask(image, mask)
    assert torch.allclose(joined[..., 3], 1 - mask)
    colour, back = same(image, mask)
    assert torch.equal(colour, image)
    assert torch.allclose(back, mask, atol=1e-6)


def test_a_grey_picture_with_a_mask_comes_back_grey():
    assert apply_mask(picture(4, 4, 1), torch.rand(1, 1, 4, 4)).shape == (1, 4, 4, 4)
    image = picture(4, 4, 1)
    grey, _ = same(image, torch.rand(1, 1, 4, 4))
    assert torch.allclose(grey, image, atol=1e-6)


def test_an_alpha_channel_stays_and_is_the_mask_too():
    image, mask = picture(8, 10, 4), torch.rand(1, 8, 10)
    out, back = same(image, mask)
    assert torch.allclose(out[..., 3], image[..., 3] * (1 - mask), atol=1e-6)
    assert torch.equal(back, 1 - out[..., 3])


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("target", [(61, 40), (40, 90), (60, 20), (31, 33)])
def test_a_fitted_result_is_what_is_cut_or_padded_afterwards(fit, masked, target):
    """Also where the last pass writes it, without a resize: 60x20."""
    model, image = small_model("compact"), picture(17, 30)
    mask = (torch.rand(1, 17, 30) > 0.5).float() if masked else None
    plan = plan_fit(30, 17, target[0], target[1], fit)
    assert plan is not None
    out, out_mask = upscale_masked(model, image, mask, Options(tile=16), fit=plan)
    whole = upscale(model, plan.before(apply_mask(image, mask)), size=plan.size, tile=16)
    whole = whole if masked else torch.cat((whole, torch.ones_like(whole[..., :1])), 3)
    (left, top), (width, height) = plan.offset, plan.result
    padded = torch.nn.functional.pad(whole, (0, 0, *[max(0, s) for s in (-left, width + left, -top, height + top)]))
    top, left = max(0, top), max(0, left)
    expected = padded[:, top : top + height, left : left + width]
    assert torch.equal(out, expected[..., :3])
    assert torch.equal(out_mask, 1 - expected[..., 3])


def test_an_all_zero_mask_of_any_size_is_opaque():
    image = picture(8, 10)
    for mask in (None, torch.zeros(1, 64, 64), torch.zeros(3, 1, 1)):
        assert apply_mask(image, mask) is image
    assert torch.equal(same(image, None)[1], torch.zeros(1, 8, 10))


def test_a_mask_of_another_size_or_one_frame_fits():
    image = picture(8, 10, frames=3)
    for mask in (torch.ones(1, 4, 5), torch.ones(64, 64)):
        assert torch.equal(apply_mask(image, mask)[..., 3], torch.zeros(3, 8, 10))
    with pytest.raises(SengaError, match="mask has 2 frames, the image 3"):
        apply_mask(image, torch.ones(2, 8, 10))


def test_a_mask_multiplies_an_alpha_that_is_there():
    image = picture(4, 4, 4)
    joined = apply_mask(image, torch.full((1, 4, 4), 0.5))
    assert torch.allclose(joined[..., 3], image[..., 3] * 0.5)
