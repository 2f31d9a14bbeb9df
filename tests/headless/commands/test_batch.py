"""upscale, tag and degrade behave alike: sub-folders, named files, summaries, exit codes."""

from pathlib import Path

import pytest
from PIL import Image
from sample_batches import COMMANDS, PICTURES, Command, Printed, album, draw, for_all, printed_lines, taggers  # noqa: F401 (pytest finds the fixtures by their names)
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, OK, USAGE
from senga.headless.commands import batch
from senga.headless.files.journal import NAME


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
