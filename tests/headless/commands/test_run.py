"""`senga run` as a user types it: what it prints where, its exit codes, and the files it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from sample_nodes import MADE, node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, OK, USAGE, main

pytestmark = pytest.mark.usefixtures("own_folder")


def embedded(path: str) -> dict[str, Any]:
    with Image.open(path) as picture:
        return json.loads(picture.info["prompt"])


def test_run_prints_the_paths_of_what_it_saved(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow()]) == OK
    path = str(Path("output", "out_00001_.png"))
    out, err = capsys.readouterr()
    assert out == f"{path}\n"
    assert err == ""
    assert Image.open(path).size == (10, 12)
    assert embedded(path) == json.loads(Path("w.json").read_text())


def test_run_with_other_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path("input/a.png").rename("elsewhere/b.png")
    arguments = ["--input-dir", "elsewhere", "--output-dir", "made/here", "--set", "1.image=b.png"]
    assert main(["run", workflow(), *arguments]) == OK
    assert Path(capsys.readouterr().out.strip()) == Path("made/here/out_00001_.png")
    assert Path("made/here/out_00001_.png").is_file()


@pytest.mark.parametrize(
    ("setting", "node_id", "name", "value"),
    [
        ("2.width=7", "2", "width", 7),
        ("ImageScale.width=7", "2", "width", 7),
        ("3.filename_prefix=7", "3", "filename_prefix", "7"),
        ("SaveImage.filename_prefix=a=b", "3", "filename_prefix", "a=b"),
        ("2.upscale_method=area", "2", "upscale_method", "area"),
        ('2.upscale_method="area"', "2", "upscale_method", "area"),
        ("The picture.image=a.png", "1", "image", "a.png"),
        ('3.images=["1", 0]', "3", "images", ["1", 0]),
    ],
)
def test_set_changes_an_input_and_the_picture_says_so(setting: str, node_id: str, name: str, value: object) -> None:
    assert main(["run", workflow(), "--set", setting]) == OK
    (picture,) = Path("output").iterdir()
    assert embedded(str(picture))[node_id]["inputs"][name] == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "9.width=7",
            "no node '9'; the workflow has 1 (LoadImage) 'The picture', 2 (ImageScale), 3 (SaveImage)",
        ),
        (
            "2.size=7",
            "node 2 (ImageScale) has no input 'size'; choose from: image, upscale_method, width, height, crop",
        ),
        ("width=7", "expected NODE.INPUT=VALUE, such as 3.scale=2"),
        ("2.width", "expected NODE.INPUT=VALUE, such as 3.scale=2"),
    ],
)
def test_a_set_that_fits_nothing(setting: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--set", setting]) == USAGE
    assert capsys.readouterr().err == f"senga: --set {setting}: {message}\n"


def test_a_set_that_fits_several_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    extra = {"4": node("SaveImage", images=["2", 0], filename_prefix="x")}
    assert main(["run", workflow(**extra), "--set", "SaveImage.filename_prefix=y"]) == USAGE
    assert "'SaveImage' matches the nodes 3, 4; give one of these ids" in capsys.readouterr().err


def test_a_set_value_is_checked_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--set", "2.width=-1", "--set", "2.crop=left"]) == USAGE
    assert capsys.readouterr().err.splitlines() == [
        "senga: w.json: 2.width (ImageScale): -1 is below the minimum of 0",
        "senga: w.json: 2.crop (ImageScale): 'left' is not in the list; choose from: disabled, center",
    ]


def test_faults_stop_everything_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    cycle = {"2": node("ImageInvert", image=["4", 0]), "4": node("ImageInvert", image=["2", 0])}
    assert main(["run", workflow(**cycle)]) == USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "cycle: " in err
    assert not Path("output").exists()


def test_a_failure_while_running_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    Path("input/a.png").write_bytes(b"")
    assert main(["run", workflow()]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("senga: node 1 (LoadImage): ")
    assert "a.png: the file is empty (0 bytes)" in line


def test_verbose_shows_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    Path("input/a.png").write_bytes(b"")
    for arguments in (["-v", "run", workflow()], ["run", workflow(), "--verbose"]):
        assert main(arguments) == FAILED
        assert "Traceback" in capsys.readouterr().err


def test_a_prefix_that_leads_out_of_the_output_folder_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--set", "3.filename_prefix=../out"]) == FAILED
    assert "node 3 (SaveImage): filename_prefix '../out' leads out of the folder output" in capsys.readouterr().err
    assert not list(Path.cwd().glob("out*.png"))


def test_texts_are_printed_and_previews_are_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    extra = {"4": node("PreviewAny", source="a text"), "5": node("PreviewImage", images=["2", 0])}
    assert main(["run", workflow(**extra)]) == OK
    out, err = capsys.readouterr()
    assert "a text" in out.splitlines()
    assert err == "senga: node 5 (PreviewImage): a preview is not kept; use SaveImage to have a file\n"
    assert [path.name for path in Path("output").iterdir()] == ["out_00001_.png"]


def test_run_with_a_model_from_a_folder() -> None:
    extra = {
        "4": node("UpscaleModelLoader", model_name=MADE),
        "5": node("ImageUpscaleWithModel", upscale_model=["4", 0], image=["1", 0]),
    }
    assert main(["run", workflow(**extra), "--models-dir", "models", "--set", '3.images=["5",0]']) == OK
    assert Image.open("output/out_00001_.png").size == (10, 12)


def test_a_models_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow(), "--models-dir", "nowhere"]) == USAGE
    assert capsys.readouterr().err == "senga: --models-dir nowhere: the folder does not exist\n"


def test_a_missing_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "none.json"]) == USAGE
    assert capsys.readouterr().err.startswith("senga: none.json: the workflow file does not exist")


def test_a_picture_with_its_workflow_inside_runs_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", workflow()]) == OK
    Path("output/out_00001_.png").rename("mine.png")
    assert main(["run", "mine.png", "--set", "2.width=7"]) == OK
    assert Image.open("output/out_00001_.png").size == (7, 12)
    assert embedded("output/out_00001_.png")["2"]["inputs"]["width"] == 7
    capsys.readouterr()
    assert main(["run", "input/a.png"]) == USAGE
    assert "a.png: holds no workflow of ComfyUI; give a picture that" in capsys.readouterr().err
    Path("input/a.png").write_text("no picture", encoding="utf-8")
    assert main(["run", "input/a.png"]) == USAGE
    assert "a.png: the picture cannot be read" in capsys.readouterr().err


def test_a_webp_has_its_workflow_in_exif() -> None:
    prompt = json.dumps(json.loads(Path(workflow()).read_text(encoding="utf-8")))
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = f"prompt:{prompt}", 'workflow:{"nodes": [], "links": []}'
    Image.new("RGB", (4, 4)).save("mine.webp", exif=exif)
    assert main(["run", "mine.webp"]) == OK
    with Image.open("output/out_00001_.png") as picture:
        assert json.loads(picture.info["workflow"]) == {"nodes": [], "links": []}


def test_a_picture_without_a_prompt_has_the_editor_s_workflow(capsys: pytest.CaptureFixture[str]) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", json.dumps({"nodes": [{"id": 1, "type": "Cake"}], "links": []}))
    Image.new("RGB", (4, 4)).save("mine.png", pnginfo=texts)
    assert main(["run", "mine.png"]) == USAGE
    assert "Cake" in capsys.readouterr().err
