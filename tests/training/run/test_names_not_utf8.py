"""Names that are not UTF-8, for both trainers and their tools: pictures are left out, the rest is one sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_runs import tiny_config
from senga.headless.cli import FAILED, OK, main

pytestmark = pytest.mark.usefixtures("quick_scores")

FOREIGN = "\udc83e\udc83X"  # as Linux reads the bytes of Shift-JIS; Windows has such names, too
TAGGER = """
name = "t"
[model]
architecture = "mobilenetv3_small"
hyperparameters = { width = 0.35 }
[data]
source = "captions"
folder = "set"
val = 0.3
test = 0.1
batch = 2
workers = 1
[preprocessing]
size = 32
[optim]
steps = 1
[run]
min_positives = 1
"""
CALLS = (["sr", "tiny.toml"], ["tagger", "t.toml"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings of both trainers, and pictures of which one has such a name."""
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    for number, name in enumerate([*map(str, range(8)), FOREIGN]):
        picture = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        try:
            Image.fromarray(picture).resize((96, 96)).save(f"set/{name}.png")
        except OSError:
            pytest.skip("this file system takes UTF-8 names alone")
        Path(f"set/{name}.txt").write_text("1girl, solo" if number % 2 else "1girl")
    short = {"steps = 6": "steps = 1", "[optim]": "val_share = 0.4\n[optim]"}
    config = tiny_config(tmp_path, Path("set"))
    text = config.read_text()
    for old, new in {**short, f'"{tmp_path.as_posix()}/runs"': '"runs"'}.items():
        text = text.replace(old, new)
    config.write_text(text)
    Path("t.toml").write_text(TAGGER)
    return tmp_path


@pytest.mark.parametrize("call", CALLS, ids=["sr", "tagger"])
def test_a_picture_is_left_out_and_the_others_train_wherever_they_are(
    call: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = here / FOREIGN
    moved.mkdir()
    for name in ("set", "tiny.toml", "t.toml"):
        Path(name).rename(moved / name)
    monkeypatch.chdir(moved)
    assert main(["train", *call]) == OK
    said = capsys.readouterr().err
    assert "not UTF-8; rename" in said
    assert "Traceback" not in said
    name = "tiny" if call[0] == "sr" else "t"
    assert Path(f"runs/{name}/{name}.safetensors").is_file()


@pytest.mark.parametrize("call", CALLS, ids=["sr", "tagger"])
@pytest.mark.parametrize("setting", ["name", "data.folder", "run.folder"])
def test_what_a_run_records_has_to_be_text(call: list[str], setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("set").rename(FOREIGN)
    assert main(["train", *call, "--set", f"{setting}={FOREIGN}"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    words = "is not UTF-8, and the run records it as text; rename the file or folder"
    assert line == rf"senga: --set {setting}=\udc83e\udc83X {words}"
    Path(call[1]).rename(FOREIGN + ".toml")
    assert main(["train", call[0], FOREIGN + ".toml"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line == rf"senga: \udc83e\udc83X.toml: its name {words}"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (["check", FOREIGN, "--out", "report.html"], OK),
        (["check", FOREIGN, "--out", f"{FOREIGN}.md"], OK),
        (["tile", FOREIGN, f"tiles{FOREIGN}", "--side", "32"], OK),
        (["pack", "--folder", FOREIGN, "--out", f"packed{FOREIGN}/a-%02d.tar"], OK),
        (["preview", "tiny.toml", "--set", f"data.folder={FOREIGN}", "--out", "p.png"], FAILED),  # settings of a run
    ],
    ids=["check to HTML", "check to Markdown", "tile", "pack", "preview"],
)
def test_tools_take_a_folder_of_such_a_name(call: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    if call[0] == "pack":
        pytest.importorskip("webdataset")
    Path("set").rename(FOREIGN)
    assert main(["data", *call]) == code
    said = capsys.readouterr().err
    assert "not UTF-8" in said
    assert "Traceback" not in said
    if call[-1] == "report.html":
        assert r"<h1>\udc83e\udc83X</h1>" in Path("report.html").read_text(encoding="utf-8")
