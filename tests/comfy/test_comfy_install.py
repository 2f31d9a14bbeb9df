"""The installation repairs itself and says why it cannot. Nothing is fetched here."""

import sys
from pathlib import Path

import comfy_install
import pytest

pytestmark = pytest.mark.comfy


def test_pip_says_why_it_failed() -> None:
    with pytest.raises(RuntimeError, match="No matching distribution found for no-such-package"):
        comfy_install._pip(Path(sys.executable), "install", "--no-index", "no-such-package")


def test_half_finished_environment_is_made_again_and_a_finished_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = comfy_install._run

    def run_without_pip(command: list[str]) -> str:  # a virtual environment takes seconds with pip, no time without
        return run([*command, "--without-pip"] if "venv" in command else command)

    def fail_on_the_second(python: Path, *arguments: str) -> None:
        asked.append(arguments[1])
        if len(asked) == 2:
            raise RuntimeError("the line is down")

    monkeypatch.setattr(comfy_install, "REQUIREMENTS", (("one",), ("two",)))
    monkeypatch.setattr(comfy_install, "_run", run_without_pip)
    monkeypatch.setattr(comfy_install, "_pip", fail_on_the_second)
    with pytest.raises(RuntimeError, match="the line is down"):
        comfy_install._environment(tmp_path)
    assert comfy_install._environment(tmp_path).is_file()
    assert comfy_install._environment(tmp_path).is_file()
    assert asked == ["one", "two", "one", "two"]

    monkeypatch.setattr(comfy_install, "REQUIREMENTS", (("three",),))
    comfy_install._environment(tmp_path)
    assert asked[4:] == ["three"]


def test_path_that_holds_no_comfyui_is_named(tmp_path: Path) -> None:
    named = {
        "COMFYUI_CACHE": str(tmp_path),
        "COMFYUI_PYTHON": sys.executable,
        "COMFYUI_PATH": str(tmp_path / "nowhere"),
    }
    with pytest.raises(RuntimeError, match=r"nowhere.main\.py does not exist: unset \$COMFYUI_PATH"):
        comfy_install.install(named)
