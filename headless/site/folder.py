"""Write the site: the page's own files, the networks, the runtime, compressed copies, and the manifest last."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...arch.files.atomic import replacing
from ...arch.files.reading import read_json
from ..errors import UsageError
from .models import Exported, export_tagger, export_upscaler
from .packing import ENDINGS, Packer, packers
from .runtime import ENGINES, FOLDER, Runtime

PAGE = Path(__file__).resolve().parents[2] / "page"
SAMPLE = Path(__file__).resolve().parents[2] / "example_workflows" / "senga_lucy.png"
OWN = (
    "*.txt",
    "*.html",
    "*.css",
    "*.js",
    "*.svg",
    "*.webmanifest",
    "headers.json",
    "engine/*.js",
    "ui/*.js",
    "texts/*.json",
)
SAMPLE_PLACE = "sample.png"
MANIFEST = "manifest.json"
HOST_HEADERS = "_headers"  # read by several static hosts
COMPRESSIBLE = {".html", ".css", ".js", ".mjs", ".json", ".svg", ".webmanifest"}  # with compressed copies beside it
COMPRESSED = {".wasm", ".onnx"}  # there in compressed form alone, which the page unpacks itself, on any host
LEAST_SAVED = 0.1  # of a file's size, for a compressed copy to be kept
LARGEST = 64 * 10**6  # bytes of a site with the networks that are offered


def build(out: Path, upscalers: Iterable[Path], tagger: Path | None, runtime: Runtime) -> dict[str, Any]:
    """Write the site into `out`, in which an older site is replaced. Returns the manifest.

    Raises:
        UsageError: `out` has other files.
        SengaError: a network cannot be exported.
        OSError: the folder cannot be written.
    """
    old = _old_files(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".senga_site_", dir=out.parent) as made:
        site = Path(made)
        shell = copy_page(PAGE, site)
        exported = [export_upscaler(path, site) for path in upscalers]
        tags: Exported | None = None
        if tagger is not None:
            tags, words = export_tagger(tagger, site)
            write_json(site / tags.entry["tags"], words)
        for place, source in runtime.files.items():
            copy(source, site / place)
        # Scripts are small and always there; what is large is fetched when it is used.
        shell += [place for place in runtime.files if place.endswith((".js", ".mjs"))]
        manifest = describe(site, shell, exported, tags, runtime)
        (site / HOST_HEADERS).write_text(host_headers(site / "headers.json"), encoding="utf-8")
        write_json(site / MANIFEST, manifest)
        _move(site, out, old)
    return manifest


def copy_page(page: Path, site: Path) -> list[str]:
    """Copy the page's own files and the sample picture; returns their places in the site."""
    sources = {path.relative_to(page).as_posix(): path for pattern in OWN for path in sorted(page.glob(pattern))}
    for place, source in {**sources, SAMPLE_PLACE: SAMPLE}.items():
        copy(source, site / place)
    return [*sources, SAMPLE_PLACE]


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def write_json(path: Path, table: Any) -> None:
    path.write_text(json.dumps(table, ensure_ascii=False, sort_keys=True, separators=(",", ":")), encoding="utf-8")


def describe(
    site: Path, shell: list[str], upscalers: list[Exported], tagger: Exported | None, runtime: Runtime
) -> dict[str, Any]:
    """The manifest of the files in `site`; compresses them on the way. `version` changes when any file does."""
    paths = sorted(path for path in site.rglob("*") if path.is_file())
    known = packers()
    files = {path.relative_to(site).as_posix(): facts(path, known) for path in paths}
    digest = hashlib.sha256(json.dumps([files, shell], sort_keys=True).encode()).hexdigest()
    return {
        "format": 1,
        "version": digest[:16],
        "files": files,
        "shell": sorted(shell),
        "sample": SAMPLE_PLACE,
        "upscalers": [found.entry for found in upscalers],
        "tagger": tagger.entry if tagger else None,
        "runtime": {"version": runtime.version, **engines()},
    }


def engines() -> dict[str, dict[str, str]]:
    """engine: the places of its module, of its glue code, and of its WebAssembly."""
    names = ("module", "glue", "binary")
    return {
        engine: {name: f"{FOLDER}/{file}" for name, file in zip(names, files, strict=True)}
        for engine, files in ENGINES.items()
    }


def facts(path: Path, known: dict[str, Packer]) -> dict[str, Any]:
    """Size and hash of a file, and the size of each compressed copy. Writes those."""
    data = path.read_bytes()
    found: dict[str, Any] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if path.suffix in COMPRESSIBLE | COMPRESSED:
        least = len(data) * (1 - LEAST_SAVED)
        for ending, pack in known.items():
            small = pack(data)
            if len(small) <= least or (path.suffix in COMPRESSED and ending == "gz"):
                path.with_name(f"{path.name}.{ending}").write_bytes(small)
                found[ending] = len(small)
        if path.suffix in COMPRESSED:
            path.unlink()
    return found


def host_headers(path: Path) -> str:
    """The page's headers in the form that several static hosts read from a file `_headers`."""
    headers = json.loads(path.read_text(encoding="utf-8"))
    return "/*\n" + "".join(f"  {name}: {value}\n" for name, value in headers.items())


def _old_files(out: Path) -> set[str]:
    """What an older site in the folder consists of. Raises UsageError where the folder has something else."""
    if not out.exists():
        return set()
    if not out.is_dir():
        raise UsageError(f"--out {out}: is a file; expected a folder")
    manifest = out / MANIFEST
    if not manifest.is_file():
        if any(out.iterdir()):
            raise UsageError(f"--out {out}: has files that are not a site of Senga's; give a new or an empty folder")
        return set()
    try:
        files = read_json(manifest)["files"]
        places = {place for place in files if (out / place).resolve().is_relative_to(out.resolve())}
    except (ValueError, TypeError, KeyError, RuntimeError, OSError) as error:  # of what is in it, and of its places
        raise UsageError(f"--out {out}: {MANIFEST} is not of a site of Senga's; give a new folder") from error
    return places | {f"{place}.{ending}" for place in places for ending in ENDINGS}


def _move(site: Path, out: Path, old: set[str]) -> None:
    """Put the new files into place, the manifest last, and remove those of the old site that are no longer used."""
    places = sorted(
        (path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()), key=lambda p: p == MANIFEST
    )
    for place in places:
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        with replacing(out / place) as temporary:
            shutil.move(site / place, temporary)
    for place in old - set(places):
        (out / place).unlink(missing_ok=True)


def total(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
