"""Every pair of shapes: the result has the target's size, crop and pad keep the aspect, the middle stays the middle."""

import os
from pathlib import Path

import pytest
import torch
from senga.arch import SengaError
from senga.arch.image import resize, to_bchw, to_bhwc
from senga.arch.pictures.fitting import FITS, Fit, plan_fit

SHAPES = [(1, 1), (3, 7), (40, 30), (30, 40), (101, 64), (500, 3)]
TARGETS = [(1, 1), (64, 64), (200, 50), (50, 200), (17, 333), (40, 31), (41, 30)]  # the last pad one row, or one column


def placed(plan: Fit, large: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The upscaled part (B, H, W, C) where it is in the result, and the mask of what is not it."""
    result = torch.zeros(len(large), plan.result[1], plan.result[0], large.shape[3])
    plan.canvas(to_bchw(result)).place(to_bchw(large), 0)
    return result, plan.added(len(large))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_geometry_is_sound(fit, shape, target):
    plan = plan_fit(shape[0], shape[1], target[0], target[1], fit)
    assert plan is not None
    assert plan.result == target
    for side in (0, 1):
        assert plan.start[side] >= 0
        assert 1 <= plan.part[side] <= shape[side] - plan.start[side]
        if fit == "crop":
            assert 0 <= plan.offset[side] <= plan.size[side] - target[side]
        elif fit == "pad":
            assert plan.size[side] <= target[side]
            assert plan.offset[side] <= 0
        else:
            assert (plan.size[side], plan.offset[side]) == (target[side], 0)
    image = torch.rand(1, shape[1], shape[0], 3)
    part = plan.before(image)
    assert part.shape == (1, plan.part[1], plan.part[0], 3)
    large = to_bhwc(resize(to_bchw(part), plan.size[1], plan.size[0]))
    result, mask = placed(plan, large)
    assert result.shape == (1, target[1], target[0], 3)
    assert mask.shape == (1, target[1], target[0])
    assert int(mask.sum()) == (target[0] * target[1] - plan.size[0] * plan.size[1] if fit == "pad" else 0)


def test_crop_keeps_aspect_and_middle():
    plan = plan_fit(100, 50, 200, 200, "crop")
    assert plan is not None
    assert (plan.start, plan.part, plan.size, plan.offset) == ((25, 0), (50, 50), (200, 200), (0, 0))
    odd = plan_fit(101, 50, 200, 200, "crop")  # half a pixel at each side: a pixel more is upscaled, then cut
    assert odd is not None
    assert (odd.start, odd.part, odd.size, odd.offset) == ((25, 0), (51, 50), (204, 200), (2, 0))


def test_pad_adds_the_same_on_both_sides():
    plan = plan_fit(100, 50, 200, 200, "pad")
    assert plan is not None
    image, mask = placed(plan, torch.ones(1, 100, 200, 4))
    assert not image[:, :50].any()
    assert not image[:, 150:].any()
    assert image[:, 50:150].all()
    assert mask[:, :50].all()
    assert not mask[:, 50:150].any()


def test_one_side_or_none_crops_nothing():
    one = plan_fit(100, 50, 0, 200, "crop")
    assert one is not None
    assert (one.part, one.size, one.result) == ((100, 50), (400, 200), (400, 200))
    assert plan_fit(100, 50, 0, 0, "crop") is None
    with pytest.raises(SengaError, match="fit is 'fill'; expected one of crop, pad, stretch"):
        plan_fit(100, 50, 1, 1, "fill")


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux's /proc")
def test_where_nothing_is_added_the_mask_takes_no_memory():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    mask = Fit.whole((4, 4), (8000, 8000)).added(1)  # 256 MB if they were there
    assert resident() - before < 32 * 2**20
    assert (mask.shape, mask.dtype) == ((1, 8000, 8000), torch.float32)
    mask[0, 7] = 1  # as nodes of others may
    assert int(mask[0, :9].sum()) == 8000
