"""The contract of `senga.arch.upscale`: sizes, channels, alpha, batches, progress, stopping, clear errors."""

import pytest
import torch
from sample_upscalers import Recorder, picture, small_model
from senga.arch import SengaError, Stopped, upscale
from senga.arch.fitting import plan_fit
from senga.arch.image import apply_mask, bleed, resize, to_bchw, to_bhwc
from senga.arch.precision import pick_precision
from senga.arch.sizes import fit_size, pass_sizes, target_size
from senga.arch.upscaling import Options, upscale_masked


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ["espcn_7", "dcscn", "rrdb", "compact", "drrn"])
def test_channels_and_frames_come_back(name, channels):
    model = small_model(name)
    out = upscale(model, picture(6, 9, channels, frames=2))
    assert out.shape == (2, 6 * model.scale, 9 * model.scale, channels)
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_frame_alone_and_in_a_batch_are_equal():
    model = small_model("espcn_7")
    batch = picture(20, 30, frames=3)
    out = upscale(model, batch, tile=16)
    for i in range(3):
        assert torch.equal(out[i : i + 1], upscale(model, batch[i : i + 1], tile=16))


def test_frames_go_through_one_by_one():
    model = Recorder()
    upscale(model, picture(10, 10, frames=5))
    assert {x.shape[0] for x in model.calls} == {1}


@pytest.mark.parametrize(
    ("arguments", "size", "passes"),
    [
        ({}, (14, 10), 1),
        ({"scale": 2}, (14, 10), 1),
        ({"scale": 1}, (7, 5), 1),
        ({"scale": 0.5}, (4, 2), 1),
        ({"scale": 3}, (21, 15), 2),
        ({"scale": 4}, (28, 20), 2),
        ({"scale": 4.1}, (29, 20), 3),
        ({"size": (14, 10)}, (14, 10), 1),
        ({"size": (100, 9)}, (100, 9), 4),
        ({"size": (1, 1)}, (1, 1), 1),
    ],
)
def test_every_size_is_reached_exactly(arguments, size, passes):
    model = Recorder()
    out = upscale(model, picture(5, 7), **arguments)
    assert (out.shape[2], out.shape[1]) == size
    assert len(model.calls) == passes


def test_a_model_of_scale_one_runs_once_and_is_resized():
    model = small_model("rrdb", scale=1)
    assert upscale(model, picture(5, 7), size=(20, 30)).shape == (1, 30, 20, 3)
    assert pass_sizes(7, 5, 1, (20, 30)) == [(7, 5)]


def test_a_long_picture_is_enlarged_as_long_as_the_result_is_allowed():
    assert pass_sizes(8, 17000, 2, (24, 51000)) == [(8, 17000), (16, 34000)]  # the second pass ends at 68000
    assert upscale(Recorder(), picture(17000, 8), scale=3).shape == (1, 51000, 24, 3)
    assert pass_sizes(1, 65536, 4, (1, 65536)) == [(1, 65536)]


def test_a_flat_picture_stays_flat_at_every_size():
    levels = torch.arange(256).view(256, 1, 1, 1)  # each a frame of its own
    out = upscale(Recorder(), (levels / 255).expand(-1, 3, 3, -1), size=(5, 7))
    assert ((out * 255).int() == levels).all()  # truncated, as ComfyUI's SaveImage does


def test_grey_through_a_colour_model_is_the_mean_of_its_colours():
    model = small_model("espcn_7")
    grey = picture(8, 8, 1)
    assert torch.allclose(
        upscale(model, grey), upscale(model, grey.expand(-1, -1, -1, 3)).mean(3, keepdim=True), atol=1e-6
    )


def test_colour_through_a_grey_model_goes_channel_by_channel():
    model = small_model("espcn_7", channels=1)
    image = picture(8, 8, 3)
    out = upscale(model, image, precision="fp32")
    for c in range(3):
        assert torch.allclose(out[..., c], upscale(model, image[..., c : c + 1], precision="fp32")[..., 0], atol=1e-6)


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


def test_layouts_are_views():
    image = picture(4, 6)
    assert to_bchw(image).shape == (1, 3, 4, 6)
    assert to_bhwc(to_bchw(image)).data_ptr() == image.data_ptr()


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


def test_resizing_down_is_antialiased():
    """One-pixel stripes become grey; without a filter they would become black or white."""
    stripes = (torch.arange(90) % 2).float().view(1, 1, 90, 1).expand(1, 3, 90, 90)
    # A third: without a filter each result row would be one source row, as it is.
    assert (resize(stripes, 30, 30)[..., 4:-4, :] - 0.5).abs().max() < 0.2


def test_full_precision_ignores_a_callers_autocast():
    model, image = small_model("rrdb"), picture(9, 9)
    exact = upscale(model, image, precision="fp32")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upscale(model, image, precision="fp32"), exact)


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


def test_progress_counts_pixels_up_to_the_total():
    seen = []
    upscale(small_model("espcn_7"), picture(40, 50, 4, frames=2), tile=16, scale=3, progress=lambda *a: seen.append(a))
    done, totals = [d for d, _ in seen], {t for _, t in seen}
    assert totals == {2 * 2 * (40 * 50 + 80 * 100)}  # frames, colour and alpha, two passes
    assert done == sorted(done)
    assert done[-1] in totals


def test_stopping_takes_effect_within_one_tile():
    model, asked = Recorder(), []

    def should_stop() -> bool:
        asked.append(len(model.calls))
        return len(asked) == 4

    with pytest.raises(Stopped):
        upscale(model, picture(64, 64), tile=16, halo=0, should_stop=should_stop)
    assert len(model.calls) == 3


@pytest.mark.parametrize(
    ("image", "arguments", "words"),
    [
        (picture(4, 4), {"tile": 7}, "tile is 7; expected 0"),
        (picture(4, 4), {"tile": -5}, "tile is -5"),
        (picture(4, 4), {"halo": -2}, "halo is -2"),
        (picture(4, 4), {"scale": 0}, "scale is 0"),
        (picture(4, 4), {"scale": float("nan")}, "scale is nan"),
        (picture(4, 4), {"scale": 2, "size": (8, 8)}, "both given"),
        (picture(4, 4), {"size": (0, 8)}, "0x8"),
        (picture(4, 4), {"scale": 1e6}, "65536"),
        (picture(440, 4), {"size": (2048, 440)}, "would pass through a side of 225280"),
        (picture(4, 4), {"precision": "int8"}, "precision is 'int8'"),
        (picture(4, 4, 2), {}, "1, 3 or 4 channels"),
        (picture(4, 4)[0], {}, "shape"),
        (picture(4, 4)[:0], {}, "shape"),
        ((picture(4, 4) * 255).byte(), {}, "uint8"),
    ],
)
def test_bad_arguments_are_named(image, arguments, words):
    with pytest.raises(SengaError, match=words) as caught:
        upscale(Recorder(), image, **arguments)
    assert "expected" in str(caught.value) or "give" in str(caught.value)


def test_a_model_of_two_channels_is_refused():
    model = Recorder()
    model.input_channels = 2
    with pytest.raises(SengaError, match="takes 2 channels"):
        upscale(model, picture(4, 4))


def test_bfloat16_stays_close_to_float32():
    model = small_model("espcn_7")
    image = picture(24, 24)
    exact = upscale(model, image, precision="fp32")
    assert (upscale(model, image, precision="bf16") - exact).abs().max() < 0.02
    assert torch.equal(upscale(model, image, precision="fp32"), exact)


def test_auto_precision_is_what_the_device_does_natively(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert pick_precision("auto", cuda, half=True, bf16=True) == "fp16"
    assert pick_precision("auto", cuda, half=False, bf16=True) == "bf16"
    assert pick_precision("auto", cuda, half=False, bf16=True, full_last_layer=False) == "fp32"
    assert pick_precision("auto", cpu, half=True, bf16=False) == "fp32"
    assert pick_precision("fp16", cpu, half=True, bf16=False) == "fp16"
    assert pick_precision("auto", torch.device("mps"), half=True, bf16=True) == "fp32"
    with pytest.raises(SengaError, match="does not support"):
        pick_precision("bf16", cuda, half=True, bf16=False)


def test_the_callers_global_state_is_left_alone():
    before = (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
    )
    upscale(small_model("espcn_7"), picture(8, 8), precision="bf16")
    assert before == (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
    )


@pytest.mark.parametrize(
    ("given", "size"), [((0, 0), None), ((100, 0), (100, 50)), ((0, 100), (200, 100)), ((30, 40), (30, 40))]
)
def test_one_given_side_keeps_the_aspect(given, size):
    assert fit_size(20, 10, *given) == size


def test_target_sizes_round_to_at_least_one_pixel():
    assert target_size(1, 1, 2, 0.1, None) == (1, 1)
    assert target_size(3, 5, 4, None, None) == (12, 20)
