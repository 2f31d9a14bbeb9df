"""The files of npm packages that the page is made of: found in node_modules, copied as they are, downloaded never."""

import json
from dataclasses import dataclass
from pathlib import Path

from ...arch.files.reading import read_json
from ..errors import SengaError, brief
from ..log import logger

PACKAGE = "onnxruntime-web"
# engine: the files of onnxruntime-web that it needs, the module to import first, the largest last.
ENGINES = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
# place in the site: place in node_modules
LIBRARIES = {"libraries/fflate.js": "fflate/esm/browser.js", "libraries/fflate.LICENSE": "fflate/LICENSE"}
FOLDER = "runtime"  # of the engines, in the site


@dataclass(frozen=True)
class Runtime:
    """Where each file of the packages is, by its place in the site."""

    files: dict[str, Path]
    version: str  # of onnxruntime-web


def find_runtime(page: Path, given: Path | None) -> Runtime:
    """Find the packages' files.

    Args:
        page: the folder `page/`, whose package.json names the versions.
        given: a node_modules folder, the package onnxruntime-web in one, or its `dist`; None is `page/node_modules`.

    Raises:
        SengaError: a file is missing; the text says how to get it.
    """
    modules = _modules(page / "node_modules" if given is None else given)
    dist = modules / PACKAGE / "dist"
    files = {f"{FOLDER}/{name}": dist / name for names in ENGINES.values() for name in names}
    files |= {place: modules / source for place, source in LIBRARIES.items()}
    if missing := [path for path in files.values() if not path.is_file()]:
        raise SengaError(
            f"{missing[0]}: the page needs this file, which npm brings: run `npm ci` in {page}, or give a node_modules"
            " folder that has onnxruntime-web and fflate with --runtime"
        )
    found, expected = _version(modules / PACKAGE), _pinned(page)
    if found != expected:
        logger.warning("%s is version %s; the page is tested with %s", modules / PACKAGE, found, expected)
    return Runtime(files, found)


def _modules(given: Path) -> Path:
    """The node_modules folder of a package's `dist`, of a package, or of itself."""
    for folder in (given.resolve(), *given.resolve().parents[:2]):
        if folder.name == PACKAGE:
            return folder.parent
    return given


def _version(package: Path) -> str:
    path = package / "package.json"
    found = read_json(path) if path.is_file() else None
    return brief(found.get("version", "unknown")) if isinstance(found, dict) else "unknown"


def _pinned(page: Path) -> str:
    return str(json.loads((page / "package.json").read_text(encoding="utf-8"))["dependencies"][PACKAGE])
