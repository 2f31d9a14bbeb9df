"""Output that is not finite: half precision goes on in float32 and says so once, float32 is refused."""

import math

import pytest
import torch
from sample_taggers import small_tagger
from sample_upscalers import picture, small_model
from senga.arch import SengaError, tag, upscale
from senga.arch.overflow import is_finite
from senga.arch.precision import DTYPES
from torch import nn


class Fragile(nn.Module):
    """Enlarges by two; under autocast to one precision its output is what an overflow leaves."""

    def __init__(self, breaks_in: torch.dtype, value: float, after: int = 0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
        self.breaks_in, self.value, self.after = breaks_in, value, after
        self.ran: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.ran.append(self.layer(x).dtype)
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        broken = self.ran[-1] == self.breaks_in and len(self.ran) > self.after
        return y + self.value if broken else y


class FragileModel:
    """An upscaler that clamps, as all do: of Inf a 1 is left."""

    scale, input_channels, output_channels = 2, 3, 3
    supports_half = supports_bfloat16 = True
    default_halo = 0

    def __init__(self, breaks_in: torch.dtype, value: float, after: int = 0) -> None:
        self.model = Fragile(breaks_in, value, after)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).float().clamp(0, 1)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_half_precision_that_overflows_goes_on_in_float32_and_says_so_once(value, precision, caplog):
    model, image = FragileModel(DTYPES[precision], value), picture(20, 20)
    expected = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    for _ in range(2):
        assert torch.equal(upscale(model, image, precision=precision, tile=16, halo=0), expected)
    assert [record.getMessage() for record in caplog.records] == [
        f"Fragile overflows in {precision}; it goes on in fp32, which is slower"
    ]
    assert model.model.ran == [DTYPES[precision], *[torch.float32] * 8]  # of four tiles, twice, one was in half


def test_nan_in_a_later_tile_is_found_as_well(caplog):
    model, image = FragileModel(torch.bfloat16, math.nan, after=2), picture(20, 20)
    found = upscale(model, image, precision="bf16", tile=16, halo=0)
    assert found.isfinite().all()
    assert len(caplog.records) == 1
    assert model.model.ran == [torch.bfloat16] * 3 + [torch.float32] * 2


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_float32_that_is_not_finite_is_refused(value):
    model = FragileModel(torch.float32, value)
    with pytest.raises(SengaError, match=r"the network \(Fragile\) gives NaN or Inf, so the picture would come out"):
        upscale(model, picture(8, 8), precision="fp32")


def test_weights_that_explode_are_refused_by_name():
    model = small_model("rrdb")
    with torch.no_grad():
        model.model.conv_last.weight.mul_(1e38)
        model.model.conv_hr.weight.mul_(1e38)
    with pytest.raises(SengaError, match=r"the network \(rrdb\) gives NaN or Inf"):
        upscale(model, picture(8, 8))


def test_a_picture_that_is_not_finite_is_not_the_networks_fault():
    image = picture(8, 8)
    image[0, 3, 3, 1] = math.nan
    with pytest.raises(SengaError, match="the picture holds NaN or Inf"):
        upscale(small_model("espcn_7"), image)
    with pytest.raises(SengaError, match="the picture holds NaN or Inf"):
        tag(small_tagger(), image)


def test_a_tagger_that_gives_nan_is_refused():
    model = small_tagger()
    with torch.no_grad():
        next(reversed([m for m in model.model.modules() if isinstance(m, nn.Linear)])).bias[2] = math.nan
    with pytest.raises(SengaError, match=r"the tagger \(mobilenetv3_small\) gives NaN; its weights are damaged"):
        tag(model, picture(8, 8))


def test_large_numbers_are_finite_though_their_sum_is_not():
    assert is_finite(torch.full((4,), 3e38))
    assert not is_finite(torch.tensor([1.0, math.inf]))
    assert not is_finite(torch.tensor([math.inf, -math.inf]))
