"""Which modules of headless may import which: commands use the other rooms, never each other."""

import ast
from pathlib import Path

import pytest
from repository import ROOT
from senga.headless.cli import COMMANDS

HEADLESS = ROOT / "headless"
PROGRAM = {"__init__", "__main__", "cli"}
SHARED = {path.stem for path in HEADLESS.glob("*.py")} - PROGRAM  # errors, log, progress...
# room: what of headless its files may import, besides their own room
ARROWS = {
    "files": SHARED,
    "workflow": SHARED | {"files"},
    "server": SHARED | {"files", "workflow"},
    "site": SHARED,
    "cluster": SHARED | {"files"},
    "commands": SHARED | {"files", "workflow", "server", "site", "cluster"},
    "": SHARED,  # the files outside the rooms; only cli.py lists the commands
}
# What the commands share; what one alone has is in `upscale_work.py`.
BATCH = ("commands.batch", "commands.batch_worker", "commands.batch_cluster")  # each may import those before it


def imported(path: Path) -> set[str]:
    """The modules of headless that a file imports: "errors", "files.pictures", "commands.upscale"."""
    found: set[str] = set()
    package = ("headless", *path.relative_to(HEADLESS).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
        module = ".".join(part for part in base if part)
        names = [f"{module}.{alias.name}" for alias in node.names]
        modules = [name for name in names if is_module(name)] or [module]
        found |= {name.removeprefix("headless.") for name in modules if name.startswith("headless.")}
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def room(module: str) -> str:
    return module.split(".")[0]


FILES = sorted(HEADLESS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HEADLESS).as_posix())
def test_imports_follow_the_arrows(path: Path) -> None:
    parts = path.relative_to(HEADLESS).with_suffix("").parts
    own = parts[0] if len(parts) > 1 else ""
    if parts == ("__main__",):
        assert imported(path) == {"cli"}
        return
    for module in imported(path):
        if room(module) == "commands":
            shared = own == "commands" and (
                module in BATCH or module.startswith(f"commands.{path.stem.split('_')[0]}_")
            )
            assert parts == ("cli",) or shared, f"{path} imports {module}"
        else:
            assert room(module) in ARROWS[own] or room(module) == own != "", f"{path} imports {module}"


def test_the_batch_and_what_commands_share_know_no_command() -> None:
    for number, name in enumerate(BATCH):
        found = imported(HEADLESS.joinpath(*name.split(".")).with_suffix(".py"))
        assert {module for module in found if room(module) == "commands"} <= set(BATCH[:number])


def test_every_room_is_in_the_table_and_the_imports_are_seen() -> None:
    rooms = {path.parent.name for path in FILES if path.parent != HEADLESS}
    assert rooms == set(ARROWS) - {""}
    assert {"errors", "log"} <= imported(HEADLESS / "cli.py")
    assert {"files.plan", "commands.batch"} <= imported(HEADLESS / "commands" / "upscale.py")
    assert {"files.pictures", "commands.batch"} <= imported(HEADLESS / "commands" / "upscale_work.py")


def test_the_program_lists_all_commands_and_no_other_module() -> None:
    """It imports them by their names, one at a time."""
    commands = {path.stem for path in (HEADLESS / "commands").glob("*.py")} - {
        "__init__",
        *(name.removeprefix("commands.") for name in BATCH),
    }
    own = {name for name in commands if name.partition("_")[0] in commands - {name}}  # of one command each
    assert {command.name for command in COMMANDS} == commands - own
    for command in COMMANDS:
        assert callable(command.module.add_arguments)
        assert callable(command.module.run)
