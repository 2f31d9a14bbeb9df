"""upscale, tag and degrade behave alike in what they skip, make again, keep and go on with."""

import os
import shutil
from pathlib import Path

import pytest
from sample_batches import (  # noqa: F401 (pytest finds the fixtures by their names)
    COMMANDS,
    KEPT,
    PICTURES,
    SAME,
    Command,
    Printed,
    album,
    draw,
    for_all,
    printed_lines,
    taggers,
)
from sample_nodes import MADE, own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import INTERRUPTED, OK
from senga.headless.files.journal import NAME, Journal, Record


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
