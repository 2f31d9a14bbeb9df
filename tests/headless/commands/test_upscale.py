"""`senga upscale` as a user types it: alpha and grey kept, bad files passed over, nothing overwritten by mistake."""

import dataclasses
from argparse import Namespace
from pathlib import Path

import pytest
from PIL import Image
from sample_nodes import MADE, RGBA, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.commands.upscale import settings_of
from senga.headless.workflow.options import UPSCALERS, find_model
from senga.nodes import host

pytestmark = pytest.mark.usefixtures("own_folder")

MODEL = ["--model", "models/" + MADE]


def test_upscale_one_picture_and_keep_its_alpha(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "input/a.png", "-o", "new/big.png", *MODEL]) == OK
    assert Path(capsys.readouterr().out.strip()) == Path("new/big.png")
    with Image.open("new/big.png") as picture:
        assert (picture.size, picture.mode) == ((10, 12), "RGBA")


@pytest.mark.parametrize(("mode", "saved"), [("1", "L"), ("L", "L"), ("LA", "RGBA"), ("P", "RGB"), ("RGB", "RGB")])
def test_upscale_keeps_grey_and_colour(mode: str, saved: str) -> None:
    Image.fromarray(RGBA).convert("LA" if mode == "LA" else "RGB").convert(mode).save("input/b.png")
    assert main(["upscale", "input/b.png", "-o", "b.png", *MODEL]) == OK
    assert Image.open("b.png").mode == saved


def test_upscale_several_goes_on_after_a_bad_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("input/bad.png").touch()
    Image.fromarray(RGBA[..., :3]).save("input/c.jpg")
    assert main(["upscale", "input/a.png", "input/bad.png", "input/c.jpg", "-o", "big", *MODEL]) == FAILED
    out, err = capsys.readouterr()
    assert [Path(line) for line in out.splitlines()] == [Path("big/a.png"), Path("big/c.png")]
    line, last = err.splitlines()
    assert "bad.png: the file is empty" in line
    assert last == f"senga: 3 pictures: 2 done, 0 skipped, 1 failed ({Path('input/bad.png')})"
    assert sorted(path.name for path in Path("big").glob("[!.]*")) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--scale", "3"], (15, 18)),
        (["--width", "20"], (20, 24)),
        (["--height", "6"], (5, 6)),
        (["--width", "7", "--height", "9"], (7, 9)),
        (["--width", "30", "--height", "9", "--fit", "pad"], (30, 9)),
        (["--tile", "16", "--halo", "0", "--precision", "fp32", "--self-ensemble"], (10, 12)),
    ],
)
def test_upscale_options_reach_the_node(options: list[str], size: tuple[int, int]) -> None:
    assert main(["upscale", "input/a.png", "-o", "b.png", *MODEL, *options]) == OK
    assert Image.open("b.png").size == size


def test_the_fit_changes_the_picture_and_counts_as_a_setting_only_where_it_does() -> None:
    made = {}
    for fit in ("crop", "pad", "stretch"):
        assert main(["upscale", "input", "-o", fit, *MODEL, "--width", "20", "--height", "9", "--fit", fit]) == OK
        made[fit] = Path(fit, "a.png").read_bytes()
    assert len(set(made.values())) == 3
    plain = {"width": 0, "height": 20, "scale": 0.0}
    none = Namespace(quality=None, depth=None, strip=False)
    found = [settings_of(Path("models", MADE), {**plain, "fit": fit}, none, "png") for fit in ("crop", "pad")]
    assert found[0] == found[1]
    assert "fit" not in found[0]


def test_a_tile_too_small_is_refused_once_before_any_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upscale", "input", "-o", "big", *MODEL, "--tile", "5"]) == USAGE
    assert capsys.readouterr().err == (
        "senga: --tile: tile is 5; expected 0 (chosen from the free memory), or 16 to 8192\n"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--scale", "99"], "--scale: 99.0 is above the maximum of 16.0"),
        (["--tile", "-5"], "--tile: -5 is below the minimum of 0"),
        (["--precision", "int8"], "--precision: 'int8' is not in the list; choose from: auto, fp32, bf16, fp16"),
        (["--model", "none"], "--model none: neither a known model nor a file; "),
        (["-o", "b.txt"], "-o b.txt: not the ending of a picture; use .png, "),
        (["-o", "b.jpg", "--format", "webp"], "-o b.jpg: the name says jpeg, --format says webp"),
        (["--quality", "90"], "--quality 90: png has no quality"),
        (["-o", "b.webp", "--quality", "0"], "--quality 0: expected 1 to 100"),
        (["--workers", "0"], "--workers 0: expected 1 to 64"),
        (["other/*.png", "-o", "big"], f"{Path('other/*.png')}: no picture was found"),
        (["other/b.png"], "-o out.png: with more than one picture this must be a folder"),
        (["-o", "input"], "its own result would replace it"),
        (["other/a.jpg", "-o", "big"], "run them separately"),
        (["other/a.jpg", "-o", "big/"], "run them separately"),
    ],
)
def test_upscale_usage_faults(changes: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = changes[:1] if changes[0].startswith("other/") else []
    options = ["-o", "out.png", *MODEL, *changes[len(pictures) :]]
    assert main(["upscale", "input/a.png", *pictures, *options]) == USAGE
    assert message in capsys.readouterr().err
    assert not Path("out.png").exists()


def test_upscale_refuses_what_the_network_refuses_with_the_files_name(capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--width", "65536", "--height", "1", "--fit", "stretch"]
    assert main(["upscale", "input/a.png", "-o", "b.png", *MODEL, *shape]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"senga: {Path('input/a.png')}: 5x6 to 65536x1 pixels would pass through a side of ")


@pytest.mark.parametrize(
    ("model", "found"),
    [(None, "first"), ("second.safetensors", "second.safetensors"), ("second", "second.safetensors")],
)
def test_a_model_may_be_named_or_is_our_default(model: str | None, found: str) -> None:
    names = ["first", "second.safetensors"]
    for name in names:
        Path("models", name).touch()
    kind = dataclasses.replace(UPSCALERS, names=lambda: names, path=lambda name: Path("models", name))
    assert find_model(model, kind) == Path("models", found)
    assert find_model("models/first", kind) == Path("models/first")


@pytest.mark.parametrize(
    ("command", "model", "words"),
    [
        (["upscale", "input/a.png", "-o", "b.png"], "senga_tagger_large", "is a tagger; use `senga tag`"),
        (["tag", "input/a.png", "--print"], "senga_compact_x2", "is an upscaler; use `senga upscale`"),
    ],
)
def test_a_model_for_the_other_command_names_that_command(
    command: list[str], model: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--model", model]) == USAGE
    assert capsys.readouterr().err == f"senga: --model {model}: {words}\n"


def test_the_default_model_comes_first() -> None:
    assert host.upscale_model_names()[0] == host.DEFAULT_UPSCALER


def test_a_broken_model_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/text.safetensors").write_text("no weights")
    assert main(["upscale", "input/a.png", "-o", "b.png", "--model", "models/text.safetensors"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert "text.safetensors" in line
