"""`senga tag`: captions next to pictures, CSV, JSON and lines; edited captions are kept; faults are reported first."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger, scenes, small_tagger
from senga.arch import save_model
from senga.arch.image import to_bhwc
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.files import journal

PROBABILITIES = [0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]
CAPTION = "hatsune miku, solo, ^_^, cat (animal), long hair, 1girl"


def write_pictures(*names: str) -> None:
    torch.manual_seed(2)
    for name, levels in zip(names, to_bhwc(scenes(len(names), 30, 20)).mul(255).byte().numpy(), strict=True):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(levels)).save(name)


@pytest.fixture(autouse=True)
def tagger(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    save_model("models/t.safetensors", known_tagger(PROBABILITIES))
    write_pictures("set/a.png", "set/b.jpg", "set/deep/c.png")


def tag(*arguments: str, model: str = "models/t.safetensors") -> int:
    return main(["tag", *arguments, "--model", model])


def text(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


def test_captions_are_next_to_the_pictures_as_trainers_read_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert tag("set") == OK
    assert text("set/a.txt") == text("set/b.txt") == CAPTION + "\n"
    written = [str(Path("set", name)) for name in ("a.txt", "b.txt", "deep/c.txt")]
    assert capsys.readouterr().out.splitlines() == written
    assert sorted(path.name for path in Path("set").glob(".*")) == sorted((journal.NAME, journal.LOCK))


def test_a_tag_that_the_tagger_does_not_know_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert tag("set", "--only-tags", "1girl, cake") == OK
    assert text("set/a.txt") == "1girl\n"
    assert "--only-tags: this tagger knows no tag that matches cake" in capsys.readouterr().err


def test_with_o_the_files_are_in_another_folder_with_the_same_sub_folders() -> None:
    assert tag("set", "-r", "-o", "captions", "--json") == OK
    assert sorted(p.relative_to("captions").as_posix() for p in Path("captions").rglob("[!.]*.*")) == [
        "a.json",
        "b.json",
        "deep/c.json",
    ]
    found = json.loads(text("captions/deep/c.json"))
    assert (found["file"], found["tags"], found["characters"]) == ("set/deep/c.png", CAPTION, "hatsune miku")
    assert (found["rating"], found["scores"]["1girl"]) == ("safe", 0.5)
    assert found["all"]["general"]["solo"] == 0.95
    assert not list(Path("set").rglob("*.json"))


def test_the_file_that_o_names_is_written_whatever_is_there() -> None:
    Path("mine.txt").write_text("by hand", encoding="utf-8")
    for name, start in (("mine.txt", CAPTION), ("new/mine.csv", "tag,category"), ("mine.JSON", "{")):
        assert tag("set/a.png", "-o", name) == OK
        assert text(name).startswith(start)
    assert not list(Path("set").glob("*.txt"))


def test_csv_has_a_row_for_each_tag() -> None:
    assert tag("set/a.png", "--csv", "--max-tags", "2") == OK
    rows = list(csv.reader(text("set/a.csv").splitlines()))
    assert rows == [
        ["tag", "category", "score"],
        ["hatsune_miku", "character", "0.9700"],
        ["solo", "general", "0.9500"],
    ]


def test_print_writes_lines_and_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert tag("set", "-r", "--print", "--include-rating") == OK
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == ["set/a.png", "set/b.jpg", "set/deep/c.png"]
    assert lines[0]["tags"] == CAPTION + ", safe"
    assert list(lines[0]) == ["file", "tags", "characters", "rating", "scores"]
    assert sorted(Path().rglob("*")) == before


def test_a_caption_written_by_hand_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("set/a.txt").write_text("by hand", encoding="utf-8")
    assert tag("set", "--no-recursive") == OK
    assert text("set/a.txt") == "by hand"
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(Path("set/b.txt"))]
    assert f"1 of 2 skipped: the file there was not made by this command, or was edited ({Path('set/a.txt')})" in err
    assert tag("set", "--no-recursive") == OK
    assert capsys.readouterr().out == ""
    assert tag("set", "--no-recursive", "--overwrite") == OK
    assert text("set/a.txt") == CAPTION + "\n"


@pytest.mark.parametrize(
    ("options", "caption"),
    [
        (["--general-threshold", "0.89"], "hatsune miku, solo, ^_^"),
        (["--character-threshold", "0.5", "--only-tags", "*saber*,solo"], "solo, saber (fate)"),
        (["--threshold-mode", "mcut"], "hatsune miku, solo, ^_^, cat (animal)"),
        (["--exclude-tags", "solo, cat*"], "hatsune miku, ^_^, long hair, 1girl"),
        (["--no-replace-underscore", "--max-tags", "1"], "hatsune_miku"),
        (["--escape-parentheses", "--only-tags", "cat*"], "cat \\(animal\\)"),
        (["--with-scores", "--max-tags", "1"], "(hatsune miku:0.97)"),
        (["--sort", "people first"], "1girl, solo, hatsune miku, ^_^, cat (animal), long hair"),
        (["--separator", "|", "--prefix", "x,", "--suffix", ".", "--max-tags", "2"], "x,hatsune miku|solo."),
    ],
)
def test_the_nodes_options_are_the_commands(options: list[str], caption: str) -> None:
    assert tag("set/a.png", *options) == OK
    assert text("set/a.txt") == caption + "\n"


def test_a_bad_file_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    Path("set/aa.png").write_text("no picture", encoding="utf-8")
    assert tag("set", "--no-recursive") == FAILED
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "aa.png: not a picture" in err
    assert "3 pictures: 2 done, 0 skipped, 1 failed (" in err
    assert not Path("set/aa.txt").exists()
    for path in Path("set").glob("[ab].*g"):
        path.write_text("no picture either", encoding="utf-8")
    assert tag("set", "--force") == FAILED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "--general-threshold", "2"], "--general-threshold: 2.0 is above the maximum of 1.0"),
        (["set", "--max-tags", "-1"], "--max-tags: -1 is below the minimum of 0"),
        (["set", "--print", "-o", "x"], "--print writes no files; leave -o out"),
        (["set", "-o", "set/a.png"], "-o set"),
        (["set", "--workers", "0"], "--workers 0"),
        (["set", "-o", "all.txt"], "-o all.txt: with more than one picture this must be a folder"),
        (["set/a.png", "-o", "x.csv", "--json"], "-o x.csv: the name says csv, --json another"),
        (["models"], "no picture was found"),
        (["set", "--threshold-mode", "per_tag"], "has no thresholds for single tags"),
        (["set/a.png", "set/a.jpg"], "run them separately"),
    ],
)
def test_faults_are_reported_before_anything_runs(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tag(*arguments) == USAGE
    assert words in capsys.readouterr().err
    assert not list(Path("set").rglob("*.txt"))


def test_a_model_that_does_not_exist_or_does_not_tag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert tag("set", model="nobody") == USAGE
    assert "neither a known tagger nor a file" in capsys.readouterr().err
    assert tag("set", model="models/made_x2.safetensors") == FAILED
    assert "is an upscaler (espcn_7); choose a model that tags" in capsys.readouterr().err
    assert main(["upscale", "set/a.png", "-o", "x.png", "--model", "models/t.safetensors"]) == FAILED
    assert "is a tagger (mobilenetv3_small); choose a model that upscales" in capsys.readouterr().err


def test_many_pictures_at_once_have_the_tags_that_each_has_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model("models/real.safetensors", small_tagger())
    names = [f"many/{i}.png" for i in range(5)]
    write_pictures(*names)

    def scores(*sources: str) -> list[dict[str, object]]:
        assert tag(*sources, "--print", "--general-threshold", "0", model="models/real.safetensors") == OK
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    alone = [scores(name)[0] for name in names]
    monkeypatch.setattr("senga.arch.tagger.CHUNK", {"cpu": 3})
    together = scores(*names)
    assert len({line["tags"] for line in together}) > 1
    for one, other in zip(alone, together, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-4)


def test_transparent_pictures_and_animations(capsys: pytest.CaptureFixture[str]) -> None:
    save_model("models/real.safetensors", small_tagger())
    base = Image.open("set/a.png").convert("RGBA")
    clear = base.copy()
    clear.putalpha(0)
    clear.save("clear.png")
    Image.new("RGB", base.size, "white").save("white.png")
    base.save("moving.gif", save_all=True, append_images=[clear], duration=100)
    assert tag("clear.png", "white.png", "moving.gif", "--print", model="models/real.safetensors") == OK
    out, err = capsys.readouterr()
    first, second, _ = (json.loads(line) for line in out.splitlines())
    assert first["scores"] == second["scores"]
    assert "moving.gif: it has 2 frames; only the first is tagged" in err


def test_models_lists_taggers_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--models-dir", "models"]) == OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["t.safetensors", "mobilenetv3_small", "-"] in [row[:3] for row in rows]
    assert main(["models", "--models-dir", "models", "--json"]) == OK
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert (found["t.safetensors"]["tags"], found["t.safetensors"]["scale"]) == (9, None)
    assert "tags" not in found["made_x2.safetensors"]
