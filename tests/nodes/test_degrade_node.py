"""The two degradation nodes and `senga degrade`, as a user sees them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_drawings import drawing
from sample_nodes import RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch import SengaError, Stopped
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.commands.degrade import index_of
from senga.nodes import host
from senga.nodes.degrade_image import SengaDegradeImage, SengaRecipeStep
from senga.training.degradation import KINDS, Recipe, Report, degrade, preset, preset_names

DEFAULTS = {"preset": "web_repost", "seed": 3, "scale": 2.0, "strength": 1.0}


def frames(count=2, height=24, width=30):
    return torch.from_numpy(np.stack([drawing(height, width, seed=i) for i in range(count)])).float() / 255


def test_frame_i_is_picture_i_and_the_report_replays_the_batch():
    image, report = SengaDegradeImage().degrade(frames(3), **DEFAULTS)
    assert image.shape == (3, 12, 15, 3)
    assert image.dtype == torch.float32
    document = json.loads(report)
    assert [frame["index"] for frame in document["frames"]] == [0, 1, 2]
    single, _ = degrade(frames(3)[2].numpy(), preset("web_repost").with_scale(2), seed=3, index=2)
    assert np.array_equal(image[2].numpy(), single)
    # Scale, strength, preset and seed have no effect on a replay.
    other = {"preset": "bicubic", "seed": 0, "scale": 4.0, "strength": 0.5}
    again, second = SengaDegradeImage().degrade(frames(3), **other, recipe=report)
    assert torch.equal(again, image)
    assert second == report


def test_scale_and_strength_reach_the_recipe():
    image, _ = SengaDegradeImage().degrade(frames(1), **{**DEFAULTS, "scale": 1.0, "strength": 0.0})
    assert torch.equal(image, frames(1))
    image, _ = SengaDegradeImage().degrade(frames(1), **{**DEFAULTS, "scale": 3.0})
    assert image.shape == (1, 8, 10, 3)


def test_values_a_little_outside_are_clamped_and_alpha_is_kept():
    picture = torch.cat((frames(1) * 1.1 - 0.05, torch.ones(1, 24, 30, 1)), dim=3)
    image, _ = SengaDegradeImage().degrade(picture, **DEFAULTS)
    assert image.shape == (1, 12, 15, 4)
    assert torch.equal(image[..., 3], torch.ones(1, 12, 15))


def test_chained_steps_make_a_recipe_that_the_node_takes():
    (one,) = SengaRecipeStep().append("gaussian_blur", '{"sigma": [0.5, 1]}', 1.0)
    (two,) = SengaRecipeStep().append("jpeg", '{"quality": 40}', 0.5, recipe=one)
    recipe = Recipe.from_json(two)
    assert [step.kind for step in recipe.steps] == ["gaussian_blur", "jpeg"]
    assert recipe.steps[1].probability == 0.5
    _, report = SengaDegradeImage().degrade(frames(8), **DEFAULTS, recipe=two)
    kinds = {tuple(s["step"] for s in frame["steps"]) for frame in json.loads(report)["frames"]}
    assert kinds == {("gaussian_blur", "resize"), ("gaussian_blur", "jpeg", "resize")}


@pytest.mark.parametrize("step", KINDS)
def test_every_step_can_be_appended_with_its_defaults(step):
    (text,) = SengaRecipeStep().append(step, "{}", 1.0)
    assert Recipe.from_json(text).steps[0].kind == step


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parameters": "{"}, "parameters: not JSON"),
        ({"parameters": "[1]"}, "expected an object like"),
        ({"parameters": '{"step": "webp"}'}, "without step and probability"),
        ({"parameters": '{"qualty": 3}'}, r"parameters: step 1 \(jpeg\): the key 'qualty' is unknown; did you mean"),
        ({"recipe": '{"steps": 1}'}, "recipe: steps is 1"),
    ],
)
def test_a_faulty_step_is_named(given, message):
    with pytest.raises(SengaError, match=message):
        SengaRecipeStep().append(**{"step": "jpeg", "parameters": "{}", "probability": 1.0, **given})


def test_a_report_takes_no_further_steps():
    _, report = degrade(drawing(8, 8), preset("bicubic"))
    with pytest.raises(SengaError, match="recipe is a report, whose values are already drawn"):
        SengaRecipeStep().append("jpeg", "{}", 1.0, recipe=report.to_json())


def test_a_report_of_other_versions_is_replayed_with_a_warning(caplog):
    _, report = degrade(drawing(8, 8), preset("bicubic"))
    old = Report(report.entries, versions={"pillow": "1.0"})
    SengaDegradeImage().degrade(frames(1), **DEFAULTS, recipe=old.to_json())
    assert "pillow 1.0 then" in caplog.text


def test_progress_and_cancel_reach_the_node(monkeypatch):
    seen = []
    monkeypatch.setattr(host.standalone, "progress", lambda done, total: seen.append((done, total)))
    SengaDegradeImage().degrade(frames(2), **DEFAULTS)
    assert seen == [(1, 2), (2, 2)]
    monkeypatch.setattr(host.standalone, "should_stop", lambda: True)
    with pytest.raises(Stopped, match="stopped after 0 of 2 frames"):
        SengaDegradeImage().degrade(frames(2), **DEFAULTS)


@pytest.mark.usefixtures("own_folder")
class TestCommand:
    def test_a_report_gives_the_same_bytes(self, capsys):
        Image.fromarray(drawing()).save("input/b.png")
        options = ["--preset", "realesrgan", "--seed", "5", "--report"]
        assert main(["degrade", "input/b.png", "-o", "new/b.png", *options]) == OK
        assert Path(capsys.readouterr().out.strip()) == Path("new/b.png")
        assert Image.open("new/b.png").size == (48, 40)
        assert main(["degrade", "input/b.png", "-o", "again.png", "--recipe", "new/b.json"]) == OK
        assert Path("again.png").read_bytes() == Path("new/b.png").read_bytes()
        assert not Path("again.json").exists()

    def test_the_index_comes_from_the_name_whatever_is_given_with_it(self):
        Path("input/sub").mkdir()
        for i, name in enumerate(("c", "b", "d")):
            Image.fromarray(drawing(20, 20, seed=i)).save(f"input/{name}.png")
        Path("input/notes.txt").write_text("no picture")
        for given, out in ((["input"], "one"), (["input/d.png", "input/b.png", "input"], "two/")):
            assert main(["degrade", *given, "-o", out, "--preset", "apisr", "--report"]) == OK
        assert sorted(p.name for p in Path("one").glob("*.png")) == ["a.png", "b.png", "c.png", "d.png"]
        for name in "abcd":
            assert Path(f"one/{name}.png").read_bytes() == Path(f"two/{name}.png").read_bytes()
            assert json.loads(Path(f"one/{name}.json").read_text())["frames"][0]["index"] == index_of(f"{name}.png")

    def test_a_folder_of_one_picture_becomes_a_folder(self):
        assert main(["degrade", "input", "-o", "out"]) == OK
        assert [path.name for path in Path("out").glob("[!.]*")] == ["a.png"]

    def test_alpha_is_kept_and_grey_becomes_colour(self):
        assert main(["degrade", "input/a.png", "-o", "a.png", "--scale", "1", "--strength", "0"]) == OK
        alpha = np.asarray(Image.open("a.png"))[..., 3]
        assert np.array_equal(alpha, RGBA[..., 3])
        Image.fromarray(drawing()).convert("L").save("input/g.png")
        assert main(["degrade", "input/g.png", "-o", "g.png"]) == OK
        assert Image.open("g.png").mode == "RGB"

    def test_a_recipe_file_brings_its_own_scale(self):
        Path("r.json").write_text('{"scale": 4, "steps": [{"step": "jpeg"}]}')
        Image.fromarray(drawing()).save("input/b.png")
        assert main(["degrade", "input/b.png", "-o", "b.png", "--recipe", "r.json"]) == OK
        assert Image.open("b.png").size == (24, 20)
        assert main(["degrade", "input/b.png", "-o", "b.png", "--recipe", "r.json", "--scale", "1"]) == OK
        assert Image.open("b.png").size == (96, 80)

    def test_it_goes_on_after_a_bad_file(self, capsys):
        Path("input/bad.png").touch()
        Image.fromarray(drawing()).save("input/c.png")
        assert main(["degrade", "input", "-o", "out"]) == FAILED
        assert sorted(p.name for p in Path("out").glob("[!.]*")) == ["a.png", "c.png"]
        assert "bad.png: the file is empty" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "name pictures or folders, and an output with -o"),
            (["input/a.png"], "name pictures or folders, and an output with -o"),
            (["input/a.png", "-o", "b.jpg"], "pictures are written as PNG"),
            (["models", "-o", "out"], "models: no picture was found"),
            (["input/a.png", "-o", "b.png", "--preset", "webrepost"], "did you mean 'web_repost'"),
            (["input/a.png", "-o", "b.png", "--scale", "9"], "--scale: 9.0 is above the maximum of 4.0"),
            (["input/a.png", "-o", "b.png", "--seed", "-1"], "--seed: -1 is below the minimum"),
            (["input/a.png", "-o", "b.png", "--recipe", "gone.json"], "--recipe gone.json: the file cannot be read"),
            (
                ["input/a.png", "-o", "b.png", "--recipe", "input/a.png"],
                "input/a.png: byte 8 is 0, so this is not UTF-8 text",
            ),
            (["input/a.png", "-o", "b.png", "--recipe", "bad.json"], "bad.json: step 1: the step 'jpg' is unknown"),
            (
                ["input/a.png", "-o", "b.png", "--recipe", "done.json", "--seed", "2"],
                "replayed as it is; leave out --seed",
            ),
            (["--sheet", "input/a.png", "s.jpg"], "the sheet is written as PNG"),
            (["input/a.png", "--sheet", "input/a.png", "s.png"], "--sheet draws one picture under every preset"),
        ],
    )
    def test_usage_faults(self, arguments, message, capsys):
        Path("bad.json").write_text('{"steps": [{"step": "jpg"}]}')
        Path("done.json").write_text(degrade(drawing(8, 8), preset("bicubic"))[1].to_json())
        assert main(["degrade", *arguments]) == USAGE
        assert message in capsys.readouterr().err
        assert not Path("b.png").exists()

    def test_a_sheet_shows_every_preset(self, capsys):
        Image.fromarray(drawing(40, 48)).save("input/b.png")
        assert main(["degrade", "--sheet", "input/b.png", "s.png", "--seed", "1"]) == OK
        assert capsys.readouterr().out.strip() == "s.png"
        with Image.open("s.png") as sheet:
            columns, rows = (sheet.width - 8) // (48 + 8), (sheet.height - 8) // (40 + 22 + 8)
            assert columns * rows >= len(preset_names()) + 1
            original = np.asarray(sheet)[8 + 22 : 8 + 22 + 40, 8 : 8 + 48]
            assert np.array_equal(original, drawing(40, 48))
            second = np.asarray(sheet)[8 + 22 : 8 + 22 + 40, 8 + 56 : 8 + 56 + 48]
            assert len(np.unique(second.reshape(-1, 3), axis=0)) > 20
