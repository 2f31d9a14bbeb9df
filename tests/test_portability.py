"""Nothing in the run-time package is POSIX's alone, depends on how processes start, or guesses an encoding."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

FILES = sorted(path for folder in ("arch", "nodes", "headless", "training") for path in (ROOT / folder).rglob("*.py"))

# Modules that Windows lacks.
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
# Names that Windows lacks, or that mean something else there.
POSIX_NAMES: dict[str, set[str]] = {
    "os": {"chown", "fork", "forkpty", "getuid", "geteuid", "getgid", "killpg", "nice", "setsid", "uname"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "pause", "setitimer"},
    "time": {"tzset"},
    "socket": {"AF_UNIX"},
}
# os.rename fails on Windows where the target exists; os.replace and Path.replace do not.
RENAMES = {"rename"}
FORKS = {"fork", "forkserver"}


def dotted(node: ast.expr) -> str:
    """`os.path.join` of such an expression, "" of any other."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def outside_windows(tree: ast.Module) -> Iterator[ast.AST]:
    """All that follows `else` of `if sys.platform == "win32"`, where Windows has a branch of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "sys.platform == 'win32'":
            for branch in node.orelse:
                yield from ast.walk(branch)


def findings(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    elsewhere = set(outside_windows(tree))
    for node in ast.walk(tree):
        if node in elsewhere:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = (node.module or "").split(".")[0]
            yield from ([module] if module in POSIX_MODULES else [])
            yield from (f"{module}.{alias.name}" for alias in node.names if alias.name in POSIX_NAMES.get(module, ()))
        elif isinstance(node, ast.Attribute):
            module = dotted(node.value)
            if node.attr in POSIX_NAMES.get(module, ()) or node.attr in RENAMES:
                yield f"{module}.{node.attr}"
        elif isinstance(node, ast.Call):
            yield from call_findings(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ([node.value] if node.value.startswith(("/tmp/", "/dev/", "/home/")) else [])


def call_findings(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
    words = {word.arg: word.value for word in node.keywords}
    place = {"read_text": 0, "write_text": 1}.get(name)
    if place is not None and "encoding" not in words and len(node.args) <= place:
        yield f"{name} without encoding: Windows takes the code page"
    if name in ("set_start_method", "get_context") and any(
        isinstance(argument, ast.Constant) and argument.value in FORKS for argument in node.args
    ):
        yield f"{name}: only spawn is everywhere"
    if any(word in words for word in ("preexec_fn", "start_new_session", "pass_fds")):
        yield f"{name}: POSIX alone"
    if name == "open" and "encoding" not in words and is_text_mode(node):
        yield "open without encoding: Windows takes the code page"


def is_text_mode(node: ast.Call) -> bool:
    """`open(path, "w")` and `path.open("w")`; anything else that is called open is no file of ours."""
    place = 1 if isinstance(node.func, ast.Name) else 0
    if len(node.args) <= place:
        return len(node.args) == place
    mode = node.args[place]
    return (
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and mode.value in ("r", "w", "a", "x", "r+", "w+")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_of_the_package_needs_posix(path: Path) -> None:
    assert list(findings(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "import sys\nif sys.platform == 'win32':\n    import fcntl\nelse:\n    import msvcrt",
        "import sys\nif sys.platform == 'linux':\n    import msvcrt\nelse:\n    import fcntl",
        "from resource import getrusage",
        "from os import fork",
        "import os\nos.getuid()",
        "import signal\nsignal.SIGALRM",
        "import os\nos.rename('a', 'b')",
        "path.rename(other)",
        "path.read_text()",
        "open('x')",
        "path.open('w')",
        "multiprocessing.set_start_method('fork')",
        "subprocess.Popen(x, start_new_session=True)",
        "x = '/tmp/file'",
    ],
)
def test_what_is_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nif sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl",
        "import os\nos.replace('a', 'b')",
        "path.read_text(encoding='utf-8')",
        "path.open('rb')",
        "Image.open(path)",
    ],
)
def test_what_is_no_finding(source: str) -> None:
    assert list(findings(source)) == []


def test_importing_the_command_starts_nothing() -> None:
    """With the spawn start method each child imports the main module again."""
    tree = ast.parse((ROOT / "headless" / "cli.py").read_text(encoding="utf-8"))
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    assert all(
        isinstance(node, allowed) or isinstance(getattr(node, "value", None), ast.Constant) for node in tree.body
    )
