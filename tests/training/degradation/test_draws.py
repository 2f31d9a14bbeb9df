"""The presets draw what was published: which steps, how often, from which ranges."""

from collections import Counter

import numpy as np
import pytest
from senga.training.degradation import preset
from senga.training.degradation.engine import draw
from senga.training.degradation.steps import PROFILES


def draws(name, count=2000, seed=5):
    """The drawn steps of `count` pictures."""
    return [draw(preset(name).steps, seed, (i,)) for i in range(count)]


def values(pictures, kind, key, **where):
    return [
        step.values[key]
        for steps in pictures
        for step in steps
        if step.kind == kind and all(step.values[k] == v for k, v in where.items())
    ]


def test_half_of_apisrs_generalised_blurs_have_a_beta_below_1_and_half_of_its_plateaus_exactly_1():
    pictures = draws("apisr")
    betas = {profile: values(pictures, "gaussian_blur", "beta", profile=profile) for profile in PROFILES}
    assert min(map(len, betas.values())) > 200
    assert set(betas["normal"]) == {1}
    assert np.mean([beta < 1 for beta in betas["generalised"]]) == pytest.approx(0.5, abs=0.06)
    assert np.mean([beta == 1 for beta in betas["plateau"]]) == pytest.approx(0.5, abs=0.06)  # of "1 to 1"
    assert 0.5 <= min(betas["generalised"]) < 0.55
    assert 3.8 < max(betas["generalised"]) <= 4
    assert 1.9 < max(betas["plateau"]) <= 2


def test_realesrgan_draws_what_was_published():
    pictures = draws("realesrgan", 3000)
    first = [next(s for s in steps if s.kind in ("gaussian_blur", "sinc_blur")) for steps in pictures]
    share = Counter("sinc" if s.kind == "sinc_blur" else (s.values["profile"], s.values["sigma_y"] > 0) for s in first)
    wanted = {
        "sinc": 0.1,
        ("normal", False): 0.405,
        ("normal", True): 0.225,
        ("generalised", False): 0.108,
        ("generalised", True): 0.027,
        ("plateau", False): 0.108,
        ("plateau", True): 0.027,
    }
    for kernel, chance in wanted.items():
        assert share[kernel] / len(first) == pytest.approx(chance, abs=0.03), kernel
    betas = {name: [s.values["beta"] for s in first if s.values.get("profile") == name] for name in PROFILES}
    assert all(beta == 1 for beta in betas["normal"])
    assert np.mean([beta < 1 for beta in betas["generalised"]]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([beta == 1 for beta in betas["plateau"]]) == pytest.approx(0.5, abs=0.05)  # of "1 to 1"
    assert max(betas["generalised"]) > 3.9
    assert 1.9 < max(betas["plateau"]) <= 2
    assert Counter(s.values["size"] for s in first).keys() == set(range(7, 22, 2))
    assert all(s.values["cutoff"] >= 1.047 for s in first if s.kind == "sinc_blur" and s.values["size"] < 13)
    qualities = values(pictures, "jpeg", "quality")
    assert (min(qualities), max(qualities)) == (30, 95)
    assert np.mean(qualities) == pytest.approx(62.5, abs=1)
    assert len(qualities) == 2 * len(pictures)
    sigmas = values(pictures, "gaussian_noise", "sigma")
    assert 1 <= min(sigmas) < 1.2
    assert 29.5 < max(sigmas) <= 30
    grey = Counter(values(pictures, "gaussian_noise", "channels") + values(pictures, "poisson_noise", "channels"))
    assert grey["grey"] / grey.total() == pytest.approx(0.4, abs=0.03)
    noises = Counter(s.kind for steps in pictures for s in steps if s.kind.endswith("noise"))
    assert noises["gaussian_noise"] / noises.total() == pytest.approx(0.5, abs=0.03)
    factors = np.array(values(pictures, "resize", "factor", of="current"))
    assert 0.15 <= factors.min() < 0.2
    assert 1.45 < factors.max() <= 1.5
    assert (factors < 1).sum() / len(pictures) == pytest.approx(0.7, abs=0.03)
    assert len(factors) / len(pictures) == pytest.approx(0.9, abs=0.03)


def test_realesrgan_ends_in_both_orders():
    ends = Counter()
    for steps in draws("realesrgan", 1000):
        kinds = [step.kind for step in steps if step.kind in ("jpeg", "resize")]
        ends[tuple(kinds[-2:])] += 1
        assert steps[-1].kind == "banding"
    assert ends.keys() == {("resize", "jpeg"), ("jpeg", "resize")}
    assert ends["resize", "jpeg"] / 1000 == pytest.approx(0.5, abs=0.05)


def test_waifu2x_level_3_saves_up_to_three_times_at_falling_quality():
    passes = Counter()
    for steps in draws("waifu2x_noise3", 3000):
        saved = [step for step in steps if step.kind == "jpeg"]
        passes[len(saved)] += 1
        qualities = [step.values["quality"] for step in saved]
        assert len({step.values["subsampling"] for step in saved}) <= 1
        if len(saved) > 1:
            assert 5 <= qualities[0] - qualities[1] <= (10 if len(saved) == 2 else 15)
        if len(saved) == 3:
            assert 15 <= qualities[0] - qualities[2] <= 25
    assert passes[0] / 3000 == pytest.approx(0.05, abs=0.02)
    for count, chance in ((2, 0.3), (3, 0.1)):
        assert passes[count] / 3000 == pytest.approx(0.95 * 0.875 * chance, abs=0.03)


@pytest.mark.parametrize(
    ("name", "low", "high", "rate"),
    [("waifu2x_noise0", 85, 95, 0.65), ("yu45020_1", 75, 95, 1), ("yu45020_2", 50, 75, 1)],
)
def test_the_single_pass_presets_draw_their_qualities(name, low, high, rate):
    pictures = draws(name)
    qualities = values(pictures, "jpeg", "quality")
    assert set(qualities) == set(range(low, high + 1))
    assert len(qualities) / len(pictures) == pytest.approx(rate, abs=0.03)


def test_apisr_ends_with_every_codec_at_its_rate():
    last = Counter()
    for steps in draws("apisr", 3000):
        end = steps[-1]
        last[end.values.get("codec", end.kind)] += 1
    for codec, chance in {
        "jpeg": 0.06, "webp": 0.1, "avif": 0.1, "mpeg2": 0.12, "mpeg4": 0.12, "h264": 0.3, "h265": 0.2
    }.items():  # fmt: skip
        assert last[codec] / 3000 == pytest.approx(chance, abs=0.025), codec
