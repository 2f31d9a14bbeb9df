"""Two runs that write into one folder at the same time: neither replaces what the other has made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sample_nodes import own_folder  # noqa: F401 (pytest finds the fixture by its name)
from senga.headless.cli import FAILED, OK, main
from senga.headless.commands import degrade
from senga.headless.files import results
from senga.headless.files.journal import LOCK, NAME

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture(autouse=True)
def albums(own_folder: None) -> None:  # noqa: F811 (the fixture of that name)
    for album, level in (("one", 50), ("other", 200)):
        Path(album).mkdir()
        for name in ("a.png", "b.png"):
            Image.new("RGB", (8, 8), (level, level, level)).save(Path(album, name))


def run(album: str, *options: str) -> int:
    return main(["degrade", album, "-o", "out", "--report", "--workers", "1", *options])


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something once, when a run has looked what is there and makes its first picture."""
    real, left = degrade.degrade, [action]

    def degraded(*arguments: object, **options: object) -> object:
        if left:
            left.pop()()
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(degrade, "degrade", degraded)


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("out").iterdir() if path.name not in (NAME, LOCK)}


def test_what_another_run_has_made_of_other_pictures_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs: list[dict[str, bytes]] = []
    meanwhile(monkeypatch, lambda: (run("other"), theirs.append(contents()), capsys.readouterr()))
    assert run("one") == FAILED
    assert contents() == theirs[0]
    out, err = capsys.readouterr()
    assert out == ""
    kept = Path("out", "a.png")
    assert f"senga: one/a.png: {kept}: something else was written there during the run, and is kept" in err
    assert "2 pictures: 0 done, 0 skipped, 2 failed" in err


def test_the_same_call_twice_at_a_time_makes_each_result_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    meanwhile(monkeypatch, lambda: run("one"))
    assert run("one") == OK
    assert sorted(contents()) == ["a.json", "a.png", "b.json", "b.png"]
    capsys.readouterr()
    assert run("one") == OK
    assert "0 done, 2 skipped" in capsys.readouterr().err


def test_an_outdated_result_that_its_user_edits_during_the_run_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("one") == OK
    meanwhile(monkeypatch, lambda: Path("out/b.json").write_text("edited", encoding="utf-8"))
    assert run("other") == FAILED
    assert contents()["b.json"] == b"edited"
    expected = contents()
    shutil.rmtree("out")
    run("other")
    assert contents()["a.png"] == expected["a.png"]


def test_force_replaces_whatever_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: run("other"))
    assert run("one", "--force") == OK
    forced = contents()
    shutil.rmtree("out")
    assert run("one") == OK
    assert contents()["a.png"] == forced["a.png"]


def test_a_name_that_another_program_takes_at_the_last_moment_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = results.publish

    def publish(temporary: Path, path: Path) -> None:
        if path.name == "b.png":
            path.write_bytes(b"theirs")
        real(temporary, path)

    monkeypatch.setattr(results, "publish", publish)
    assert run("one") == FAILED
    assert contents()["b.png"] == b"theirs"
    assert sorted(contents()) == ["a.json", "a.png", "b.json", "b.png"]
