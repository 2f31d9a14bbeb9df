"""Where drawings come from: Debian and npm packages, fetched once into a cache; and what a set asks of its sources."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...arch import SengaError


class SourceError(SengaError):
    """A source cannot be used; the message is one sentence that says what is missing and how to go on."""


class ToolError(SourceError):
    """A program that fetches or draws is missing or fails; a builder adds its own way out to the message."""


@dataclass(frozen=True)
class Picture:
    """One picture of a set: `path` is an SVG (drawn), a PNG (converted) or a WebP (copied as it is)."""

    source: str
    name: str  # unique within the source, without suffix
    split: str  # "train" | "val"
    author: str
    licence: str  # SPDX identifier, or "Public-Domain"
    path: Path
    sha256: str | None = None  # of `path`, where the source declares it


@dataclass(frozen=True)
class Request:
    cache: Path
    art_pack: Path | None = None
    copyleft: bool = False
    selected: tuple[str, ...] = ()  # the sources of this build


def run_tool(source: str, command: list[str], cwd: Path) -> None:
    """Run `command` in `cwd`. Raises ToolError when the program is missing or fails."""
    program = shutil.which(command[0])  # finds npm.cmd on Windows, which subprocess alone does not
    if program is None:
        raise ToolError(f"{source}: the program '{command[0]}' is needed and was not found")
    done = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise ToolError(f"{source}: '{' '.join(command[:3])}' ended with {done.returncode} ({last})")


def debian_package(source: str, package: str, cache: Path) -> Path:
    """The unpacked Debian package; a .deb in the cache is used if there is one."""
    folder = cache / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / package
    if unpacked.is_dir():
        return unpacked
    if not list(folder.glob(f"{package}_*.deb")):
        run_tool(source, ["apt-get", "download", package], folder)
    archive = sorted(folder.glob(f"{package}_*.deb"))[-1]
    partial = folder / f"{package}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    run_tool(source, ["dpkg-deb", "-x", archive.name, partial.name], folder)
    return partial.replace(unpacked)  # whole or not at all: an interrupted unpacking leaves no half package


def npm_package(source: str, package: str, version: str, cache: Path) -> Path:
    """The folder of an npm package of that version, fetched unless it is in the cache."""
    # A prefix of its own: npm removes from a folder what it did not put there with the last command.
    prefix = cache / "npm" / package.replace("/", "-")
    prefix.mkdir(parents=True, exist_ok=True)
    root = prefix / "node_modules" / package
    declared = root / "package.json"
    if not declared.is_file() or json.loads(declared.read_text("utf-8"))["version"] != version:
        specifier = f"{package}@{version}"
        run_tool(source, ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", specifier], prefix)
    return root
