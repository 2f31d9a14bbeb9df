"""Every example of docs/headless.md does what the page says. The one with --server runs in tests/comfy."""

import re
import shlex
from pathlib import Path

import pytest
from docs_examples import EXAMPLES, PAGE, blocks, fits, folder_of_the_page, run_example
from senga.headless import model_cache as shared
from senga.headless.cli import COMMANDS, main
from senga.nodes import host


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "standalone", host.Standalone())
    folder_of_the_page(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_every_example_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(EXAMPLES) > 12
    for example in EXAMPLES:
        if "--server" not in example.command:
            run_example(example, capsys)


@pytest.mark.usefixtures("folder")
def test_the_python_examples_run_and_share_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    real = shared.load_model
    monkeypatch.setattr(shared, "load_model", lambda path: (loaded.append(path), real(path))[1])
    monkeypatch.setattr(shared, "_loaded", type(shared._loaded)())
    codes = blocks("python")
    assert codes
    for code in codes:
        exec(compile(code, str(PAGE), "exec"), {})
    assert Path("one.png").is_file()
    assert Path("two.png").is_file()
    assert len(loaded) == 1


def test_every_command_and_option_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert {shlex.split(example.command)[1] for example in EXAMPLES} == {command.name for command in COMMANDS}
    for command in ("run", "upscale", "tag", "degrade", "models", "convert", "export", "page"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--verbose"}
        assert len(options) > 1
        assert [option for option in sorted(options) if option not in text] == []


def test_the_pages_it_points_to_are_there() -> None:
    links = re.findall(r"\]\((\.\./[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert all((PAGE.parent / link).exists() for link in links)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (["a"], ["a"], True),
        (["a ... c"], ["a b c"], True),
        (["a", "..."], ["a"], True),
        (["a", "..."], ["a", "b", "c"], True),
        (["a"], ["a", "b"], False),
        (["a"], ["b"], False),
        (["a.c"], ["abc"], False),
    ],
)
def test_how_the_page_is_compared(expected: list[str], found: list[str], same: bool) -> None:
    assert fits(expected, found) is same
