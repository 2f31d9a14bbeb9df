"""Each `senga` line of the pages about training is understood: by the real parsers, with settings that can be read."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from repository import ROOT
from senga.headless.cli import COMMANDS, OK, main
from senga.headless.commands.data import TOOLS
from senga.headless.commands.train import TRAINERS
from senga.headless.training_modules import training_module

# Page -> the name under which its commands use its first example of settings.
PAGES = {
    "training.md": "mine.toml",
    "training_own_data.md": "dvd.toml",
    "training_tagger.md": "mine.toml",
    "training_data.md": "",
}


def commands(text: str) -> list[list[str]]:
    lines = re.findall(r"^(?: {4})?senga (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_understood(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "training" / "configs", "training/configs")
    if PAGES[page]:
        (example, *_) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        Path(PAGES[page]).write_text(example, encoding="utf-8")
    ran: list[object] = []
    found = commands(text)
    named = {words[0] for words in found}
    assert len(found) > 3
    assert named & {"train", "data"}
    for command in COMMANDS:
        if command.name in named - {"train", "data"}:
            monkeypatch.setattr(command.module, "run", lambda args: ran.append(args) or OK)
    for tool in TOOLS.values():
        monkeypatch.setattr(training_module(tool), "run", lambda args: ran.append(args) or OK)
    for trainer in TRAINERS.values():
        monkeypatch.setattr(training_module(trainer), "to_its_end", lambda *args: ran.append(args) or OK)
    for words in found:
        assert main(words) == OK, shlex.join(words)
    assert len(ran) == len(found)


def test_an_option_that_is_not_there_is_noticed() -> None:
    words, other = commands("senga data tile a b --size 64  # a word\n`senga` is\n    senga train sr \\\n  a.toml\n")
    assert words == ["data", "tile", "a", "b", "--size", "64"]
    assert other == ["train", "sr", "a.toml"]
    with pytest.raises(SystemExit):
        main(words)
