"""Recipes and reports as JSON: exact round trips, and every mistake named by its place."""

import json
from collections import Counter

import pytest
from repository import ROOT
from sample_drawings import drawing
from senga.arch import SengaError
from senga.training.degradation import Recipe, Report, degrade, preset, preset_names, read_document
from senga.training.degradation.engine import draw
from senga.training.degradation.params import Number
from senga.training.degradation.steps import KINDS

JPEG = {"step": "jpeg", "quality": [60, 90]}


def steps(*items):
    return {"steps": list(items)}


def report_of(**changes):
    frame = json.loads(degrade(drawing(8, 8), Recipe.from_data(steps(JPEG)))[1].to_json())
    frame["frames"][0]["steps"][0].update(changes)
    return frame


@pytest.mark.parametrize("name", preset_names())
def test_presets_round_trip(name):
    for recipe in (preset(name), preset(name).with_scale(3).weakened(0.4), preset(name).weakened(0)):
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert Recipe.from_json(recipe.to_json()).to_json() == recipe.to_json()


def test_every_spelling_round_trips():
    text = json.dumps(
        {
            "name": "名前",
            "scale": 2,
            **steps(
                {"step": "shuffle", "probability": 0.5, "steps": [JPEG, {"step": "palette"}]},
                {"step": "choose", "among": [{"steps": [JPEG]}, {"weight": 0, "steps": []}]},
                {"step": "jpeg", "subsampling": {"4:2:0": 0.1, "4:4:4": 3}, "then": [3, [1, 2]]},
                {"step": "gaussian_blur", "size": [3, 9], "sigma": 0.1},
            ),
        }
    )
    recipe = Recipe.from_json(text)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "名前" in recipe.to_json()


def test_a_document_with_frames_is_a_report():
    assert isinstance(read_document(json.dumps(report_of())), Report)
    assert isinstance(read_document(json.dumps(steps())), Recipe)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"recipe is \[\]; expected an object"),
        ({}, "recipe: the key 'steps' is missing"),
        ({"stepps": []}, "recipe: the key 'stepps' is unknown; did you mean 'steps'"),
        ({"steps": {}}, r"steps is \{\}; expected a list"),
        ({"steps": [], "format": "senga-recipe-9"}, "format is 'senga-recipe-9'; this version reads"),
        ({"steps": [], "name": 3}, "name is 3; expected a text"),
        ({"steps": [], "scale": 0.5}, r"scale is 0.5; expected 1 \(the same size\) to 16"),
        (steps("jpeg"), "recipe: step 1 is 'jpeg'; expected an object like"),
        (steps(JPEG, {"step": "jpg"}), "recipe: step 2: the step 'jpg' is unknown; did you mean 'jpeg'"),
        (steps({"step": "jpeg", "qualty": 5}), r"step 1 \(jpeg\): the key 'qualty' is unknown; did you mean 'quality'"),
        (steps({"step": "jpeg", "quality": [90, 60]}), r"quality is \[90, 60\], upside down"),
        (steps({"step": "jpeg", "quality": [60]}), r"quality has 1 ends; a range is \[low, high\]"),
        (
            steps({"step": "jpeg", "quality": [1, 2, 3]}),
            r"quality has a median; a range of whole numbers is \[low, high\]",
        ),
        (steps({"step": "levels", "gamma": [1, 0.5, 2]}), r"gamma is \[1.0, 0.5, 2.0\], upside down"),
        (steps({"step": "jpeg", "quality": 101}), "quality is 101; expected 1 to 100"),
        (steps({"step": "jpeg", "quality": 60.5}), "quality is 60.5; expected a whole number"),
        (steps({"step": "jpeg", "quality": True}), "quality is True; expected a whole number"),
        (steps({"step": "jpeg", "quality": "60"}), "quality is '60'; expected a whole number"),
        (steps({"step": "jpeg", "subsampling": "4:1:1"}), "the value '4:1:1' is unknown; did you mean"),
        (steps({"step": "jpeg", "subsampling": 420}), "subsampling is 420; expected one of 4:4:4"),
        (steps({"step": "jpeg", "subsampling": {}}), "has no weight above 0"),
        (steps({"step": "jpeg", "subsampling": {"4:2:0": -1}}), "the weight of '4:2:0' is -1; expected a number of 0"),
        (steps({"step": "jpeg", "then": 5}), "then is 5; expected a list"),
        (steps({"step": "jpeg", "then": [[9, 5]]}), r"then\[0\] is \[9, 5\], upside down"),
        (steps({"step": "jpeg", "probability": 1.5}), "probability is 1.5; expected a number from 0 to 1"),
        (steps({"step": "gaussian_blur", "size": 8}), "size is 8; expected an odd whole number, such as 7"),
        (steps({"step": "gaussian_blur", "sigma": float("nan")}), "sigma is nan; expected a number"),
        (steps({"step": "choose", "steps": []}), r"\(choose\): the key 'steps' is unknown"),
        (steps({"step": "choose", "among": []}), r"among is \[\]; expected a list like"),
        (steps({"step": "choose", "among": [{"weight": 0, "steps": []}]}), "no branch has a weight above 0"),
        (
            steps({"step": "choose", "among": [{"steps": [{"step": "webp", "qality": 1}]}]}),
            r"step 1 \(choose\): branch 1: step 1 \(webp\): the key 'qality'",
        ),
    ],
)
def test_a_faulty_recipe_is_one_sentence_that_names_the_place(data, message):
    with pytest.raises(SengaError, match=message) as error:
        Recipe.from_data(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON .line 1, column 2"),
        ('{"steps": [], "steps": []}', "the key 'steps' is there twice"),
        ("[" * 100_000, "this is not JSON|nested too deeply"),
    ],
)
def test_text_that_is_no_json_is_refused(text, message):
    with pytest.raises(SengaError, match=message):
        Recipe.from_json(text)


def test_groups_may_not_be_endless():
    data = steps(JPEG)
    for _ in range(20):
        data = steps({"step": "shuffle", **data})
    with pytest.raises(SengaError, match="more than 8 deep"):
        Recipe.from_data(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quality": [60, 90]}, r"frame 1: step 1 \(jpeg\): quality is \[60, 90\], not drawn yet"),
        ({"subsampling": {"4:2:0": 1}}, "not drawn yet; a report holds one value"),
        ({"probability": 0.5}, "is not drawn yet; a report holds only what was done"),
        ({"then": [5]}, "then is not drawn yet"),
        ({"quality": 200}, "quality is 200; expected 1 to 100"),
    ],
)
def test_a_report_holds_drawn_values_alone(changes, message):
    with pytest.raises(SengaError, match=message):
        Report.from_data(report_of(**changes))


def test_a_report_with_a_missing_value_or_a_double_index_is_refused():
    data = report_of()
    del data["frames"][0]["steps"][0]["quality"]
    with pytest.raises(SengaError, match="the key 'quality' is missing; a report holds every value"):
        Report.from_data(data)
    data = report_of()
    data["frames"] = [{**data["frames"][0], "index": 4}] * 2
    with pytest.raises(SengaError, match="index 4 is there twice"):
        Report.from_data(data)


def test_a_report_names_the_versions_that_differ():
    report = Report.from_data(report_of())
    assert report.differences() == []
    assert report.versions["pillow"]
    changed = Report(report.entries, versions={**report.versions, "pillow": "1.0"})
    assert changed.differences() == [f"pillow 1.0 then, {report.versions['pillow']} now"]


def test_whole_and_odd_ranges_hold_both_ends_evenly():
    recipe = Recipe.from_data(steps({"step": "gaussian_blur", "size": [3, 9]}, {"step": "banding", "levels": [2, 4]}))
    drawn = [draw(recipe.steps, 0, (i,)) for i in range(3000)]
    sizes, levels = (Counter(d[k].values[n] for d in drawn) for k, n in ((0, "size"), (1, "levels")))
    assert sizes.keys() == {3, 5, 7, 9}
    assert levels.keys() == {2, 3, 4}
    assert min(sizes.values()) > 650
    assert min(levels.values()) > 900


def test_half_of_the_draws_are_below_a_median():
    recipe = Recipe.from_data(steps({"step": "gaussian_blur", "beta": [0.5, 1, 4]}))
    assert Recipe.from_json(recipe.to_json()) == recipe
    drawn = [draw(recipe.steps, 0, (i,))[0].values["beta"] for i in range(2000)]
    low, high = ([beta for beta in drawn if (beta < 1) == side] for side in (True, False))
    assert len(low) / len(drawn) == pytest.approx(0.5, abs=0.03)
    assert (sum(low) / len(low), sum(high) / len(high)) == pytest.approx((0.75, 2.5), abs=0.08)
    assert 0.5 <= min(drawn) < 0.51
    assert 3.97 < max(drawn) <= 4


def test_a_shuffle_runs_each_step_once_in_every_order():
    inner = [{"step": "banding"}, {"step": "jpeg"}, {"step": "palette"}]
    recipe = Recipe.from_data(steps({"step": "shuffle", "steps": inner}))
    orders = Counter(tuple(s.kind for s in draw(recipe.steps, 0, (i,))) for i in range(1200))
    assert len(orders) == 6
    assert min(orders.values()) > 140
    assert all(sorted(order) == ["banding", "jpeg", "palette"] for order in orders)


def test_a_step_added_at_the_end_leaves_all_earlier_draws():
    short, long = (Recipe.from_data(steps(*[JPEG] * n)) for n in (2, 3))
    for i in range(20):
        assert draw(long.steps, 1, (i,))[:2] == draw(short.steps, 1, (i,))


def test_every_parameter_takes_its_own_default_and_neutral():
    for kind, entry in KINDS.items():
        for name, parameter in entry.parameters.items():
            parameter.check(parameter.default, f"{kind}.{name}")
            if isinstance(parameter, Number) and parameter.neutral is not None:
                assert parameter.weaken(parameter.check(parameter.default, name), 0) == parameter.neutral
                assert parameter.low <= parameter.neutral <= parameter.high


@pytest.mark.parametrize("strength", [-0.1, 1.1, True, "1"])
def test_a_strength_outside_0_to_1_is_refused(strength):
    with pytest.raises(SengaError, match="expected a number from 0"):
        preset("bicubic").weakened(strength)


def test_an_unknown_preset_is_named_with_the_nearest():
    with pytest.raises(SengaError, match="the preset 'realesgan' is unknown; did you mean 'realesrgan'"):
        preset("realesgan")


def test_the_documentation_names_every_preset_step_and_parameter():
    text = (ROOT / "docs" / "degradation.md").read_text(encoding="utf-8")
    table = [[cell.strip() for cell in line.split("|")[1:3]] for line in text.splitlines() if line.startswith("|")]
    assert {f"`{name}`" for name in preset_names()} <= {row[0] for row in table}
    step, found = "", set()
    for first, second in table:
        step = first.strip("*`") if first.startswith("**") else step
        found.add((step, second.strip("`")))
    assert {(kind, name) for kind, entry in KINDS.items() for name in entry.parameters} <= found


def test_the_documentations_example_is_a_recipe():
    text = (ROOT / "docs" / "degradation.md").read_text(encoding="utf-8")
    recipe = Recipe.from_json(text.split("```json")[1].split("```")[0])
    assert degrade(drawing(20, 24), recipe, seed=1)[0].shape == (10, 12, 3)
