"""What ComfyUI's registry shows and ships: an icon and a banner in its sizes, and no less than the nodes need."""

import tomllib
from fnmatch import fnmatch

import pytest
from PIL import Image
from repository import ROOT
from senga.benchmarks import icon  # pyright: ignore[reportMissingImports]

PATTERNS = [
    line
    for line in (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def ignored(path: str) -> bool:
    """Of the patterns that the file uses: folders at the top, and names within one folder."""
    return any(path.startswith(line) if line.endswith("/") else fnmatch(path, line) for line in PATTERNS)


@pytest.mark.parametrize(("path", "ratio"), [(icon.ICON, 1), (icon.BANNER, 21 / 9)], ids=["icon", "banner"])
def test_the_pictures_have_the_registrys_shapes(path, ratio):
    with Image.open(path) as picture:
        assert picture.width / picture.height == pytest.approx(ratio, abs=0.01)
        assert path != icon.ICON or picture.height <= 400
    assert path.stat().st_size < 200_000


def test_the_icon_is_what_the_script_draws():
    with Image.open(icon.ICON) as picture:
        drawn = icon.icon()
        assert picture.size == drawn.size
        pairs = zip(picture.convert("RGB").resize((8, 8)).tobytes(), drawn.resize((8, 8)).tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) < 4


def test_everything_that_nodes_and_shell_need_is_shipped():
    packages = [
        name.replace(".", "/").removeprefix("senga").removeprefix("/")
        for name in PYPROJECT["tool"]["setuptools"]["packages"]
    ]
    needed = [f"{folder}/x.py" for folder in packages if folder]
    needed += [
        path.relative_to(ROOT).as_posix()
        for folder in ("web", "locales", "example_workflows")
        for path in (ROOT / folder).rglob("*")
    ]
    needed += [path.relative_to(ROOT).as_posix() for path in (ROOT / "weights").glob("*.safetensors")]
    needed += ["__init__.py", "pyproject.toml", "LICENSE", "README.md", "requirements.txt", "docs/comfyui.md"]
    assert len(needed) > 50
    assert [path for path in needed if ignored(path)] == []


def test_tests_and_measurements_are_not_shipped():
    assert all(ignored(path) for path in ("tests/conftest.py", "benchmarks/icon.py", ".ci/run", "docs/icon.png"))


def test_version_and_changelog_are_in_step():
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "]
    assert headings[0].removeprefix("## ").split(" ")[0] == PYPROJECT["project"]["version"]
