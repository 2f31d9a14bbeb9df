"""The contract of `senga.arch.upscale`: sizes, channels, alpha, batches, progress, stopping, clear errors."""

import pytest
import torch
from sample_upscalers import Recorder, picture, small_model
from senga.arch import SengaError, Stopped, upscale
from senga.arch.image import resize, to_bchw, to_bhwc
from senga.arch.pictures.sizes import fit_size, pass_sizes, target_size
from senga.arch.precision import pick_precision


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


def test_layouts_are_views():
    image = picture(4, 6)
    assert to_bchw(image).shape == (1, 3, 4, 6)
    assert to_bhwc(to_bchw(image)).data_ptr() == image.data_ptr()


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
