"""upscale, tag and degrade behave alike: sub-folders, what is skipped and made again, summaries, exit codes."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import known_tagger
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.commands import batch
from senga.headless.files.journal import NAME, Journal, Record

PICTURES = ("a.png", "b.png", "deep/c.png")
PROBABILITIES = [0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]


@dataclass(frozen=True)
class Command:
    name: str
    ending: str
    other_option: list[str]
    wrong: list[str]
    model: list[str]
    other_model: list[str]  # empty for a command without models

    def __call__(self, *options: str, pictures: str = "album", out: str = "out") -> int:
        return main([self.name, pictures, "-o", out, *self.model, *options])

    def results(self, *names: str) -> list[str]:
        return [str(Path("out", name).with_suffix(self.ending)) for name in names]


COMMANDS = [
    Command(
        "upscale", ".png", ["--scale", "3"], ["--scale", "99"], ["--model", "models/" + MADE], ["--model", "m.sft"]
    ),
    Command(
        "tag", ".txt", ["--max-tags", "1"], ["--max-tags", "-1"], ["--model", "t.safetensors"], ["--model", "u.sft"]
    ),
    Command("degrade", ".png", ["--seed", "5"], ["--scale", "9"], [], []),
]
for_all = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taggers")
    save_model(folder / "t.safetensors", known_tagger(PROBABILITIES))
    save_model(folder / "u.safetensors", known_tagger(PROBABILITIES[::-1]))
    return folder


@pytest.fixture(autouse=True)
def album(own_folder: None, taggers: Path) -> None:  # noqa: F811 (the fixture of that name)
    shutil.copy(taggers / "t.safetensors", "t.safetensors")
    shutil.copy(taggers / "u.safetensors", "u.sft")
    save_model("other.safetensors", UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
    Path("other.safetensors").rename("m.sft")
    for number, name in enumerate(PICTURES):
        draw(Path("album", name), number)


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[list[str], list[str]]]:
    """The lines on standard output and on the error stream since the last call."""

    def lines() -> tuple[list[str], list[str]]:
        out, err = capsys.readouterr()
        return out.splitlines(), err.splitlines()

    return lines


Printed = Callable[[], tuple[list[str], list[str]]]
SAME = "skipped: made before from the same picture with the same settings; --force repeats them"
KEPT = "skipped: the file there was not made by this command, or was edited"


@for_all
def test_sub_folders_are_part_of_a_folder_unless_refused(command: Command, printed: Printed) -> None:
    assert command("--no-recursive") == OK
    assert printed() == (command.results("a.png", "b.png"), ["senga: 2 pictures: 2 done, 0 skipped, 0 failed"])
    assert command() == OK
    out, err = printed()
    assert command.results("deep/c.png")[0] in out
    assert "0 failed" in err[-1]
    assert command("-r", "--force") == OK
    assert printed() == (command.results(*PICTURES), ["senga: 3 pictures: 3 done, 0 skipped, 0 failed"])


@for_all
def test_the_same_call_is_skipped_whatever_the_times_of_the_files(command: Command, printed: Printed) -> None:
    assert command() == OK
    printed()
    for touched in ([], ["album"], ["out"]):
        for folder in touched:
            for path in Path(folder).rglob("*.*"):
                os.utime(path, (1, 1))
        assert command() == OK
        assert printed() == ([], [f"senga: 3 of 3 {SAME}", "senga: 3 pictures: 0 done, 3 skipped, 0 failed"])


@for_all
def test_the_same_call_is_skipped_where_the_folders_were_copied_to(
    command: Command, printed: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert command() == OK
    printed()
    copy = tmp_path_factory.mktemp("copy") / "of" / "it"
    shutil.copytree(".", copy, copy_function=shutil.copyfile)
    monkeypatch.chdir(copy)
    assert command() == OK
    assert printed()[1][-1] == "senga: 3 pictures: 0 done, 3 skipped, 0 failed"


@for_all
def test_other_options_and_other_models_make_everything_again(command: Command, printed: Printed) -> None:
    done = "senga: 3 pictures: 3 done, 0 skipped, 0 failed"
    for options in ([], command.other_option, [], *([command.other_model, []] if command.other_model else [])):
        assert command(*options) == OK
        assert printed() == (command.results(*PICTURES), [done]), options
        done = "senga: 3 pictures: 3 done (3 replaced), 0 skipped, 0 failed"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (0, ["--scale", "0"]),
        (0, ["--tile", "16"]),
        (1, ["--max-tags", "0"]),
        (2, ["--seed", "0"]),
        (0, ["--workers", "3"]),
    ],
)
def test_options_that_change_nothing_make_nothing_again(command: int, option: list[str], printed: Printed) -> None:
    assert COMMANDS[command]() == OK
    printed()
    assert COMMANDS[command](*option) == OK
    assert printed()[0] == []


@pytest.mark.parametrize("command", COMMANDS[:2], ids=lambda command: command.name)
def test_a_model_is_known_by_its_content(command: Command, printed: Printed) -> None:
    assert command() == OK
    printed()
    shutil.copy(command.model[1], "renamed.safetensors")
    assert command("--model", "renamed.safetensors") == OK
    assert printed()[0] == []


def test_the_list_of_tags_next_to_a_foreign_tagger_belongs_to_the_model(printed: Printed) -> None:
    command = COMMANDS[1]
    assert command() == OK
    Path("t.csv").write_text("another list of tags", encoding="utf-8")
    printed()
    assert command() == OK
    assert len(printed()[0]) == 3


@for_all
def test_a_changed_picture_is_made_again(command: Command, printed: Printed) -> None:
    assert command() == OK
    printed()
    draw(Path("album/b.png"), 99)
    assert command() == OK
    assert printed() == (
        command.results("b.png"),
        [f"senga: 2 of 3 {SAME}", "senga: 3 pictures: 1 done (1 replaced), 2 skipped, 0 failed"],
    )


@for_all
def test_force_makes_everything_again(command: Command, printed: Printed) -> None:
    for _ in range(2):
        assert command("--force") == OK
        assert len(printed()[0]) == 3


@for_all
def test_an_edited_result_is_kept_until_forced(command: Command, printed: Printed) -> None:
    assert command() == OK
    (edited,) = command.results("a.png")
    made = Path(edited).read_bytes()
    Path(edited).write_bytes(b"edited")
    printed()
    for options in ([], command.other_option):
        assert command(*options) == OK
        out, err = printed()
        assert f"senga: 1 of 3 {KEPT} ({edited}); --force replaces it" in err
        assert edited not in out
        assert Path(edited).read_bytes() == b"edited"
    assert command("--force") == OK
    assert Path(edited).read_bytes() == made


@for_all
def test_results_without_a_record_are_kept_and_reported_once_a_run(command: Command, printed: Printed) -> None:
    """Such as those of earlier versions."""
    assert command() == OK
    for path in Path("out").rglob(NAME):
        path.unlink()
    printed()
    assert command() == OK
    out, (kept, summary) = printed()
    assert out == []
    assert kept.startswith(f"senga: 3 of 3 {KEPT} ({', '.join(command.results(*PICTURES))})")
    assert summary == "senga: 3 pictures: 0 done, 3 skipped, 0 failed"


def test_one_command_does_not_replace_another_s_results(printed: Printed) -> None:
    upscale, _, degrade = COMMANDS
    assert upscale() == OK
    before = Path("out/a.png").read_bytes()
    printed()
    assert degrade() == OK
    assert printed()[0] == []
    assert Path("out/a.png").read_bytes() == before


@for_all
def test_after_an_interruption_the_rest_is_made(
    command: Command, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes at the worst moment: a result is noted, and not in its place yet."""
    real, noted = Journal.add, []

    def interrupted(self: Journal, folder: Path, record: Record) -> None:
        real(self, folder, record)
        noted.append(record)
        if len(noted) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupted)
        assert command("--workers", "1") == INTERRUPTED
    assert not list(Path("out").rglob("*.tmp"))
    printed()
    assert command() == OK
    out, err = printed()
    assert command.results("b.png")[0] in out
    assert command.results("a.png")[0] not in out
    assert err[-1].endswith("0 failed")
    assert command() == OK
    assert printed()[0] == []


@for_all
@pytest.mark.parametrize(
    ("change", "options", "code"),
    [("nothing", [], OK), ("a bad file", [], FAILED), ("all bad", [], FAILED), ("nothing", ["wrong"], USAGE)],
)
def test_exit_codes(command: Command, change: str, options: list[str], code: int, printed: Printed) -> None:
    bad = {"nothing": (), "a bad file": PICTURES[:1], "all bad": PICTURES}[change]
    for name in bad:
        Path("album", name).write_text("no picture", encoding="utf-8")
    assert command(*(command.wrong if options else [])) == code
    _, err = printed()
    if code == FAILED:
        listed = ", ".join(str(Path("album", name)) for name in bad)
        assert err[-1] == f"senga: 3 pictures: {3 - len(bad)} done, 0 skipped, {len(bad)} failed ({listed})"
    # What failed is tried again, and what is done is not.
    if change == "a bad file":
        draw(Path("album/a.png"), 0)
        assert command() == OK
        assert printed()[0] == command.results("a.png")


@for_all
@pytest.mark.parametrize(
    "wrong", [["--workers", "0"], ["--workers", "65"], ["nowhere/*.png"]], ids=["workers", "more workers", "no picture"]
)
def test_wrong_calls(command: Command, wrong: list[str]) -> None:
    assert command(*wrong) == USAGE if wrong[0].startswith("--") else command(pictures=wrong[0]) == USAGE
    assert not Path("out").exists()


@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[2]], ids=["upscale", "degrade"])
def test_a_file_that_the_call_names_is_made_whatever_is_there(command: Command, printed: Printed) -> None:
    Path("large.png").write_bytes(b"of another program")
    for _ in range(2):
        assert command(pictures="album/a.png", out="large.png") == OK
        assert printed() == (["large.png"], [])
    assert Image.open("large.png").format == "PNG"
    assert not Path(NAME).exists()


def test_a_report_that_is_missing_is_written_with_its_picture(printed: Printed) -> None:
    degrade = COMMANDS[2]
    assert degrade() == OK
    assert degrade("--report") == OK
    assert sorted(path.name for path in Path("out").rglob("*.json")) == ["a.json", "b.json", "c.json"]
    printed()
    assert degrade("--report") == OK
    assert printed()[0] == []
    Path("out/b.json").write_text("{}", encoding="utf-8")
    draw(Path("album/b.png"), 99)
    assert degrade("--report") == OK
    assert Path("out/b.json").read_text(encoding="utf-8") == "{}"


def test_a_replayed_folder_has_the_same_bytes() -> None:
    degrade = COMMANDS[2]
    assert degrade("--report", "--preset", "realesrgan") == OK
    again = degrade("--recipe", "out/a.json", pictures="album/a.png", out="again/")
    assert again == OK
    assert Path("again/a.png").read_bytes() == Path("out/a.png").read_bytes()


def test_of_a_group_that_fails_each_picture_is_tried_alone(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senga.arch.tagger.CHUNK", {"cpu": 3})
    real = batch.Work

    def work(**parts: object) -> object:
        make = parts.pop("make")

        def fails(ready: list, line: object) -> object:  # type: ignore[type-arg]
            if any(job.source.name == "b.png" for job, _ in ready):
                raise RuntimeError("out of memory")
            return make(ready, line)  # type: ignore[operator]

        return real(make=fails, **parts)  # type: ignore[arg-type]

    monkeypatch.setattr("senga.headless.commands.tag.Work", work)
    tag = COMMANDS[1]
    assert tag() == FAILED
    out, err = printed()
    assert out == tag.results("a.png", "deep/c.png")
    assert err[0] == f"senga: {Path('album/b.png')}: out of memory"
