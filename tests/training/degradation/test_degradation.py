"""degrade(): the same arguments give the same bits, reports replay, and presets draw as they were published."""

import concurrent.futures
import multiprocessing
import sys

import numpy as np
import pytest
from PIL import Image
from sample_drawings import digest, drawing, why_bits_may_differ
from senga.arch import SengaError
from senga.training.degradation import Recipe, Report, degrade, preset, preset_names
from senga.training.degradation.engine import draw

# preset: digests of drawing() at scale 2 under seeds 0, 1 and 2. A change here changes what users' seeds give.
GOLDEN = {
    "apisr": ["0ff01802c0052a22", "488ba25373978d28", "83782a456914668e"],
    "bicubic": ["2d31de1a6974524d", "2d31de1a6974524d", "2d31de1a6974524d"],
    "dvd_anime": ["72bcf939758ccd35", "2e43ed7b424eabb4", "aa44e487dcf108aa"],
    "manga_scan": ["7fea02b0c5821eeb", "ed278e000ab2d02d", "fd23be3df3cea93a"],
    "old_web": ["1ab899d84203f9ff", "f868b6b0c86e0827", "da05715a7c8f1c06"],
    "vhs_anime": ["31a8ca9bfee48c57", "4005603c98454ca8", "fb4533da7c6b2407"],
    "realesrgan": ["c8afaf0ef2d122b4", "374a47fef8a102b8", "aed65ef49c189a45"],
    "realesrgan_mild": ["8ee23657fd6f0170", "69f6ede21acb7b7b", "b24190462e6e5bc3"],
    "screentone": ["7c6242c639b5387d", "2ae6701f7004f3dd", "175b2b8f222de758"],
    "senga_blind": ["02ba1205f7eb0843", "26bec68af90a4112", "9e333e2709d25838"],
    "senga_clean": ["2d31de1a6974524d", "2d31de1a6974524d", "6e0a7d6febe31b31"],
    "waifu2x_noise0": ["66c1124766dfde43", "932ffbae0ccfe653", "ae7c553657347c1b"],
    "waifu2x_noise1": ["8df9147e517fad1c", "347b4174928ce380", "5c634a732bd82fe3"],
    "waifu2x_noise2": ["ce797666688d1a31", "af6a8e0c0cc3d3fc", "9f5b89b9dedc0838"],
    "waifu2x_noise3": ["ce797666688d1a31", "af6a8e0c0cc3d3fc", "9f5b89b9dedc0838"],
    "web_repost": ["71fad777e0e6b01b", "17fe5d2e15e8a8b1", "e6d4f07c5c2c6613"],
    "yu45020_1": ["7f7d4f4b6c322db3", "87be191b68010873", "0ee7cb12086bfc66"],
    "yu45020_2": ["148f984ad22af723", "880bf2a17d62c53c", "5b666ed37e26ae0c"],
}
PRESETS = (
    "bicubic",
    "waifu2x_noise0",
    "waifu2x_noise1",
    "waifu2x_noise2",
    "waifu2x_noise3",
    "yu45020_1",
    "yu45020_2",
    "realesrgan",
    "realesrgan_mild",
    "apisr",
    "web_repost",
    "screentone",
    "senga_clean",
    "senga_blind",
    "dvd_anime",
    "vhs_anime",
    "old_web",
    "manga_scan",
)


def test_the_presets_are_all_there():
    assert set(preset_names()) == set(PRESETS) == set(GOLDEN)
    for name in PRESETS:
        assert preset(name).name == name
        assert len(preset(name).source) > 30


@pytest.mark.skipif(bool(why_bits_may_differ()), reason=why_bits_may_differ())
@pytest.mark.parametrize("name", PRESETS)
def test_a_seed_gives_the_recorded_picture(name):
    recipe = preset(name).with_scale(2)
    found = [digest(degrade(drawing(), recipe, seed=seed)[0]) for seed in (0, 1, 2)]
    assert found == GOLDEN[name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_report_replays_the_picture_bit_for_bit_and_fits_another_one(name):
    picture = drawing().astype(np.float32) / 255
    result, report = degrade(picture, preset(name).with_scale(2), seed=9, index=3)
    read = Report.from_json(report.to_json())
    assert read == report
    again, second = degrade(picture, read, index=3)
    assert np.array_equal(again, result)
    assert second == report
    other, third = degrade(drawing(50, 30, seed=1), read)
    assert other.shape == (25, 15, 3)
    assert third.entries[0].steps[: len(report.entries[0].steps)] == report.entries[0].steps


def test_the_bicubic_preset_is_pillows_bicubic():
    wanted = np.asarray(Image.fromarray(drawing()).resize((48, 40), Image.Resampling.BICUBIC))
    assert np.array_equal(degrade(drawing(), preset("bicubic").with_scale(2), seed=8)[0], wanted)


@pytest.mark.parametrize("name", ["realesrgan", "apisr", "web_repost", "screentone"])
def test_a_picture_is_the_same_alone_in_a_batch_and_in_another_order(name):
    pictures = np.stack([drawing(40, 48, seed=i) for i in range(4)])
    recipe = preset(name).with_scale(2)
    batch, report = degrade(pictures, recipe, seed=4)
    assert [entry.index for entry in report.entries] == [0, 1, 2, 3]
    for i in (2, 0, 3, 1):
        alone, own = degrade(pictures[i], recipe, seed=4, index=i)
        assert np.array_equal(alone, batch[i])
        assert own.entries[0] == report.entries[i]
    assert np.array_equal(degrade(pictures[2:], recipe, seed=4, index=2)[0], batch[2:])
    assert np.array_equal(degrade(pictures, Report.from_json(report.to_json()))[0], batch)


def work(i):
    return digest(degrade(drawing(40, 48, seed=i), preset("realesrgan").with_scale(2), seed=4, index=i)[0])


def test_one_or_four_workers_make_the_same_pictures():
    wanted = [work(i) for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == wanted
    if sys.platform == "linux":  # elsewhere a new process would have to find this module first
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.map(work, range(8)) == wanted
    assert len(set(wanted)) == 8


def test_nothing_global_is_read_or_changed():
    picture = drawing(40, 48)
    before = picture.copy()
    np.random.seed(1)
    wanted = np.random.random()
    np.random.seed(1)
    first, _ = degrade(picture, preset("realesrgan"), seed=1)
    assert np.random.random() == wanted
    assert np.array_equal(degrade(picture, preset("realesrgan"), seed=1)[0], first)
    assert np.array_equal(picture, before)


def test_seeds_and_indices_of_64_bits_do_not_collide():
    recipe = Recipe.from_data({"steps": [{"step": "gaussian_noise"}]})
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    drawn = {draw(recipe.steps, seed, (index,))[0].values["seed"] for seed in seeds for index in (0, 1, 7)}
    assert len(drawn) == len(seeds) * 3


def test_floats_and_levels_give_the_same_picture():
    picture = drawing()
    levels, _ = degrade(picture, preset("web_repost").with_scale(2), seed=3)
    floats, _ = degrade(picture.astype(np.float32) / 255, preset("web_repost").with_scale(2), seed=3)
    assert levels.dtype == np.uint8
    assert floats.dtype == np.float32
    assert np.array_equal(np.rint(floats * 255).astype(np.uint8), levels)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (33, 17)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_every_size_down_to_one_pixel_ends_at_its_exact_size(name, size, scale):
    for seed in (0, 1):
        result, _ = degrade(drawing(*size), preset(name).with_scale(scale), seed=seed)
        assert result.shape == (*(max(1, int(side / scale + 0.5)) for side in size), 3)


def test_a_recipe_that_forgets_the_size_is_fitted_and_says_so():
    recipe = Recipe.from_data({"steps": [{"step": "resize", "factor": 0.7}], "scale": 3})
    result, report = degrade(drawing(80, 96), recipe)
    assert result.shape == (27, 32, 3)
    assert [step.values["of"] for step in report.entries[0].steps] == ["current", "final"]
    assert np.array_equal(degrade(drawing(80, 96), report)[0], result)


def test_alpha_is_passed_through_and_clear_pixels_lend_no_colour():
    alpha = np.zeros((40, 48, 1), np.uint8)
    alpha[8:32, 8:40] = 255
    colour = np.where(alpha > 0, np.uint8(220), np.uint8(0)).repeat(3, axis=2)
    picture = np.concatenate((colour, alpha), axis=2)
    recipe = preset("yu45020_2")
    result, _ = degrade(picture, recipe, seed=1)
    assert np.array_equal(result[..., 3:], alpha)
    assert result[..., :3].min() > 200
    half, _ = degrade(picture, recipe.with_scale(2), seed=1)
    assert half.shape == (20, 24, 4)
    assert np.array_equal(half[6:14, 6:18, 3], np.full((8, 12), 255))
    assert set(np.unique(half[..., 3])) != {0}
    assert not half[:2, :, 3].any()


def test_strength_0_leaves_only_the_size_and_1_the_recipe_itself():
    picture = drawing()
    for name in PRESETS:
        assert np.array_equal(degrade(picture, preset(name).weakened(0), seed=1)[0], picture), name
        assert preset(name).weakened(1) is preset(name)


def test_less_strength_does_less_damage():
    picture = drawing().astype(np.float32) / 255
    for name in ("realesrgan", "apisr", "screentone", "waifu2x_noise3"):
        errors = []
        for strength in (0.0, 0.3, 0.6, 1.0):
            results = [degrade(picture, preset(name).weakened(strength), seed=s)[0] for s in range(6)]
            errors.append(float(np.mean([np.abs(result - picture).mean() for result in results])))
        assert errors == sorted(errors), name
        assert errors[0] == 0 < errors[1]


def test_strength_keeps_the_draws():
    """Weaker, not other: each amount moves along its own line."""
    full, half = (draw(preset("yu45020_2").weakened(s).steps, 3, (0,)) for s in (1.0, 0.99))
    assert abs(full[1].values["quality"] - half[1].values["quality"]) <= 1
    assert full[0].values["filter"] == half[0].values["filter"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((4, 4), np.uint8)}, r"ndarray \(4, 4\); expected a numpy array"),
        ({"image": [[0]]}, "the image is a list"),
        ({"image": np.zeros((0, 4, 3), np.uint8)}, "expected a numpy array"),
        ({"image": np.zeros((4, 4, 3))}, "holds float64; expected uint8"),
        ({"image": np.full((4, 4, 3), 255, np.float32)}, "run from 255.0 to 255.0; expected 0 to 1"),
        ({"image": np.full((4, 4, 3), np.nan, np.float32)}, "run from nan to nan"),
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"seed": 2**64}, "expected a whole number from 0"),
        ({"index": 1.5}, "index is 1.5"),
    ],
)
def test_what_is_no_picture_or_seed_is_refused(given, message):
    arguments = {"image": drawing(4, 4), "recipe": preset("bicubic"), **given}
    with pytest.raises(SengaError, match=message):
        degrade(arguments.pop("image"), arguments.pop("recipe"), **arguments)


@pytest.mark.skipif(bool(why_bits_may_differ()), reason=why_bits_may_differ())
def test_a_report_of_the_first_version_gives_the_picture_that_it_gave_then():
    """Recorded before steps of analogue video and ranges with a median were added."""
    names = ("size", "sigma", "sigma_y", "rotation", "profile", "beta")
    steps = [
        {"step": "gaussian_blur"} | dict(zip(names, (7, 1.0, 0.0, 0.0, "generalised", 2.5), strict=True)),
        {"step": "resize", "factor": 1.0, "filter": "area", "of": "final", "light": "encoded", "depth": "float"},
        {"step": "palette", "colours": 40, "dither": "floyd_steinberg"},
        {"step": "banding", "levels": 64},
        {"step": "video", "codec": "h264", "quantiser": 30, "speed": "medium", "shift_x": 3, "shift_y": 0},
        {"step": "gaussian_noise", "sigma": 3.0, "channels": "colour", "seed": 8751030349208460},
        {"step": "misregister", "x": 1.0, "y": 0.0, "what": "chroma"},
    ]
    frame = {"index": 0, "height": 80, "width": 96, "scale": 2.0, "steps": steps}
    report = Report.from_data({"format": "senga-report-1", "recipe": "old", "seed": 3, "frames": [frame]})
    assert digest(degrade(drawing(), report)[0]) == "d4ab24e6da4fc974"


def test_a_report_without_the_index_is_refused():
    _, report = degrade(np.stack([drawing(8, 8)] * 2), preset("bicubic"))
    with pytest.raises(SengaError, match="has 2 pictures, 0 to 1, and none of index 2"):
        degrade(drawing(8, 8), report, index=2)
