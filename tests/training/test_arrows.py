"""Which rooms of training/ may import which: read with ast, so that an import inside a function counts too."""

import ast
from pathlib import Path

import pytest
from repository import ROOT

TRAINING = ROOT / "training"
# room: the rooms, or parts of them, that it may import; itself and arch/ it always may
ARROWS = {
    "sr": {"run", "degradation", "datasets.procedural"},
    "tagger": {"run", "degradation", "datasets.procedural"},
    "run": set(),
    "degradation": set(),
    "datasets": set(),
}


def imports(path: Path) -> set[str]:
    """The modules that a file imports relatively, as "training.room.module"."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            found |= {".".join((*base, *([node.module] if node.module else []), alias.name)) for alias in node.names}
    return found


def test_every_room_has_its_row():
    rooms = {path.parent.relative_to(TRAINING).parts[0] for path in TRAINING.rglob("*.py") if path.parent != TRAINING}
    assert rooms == set(ARROWS)


@pytest.mark.parametrize("room", ARROWS)
def test_rooms_import_only_what_their_arrows_say(room):
    allowed = {"arch", f"training.{room}", *(f"training.{other}" for other in ARROWS[room])}
    files = sorted((TRAINING / room).rglob("*.py"))
    assert len(files) > 1
    for path in files:
        for name in imports(path):
            fits = any(name == rule or name.startswith(f"{rule}.") for rule in allowed)
            assert fits, f"{path.relative_to(ROOT)} imports {name}; {room} may import {', '.join(sorted(allowed))}"


@pytest.mark.parametrize(("one", "other"), [("art", "avatars"), ("avatars", "art"), (".", "art"), (".", "avatars")])
def test_neither_builder_imports_the_other_and_what_they_share_imports_neither(one, other):
    files = sorted((TRAINING / "datasets" / one).glob("*.py"))
    assert len(files) > 3
    for path in files:
        assert not [name for name in imports(path) if name.startswith(f"training.datasets.{other}.")], path
