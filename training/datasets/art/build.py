"""Build the training and validation pictures of the upscaler from openly licensed sources.

    senga data build-art --out data/art [--art-pack DIR] [--cache DIR] [--only SOURCE ...] [--copyleft] [--limit N]

Writes OUT/<split>/<source>/<name>.webp (lossless, alpha kept) and OUT/manifest.csv with each picture's author, licence
and sha256. The manifest is sorted, so its own sha256 names the set. Equal sources and equal versions of resvg-py and
Pillow give equal files; another version of libwebp may pack the same pixels into other bytes.
An interrupted build goes on where it was.
"""

import argparse
import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ....arch.errors import amount
from ....arch.files.atomic import replacing
from ....arch.files.reading import READABLE
from ..drawing import (
    PictureError,
    at_least_one,
    check_folders,
    drawn_part,
    evenly,
    render_page,
    require_resvg,
    save_webp,
)
from ..fetch import Picture, Request, SourceError, ToolError
from ..manifest import Row, read_manifest, write_manifest
from .copyleft import COPYLEFT_SOURCES
from .sources import SOURCES

logger = logging.getLogger("senga")

ALL_SOURCES = SOURCES | COPYLEFT_SOURCES

LONG_SIDE = 1024  # px, of a drawn SVG after its empty margins are cut away
SHORT_SIDE = 320  # px, even of a long thin drawing ...
MAX_SIDE = 2048  # px, ... as long as the long side stays below this
MIN_SHORT_SIDE = 128  # px; below it no training patch fits
MAX_PAGE_AREA = 24e6  # px, of the page that is drawn to enlarge a small drawing on it


# --- one picture ------------------------------------------------------------------------------------------------------


def target_scale(width: int, height: int) -> float:
    """The factor that takes a drawing of this size to LONG_SIDE, or further where it would be too thin."""
    short, long = sorted((width, height))
    return max(LONG_SIDE / long, min(SHORT_SIDE / short, MAX_SIDE / long))


def draw_svg(svg: Path) -> Image.Image:
    """Draw an SVG at the size for training and cut its empty margins. Raises PictureError."""
    page = render_page(svg, LONG_SIDE)
    drawing = drawn_part(page)
    scale = min(target_scale(*drawing.size), (MAX_PAGE_AREA / (page.width * page.height)) ** 0.5)
    if not 0.95 < scale < 1.05:
        drawing = drawn_part(render_page(svg, max(1, round(LONG_SIDE * scale))))
    return drawing


def check_content(drawing: Image.Image) -> None:
    """Raise PictureError for what is of no use in training: too thin, nearly empty, without lines, or a mere grid."""
    if min(drawing.size) < MIN_SHORT_SIDE:
        raise PictureError(f"is too thin ({drawing.width} x {drawing.height})")
    small = drawing.copy()
    small.thumbnail((256, 256), Image.Resampling.BOX)
    rgba = np.asarray(small, dtype=np.float32)
    alpha = rgba[..., 3:] / 255.0
    if alpha.mean() < 0.05:
        raise PictureError("is nearly empty")
    # Over grey, so that a white drawing and a black one both contrast with their surroundings.
    grey = (rgba[..., :3] * alpha + 128.0 * (1.0 - alpha)).mean(axis=2)
    steps = np.maximum(np.abs(np.diff(grey, axis=0))[:, 1:], np.abs(np.diff(grey, axis=1))[1:, :])
    lines = float((steps > 16.0).mean())
    if lines < 0.015:
        raise PictureError("has hardly any lines")
    if lines > 0.55:
        raise PictureError("is a mere pattern")


def fingerprint(drawing: Image.Image) -> np.ndarray:
    """A (16, 16, 3) thumbnail over white, float32 0..255: near for two files of one drawing."""
    ground = Image.new("RGBA", drawing.size, "white")
    ground.alpha_composite(drawing)
    return np.asarray(ground.convert("RGB").resize((16, 16), Image.Resampling.BOX), dtype=np.float32)


class Duplicates:
    """Remembers drawings, to find a second file of the same one (some clips were sent in twice, by two people)."""

    def __init__(self, tolerance: float = 12.0) -> None:
        self.tolerance = tolerance
        self.known: list[np.ndarray] = []

    def add(self, drawing: Image.Image) -> None:
        """Raise PictureError if the drawing is known already."""
        print_ = fingerprint(drawing)
        if self.known and float(np.abs(np.stack(self.known) - print_).max(axis=(1, 2, 3)).min()) < self.tolerance:
            raise PictureError("is a drawing that the set already has")
        self.known.append(print_)


def read_rgba(path: Path) -> Image.Image:
    with Image.open(path, formats=READABLE) as image:
        return image.convert("RGBA")


def write_picture(picture: Picture, target: Path, duplicates: Duplicates) -> None:
    """Bring one picture to `target`, unless it is there; a drawing is checked each time. Raises PictureError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if picture.path.suffix == ".svg":
        there = target.is_file()
        image = read_rgba(target) if there else draw_svg(picture.path)
        check_content(image)
        duplicates.add(image)
        if not there:
            save_webp(image, target)
    elif target.is_file():
        return
    elif not picture.path.is_file():
        raise PictureError("is missing")
    elif picture.sha256 is None:
        with Image.open(picture.path, formats=READABLE) as image:
            save_webp(image, target)
    elif picture.sha256 != hashlib.sha256(picture.path.read_bytes()).hexdigest():
        raise PictureError("does not have the sha256 that its source declares")
    else:
        with replacing(target) as temporary:
            shutil.copyfile(picture.path, temporary)


# --- the set ----------------------------------------------------------------------------------------------------------


def list_source(source: str, request: Request) -> list[Picture]:
    """The pictures of a source, fetched where need be. Raises SourceError with the way out."""
    try:
        return ALL_SOURCES[source](request)
    except ToolError as error:
        others = " ".join(name for name in SOURCES if name != source)
        raise SourceError(f"{error}; to build without this source, name the others: --only {others}") from error


def build_source(pictures: Sequence[Picture], out: Path) -> tuple[list[Row], Counter[str]]:
    """Write one source's pictures below `out`; returns their manifest rows and the skipped ones, counted by reason."""
    rows: list[Row] = []
    skipped: Counter[str] = Counter()
    duplicates = Duplicates()
    # Held-out pictures first: where a drawing is there twice, it is the training set that loses it.
    ordered = sorted(pictures, key=lambda picture: (picture.split != "val", picture.name))
    for picture in tqdm(ordered, desc=ordered[0].source if ordered else "nothing", unit="picture", disable=None):
        target = out / picture.split / picture.source / f"{picture.name}.webp"
        try:
            write_picture(picture, target, duplicates)
        except PictureError as error:
            logger.info("skipped %s: %s", picture.path.name, error)
            skipped[str(error).partition(":")[0].partition(" (")[0]] += 1
            target.unlink(missing_ok=True)
            continue
        with Image.open(target, formats=READABLE) as image:
            width, height = image.size
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        file = target.relative_to(out).as_posix()
        rows.append(Row(file, picture.split, picture.source, picture.author, picture.licence, digest, width, height))
    return rows, skipped


def remove_stale(out: Path, source: str, rows: Sequence[Row]) -> int:
    """Delete this source's pictures that are in no row: a folder must not hold more than its manifest names."""
    kept = {out / row.file for row in rows}
    stale = [path for split in ("train", "val") for path in (out / split / source).glob("*.webp") if path not in kept]
    for path in stale:
        path.unlink()
    return len(stale)


def build(request: Request, out: Path, limit: int | None = None) -> str:
    """Build the selected sources into `out`; returns the sha256 of the manifest. Raises SourceError.

    Pictures of other sources that an earlier build left in `out` stay, and stay in the manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    listed = {source: evenly(list_source(source, request), limit) for source in request.selected}
    if any(picture.path.suffix == ".svg" for pictures in listed.values() for picture in pictures):
        require_resvg(", or build without SVG: --only renpy_demo art_pack")
    manifest = out / "manifest.csv"
    rows = [row for row in read_manifest(manifest) if row.source not in request.selected]
    for source, pictures in listed.items():
        built, skipped = build_source(pictures, out)
        rows += built
        splits = Counter(row.split for row in built)
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "none"
        stale = remove_stale(out, source, built)
        summary = "%s: %d train, %d val; skipped: %s; removed: %d"
        logger.info(summary, source, splits["train"], splits["val"], reasons, stale)
    digest = write_manifest(rows, manifest)
    pixels = sum(row.width * row.height for row in rows)
    count = amount(len(rows), "picture")
    logger.info("%s: %s, %.0f megapixels, sha256 %s", manifest, count, pixels / 1e6, digest)
    return digest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder that receives train/, val/ and manifest.csv")
    parser.add_argument("--art-pack", type=Path, help="folder of further pictures with a MANIFEST.csv")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), help="folder for what is fetched")
    parser.add_argument("--only", nargs="+", choices=list(ALL_SOURCES), help="build these sources alone")
    parser.add_argument(
        "--copyleft",
        action="store_true",
        help=f"use GPL and CC BY-SA pictures as well: {', '.join(COPYLEFT_SOURCES)}, and those of the art pack",
    )
    parser.add_argument("--limit", type=at_least_one, help="at most this many pictures of each source, for a trial")


def run(args: argparse.Namespace) -> int:
    check_folders(out=args.out, cache=args.cache)
    offered = ALL_SOURCES if args.copyleft else SOURCES
    if refused := [source for source in args.only or () if source not in offered]:
        raise SourceError(f"--only {' '.join(refused)}: these are GPL or CC BY-SA pictures; add --copyleft to use them")
    everything = [source for source in offered if source != "art_pack" or args.art_pack]
    request = Request(args.cache.resolve(), args.art_pack, args.copyleft, tuple(args.only or everything))
    with logging_redirect_tqdm([logger]):
        build(request, args.out, args.limit)
    return 0
