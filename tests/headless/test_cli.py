"""The `senga` command itself, its exit codes and streams, and the small subcommands `models` and `train`."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from repository import ROOT
from sample_nodes import MADE, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from senga.arch import Provenance, UpscaleModel, save_model
from senga.headless import cli
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.commands.data import TOOLS
from senga.headless.commands.models import readable_size
from senga.nodes import host

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture
def only_made_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "WEIGHTS", Path("nothing is shipped").resolve())


@pytest.mark.usefixtures("only_made_models")
def test_models_lists_headers_and_goes_on_after_a_bad_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/broken.safetensors").write_text("no weights")
    assert main(["models", "--models-dir", "models"]) == OK
    title, broken, made = capsys.readouterr().out.splitlines()
    assert title.split() == ["NAME", "ARCHITECTURE", "SCALE", "SIZE", "LICENCES", "FOR"]
    assert broken.split(maxsplit=2)[:2] == ["broken.safetensors", "unreadable:"]
    size = Path("models", MADE).stat().st_size / 1000
    assert made.split(maxsplit=3) == [MADE, "espcn_7", "x2", f"{size:.1f} kB  CC-BY-4.0, CC0-1.0  clean drawings"]


def test_models_marks_the_defaults_and_says_what_each_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == OK
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert [name for name, entry in found.items() if entry["default"]] == [host.DEFAULT_UPSCALER, host.DEFAULT_TAGGER]
    assert all(entry["for"] for entry in found.values())
    assert "has never seen" in found[host.DEFAULT_TAGGER]["limits"]
    with pytest.raises(SystemExit):
        main(["upscale", "--help"])
    assert host.DEFAULT_UPSCALER in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 B"), (1000, "1.0 kB"), (8_964_446, "9.0 MB"), (1_500_000_000, "1.5 GB")]
)
def test_sizes_are_in_the_units_of_the_readme(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_combinations_of_licences_are_one_list_of_licences_in_the_table(tmp_path: Path, capsys) -> None:
    licences = ("CC0-1.0 AND MIT", "MIT AND CC0-1.0", "MIT")
    model = UpscaleModel.create("espcn_7", Provenance(source="senga", licences=licences), scale=2, widths=[4, 4])
    save_model(tmp_path / "mixed.safetensors", model)
    assert main(["models", "--models-dir", str(tmp_path)]) == OK
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mixed.safetensors")]
    assert row.endswith("CC0-1.0, MIT")  # it has no scores, so nothing is known of what it is for


@pytest.mark.usefixtures("only_made_models")
def test_models_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/broken.safetensors").write_text("no weights")
    assert main(["models", "--models-dir", "models", "--json"]) == OK
    broken, made = json.loads(capsys.readouterr().out)
    assert broken["name"] == "broken.safetensors"
    assert broken["error"]
    assert made["architecture"] == "espcn_7"
    assert made["scale"] == 2
    assert made["licences"] == ["CC-BY-4.0", "CC0-1.0"]
    assert made["metrics"] == {"psnr_y": 30.5}
    assert made["bytes"] == Path("models", MADE).stat().st_size


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"senga {cli.version()}\n"
    assert cli.version()[0].isdigit()


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["run"], ["upscale", "a.png"], ["train", "cake"], ["data", "cake"]]
)
def test_bad_command_lines_leave_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    assert "usage: senga" in capsys.readouterr().err


def test_a_mistyped_option_gets_its_command_s_usage_and_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["tag", "a.png", "--generl-threshold", "0.4"])
    assert caught.value.code == USAGE
    said = capsys.readouterr().err
    assert "usage: senga tag" in said
    assert "did you mean --general-threshold?" in said


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (["upscale", "a.png", "-o", "b.png", "--sacle", "2"], "--sacle is not a known option; did you mean --scale?"),
        (["models", "--jsn=1", "more"], "--jsn=1 is not a known option; did you mean --json?"),
        (["models", "more"], "more is one argument too many"),
        (["upscal", "a.png"], "; did you mean upscale?"),
        (["upscale", "a.png", "-o", "b", "--format", "pgn"], "; did you mean png?"),
    ],
)
def test_what_is_mistyped_gets_one_hint(call: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(call)
    assert caught.value.code == USAGE
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(hint)
    assert said.count("did you mean") == hint.count("did you mean")


@pytest.mark.parametrize("command", ["upscale", "tag", "degrade", "run"])
def test_a_missing_input_is_a_wrong_call_of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = [] if command == "run" else ["-o", "out/"]
    assert main([command, "nowhere.png", *output]) == USAGE
    assert "nowhere.png: the" in capsys.readouterr().err
    assert not Path("out").exists()
    if command != "run":
        assert main([command, "input/a.png", "nowhere.png", *output]) == USAGE  # before anything is made
        assert capsys.readouterr() == ("", "senga: nowhere.png: the file does not exist; name a picture file\n")


def test_ctrl_c_leaves_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object, image: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("senga.headless.workflow.core_files.LoadImage.load_image", interrupt)
    assert main(["run", workflow()]) == INTERRUPTED


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> list[str]:
        raise PermissionError(13, "Permission denied", "weights")

    monkeypatch.setattr(host, "upscale_model_names", fail)
    assert main(["models"]) == FAILED
    assert capsys.readouterr().err == "senga: [Errno 13] Permission denied: 'weights'\n"


@pytest.mark.parametrize("rest", [["CONFIG.toml", "--resume", "--steps", "5"], ["--help"], []])
def test_train_hands_on_the_rest_of_the_line(rest: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    class Trainer:
        @staticmethod
        def main(argv: list[str]) -> int:
            given.append(argv)
            return 3

    monkeypatch.setitem(sys.modules, "senga.training.sr.train", Trainer)  # type: ignore[arg-type]
    assert main(["train", "sr", *rest]) == 3
    assert given == [rest]


@pytest.mark.parametrize("tool", TOOLS)
def test_every_data_tool_has_its_help(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["data", tool, "--help"])
    assert caught.value.code == OK
    assert f"usage: senga data {tool}" in capsys.readouterr().out


@pytest.mark.parametrize("line", [["train", "sr"], ["data", "preview"]])
def test_a_missing_package_of_training_is_named(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.import_module

    def absent(name: str, package: str) -> ModuleType:
        if not name.startswith("..training"):
            return real(name, package)
        raise ModuleNotFoundError("No module named 'resvg_py'", name="resvg_py")

    monkeypatch.setattr("senga.headless.training_modules.importlib.import_module", absent)
    assert main(line) == FAILED
    assert "training needs the package 'resvg_py'" in capsys.readouterr().err


def test_the_log_is_left_as_it_was() -> None:
    before = (list(cli.logger.handlers), cli.logger.level)
    main(["models"])
    assert (list(cli.logger.handlers), cli.logger.level) == before


def test_standard_output_holds_results_alone() -> None:
    """In a process of its own: what libraries write on import would show too."""
    load = "import runpy, sys; runpy.run_path(sys.argv.pop(1)); from senga.headless.cli import main"
    conftest = ROOT / "tests" / "conftest.py"
    command = [sys.executable, "-c", f"{load}; sys.exit(main(sys.argv[1:]))", str(conftest), "run", workflow()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, [str(Path("output", "out_00001_.png"))])
    assert done.stderr == ""
